//! The queue of spans, and what sends them.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, RetryPolicy, SpanExporter, WithExportConfig, WithTonicConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{SpanData, SpanExporter as _},
};
use tokio::{
    sync::mpsc::{Receiver, Sender, channel},
    time::{sleep, timeout},
};

use crate::{Kind, Place, Span};

/// Spans that wait, of about half a kilobyte each.
const QUEUE: usize = 8192;
/// Spans in one message.
const BATCH: usize = 512;
/// From a message that was not full to the next, so that each has many.
const PAUSE: Duration = Duration::from_millis(200);
/// How long the collector may take for one.
const DEADLINE: Duration = Duration::from_secs(5);

/// Where spans go, and who tells them.
#[derive(Debug, Clone)]
pub struct Options {
    /// The collector's OTLP over gRPC, as `http://host:4317`.
    pub endpoint: String,
    /// Of how many traces one is told.
    pub one_in: u64,
    /// Who tells them: `service.name` and whatever else there is to say of this process.
    pub process: Vec<(&'static str, String)>,
}

/// Why no spans can be sent.
#[derive(Debug, thiserror::Error)]
#[error("spans cannot be sent to {endpoint}: {cause}")]
pub struct OpenError {
    endpoint: String,
    cause: ExporterBuildError,
}

/// What became of spans.
#[derive(Debug, Default)]
pub struct Counts {
    sent: AtomicU64,
    lost: AtomicU64,
}

impl Counts {
    /// Those that the collector took.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Those that did not fit into the queue, and those that the collector did not take.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

/// Takes spans. Clones share one queue.
#[derive(Debug, Clone)]
pub struct Tracer {
    queue: Sender<Span>,
    one_in: u64,
    counts: Arc<Counts>,
}

impl Tracer {
    /// Whether the trace of this place is told: where not, its spans need not be made.
    pub fn wants(&self, place: Place) -> bool {
        place.is_one_in(self.one_in)
    }

    /// Tells a span, if its trace is told. Never waits. Requests have half of the queue: however many strangers ask,
    /// tasks have the rest.
    pub fn tell(&self, span: Span) {
        if !self.wants(span.place) {
            return;
        }
        let has_room = span.kind != Kind::Server || self.queue.capacity() > QUEUE / 2;
        if !has_room || self.queue.try_send(span).is_err() {
            self.counts.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What became of them.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }
}

/// A tracer, and the future that sends what it is told until all tracers are gone. To be called within tokio's runtime.
///
/// # Errors
/// [`OpenError`] where the endpoint is none. A collector that is not there is no error: it may come.
pub fn open(options: Options) -> Result<(Tracer, impl Future<Output = ()> + Send), OpenError> {
    // What a collector took and did not answer for is not sent to it again.
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(&options.endpoint)
        .with_timeout(DEADLINE)
        .with_retry_policy(RetryPolicy::disabled())
        .build();
    let mut exporter = exporter.map_err(|cause| OpenError { endpoint: options.endpoint.clone(), cause })?;
    let about = options.process.into_iter().map(|(name, value)| KeyValue::new(name, value));
    exporter.set_resource(&Resource::builder_empty().with_attributes(about).build());
    let (queue, spans) = channel(QUEUE);
    let counts = Arc::new(Counts::default());
    let tracer = Tracer { queue, one_in: options.one_in, counts: Arc::clone(&counts) };
    Ok((tracer, send(spans, exporter, counts, options.endpoint)))
}

async fn send(mut spans: Receiver<Span>, exporter: SpanExporter, counts: Arc<Counts>, endpoint: String) {
    let scope = InstrumentationScope::builder("argus").with_version(env!("CARGO_PKG_VERSION")).build();
    let mut is_away = false;
    let mut batch = Vec::with_capacity(BATCH);
    while spans.recv_many(&mut batch, BATCH).await > 0 {
        let (some, is_full) = (batch.len() as u64, batch.len() == BATCH);
        let message: Vec<SpanData> = batch.drain(..).map(|span| span.data(&scope)).collect();
        let answer = match timeout(DEADLINE, exporter.export(message)).await {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer within {} s", DEADLINE.as_secs())),
        };
        match answer {
            Ok(()) => {
                counts.sent.fetch_add(some, Ordering::Relaxed);
                if std::mem::take(&mut is_away) {
                    tracing::info!(%endpoint, "the collector takes spans again");
                }
            }
            Err(error) => {
                counts.lost.fetch_add(some, Ordering::Relaxed);
                if !std::mem::replace(&mut is_away, true) {
                    tracing::warn!(%endpoint, error, "the collector takes no spans: they are lost until it does");
                }
            }
        }
        if !is_full {
            sleep(PAUSE).await;
        }
    }
}
