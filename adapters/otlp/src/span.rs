//! One span.

use std::{
    borrow::Cow,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use argus_domain::time::Timestamp;
use opentelemetry::{
    InstrumentationScope, KeyValue, Value,
    trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceState},
};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use crate::Place;

/// No span is shorter.
const SHORTEST: Duration = Duration::from_nanos(1);

/// The side on which a span is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Answers a request.
    Server,
    /// Puts something on its way, and does not wait.
    Producer,
    /// Does what another one put on its way.
    Consumer,
    /// Neither.
    Internal,
}

/// What is told of one step.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// Which.
    pub place: Place,
    /// The span above it in the same trace.
    pub parent: Option<Place>,
    /// What it is, the same text for all of its kind.
    pub name: &'static str,
    /// Its side.
    pub kind: Kind,
    /// When it began.
    pub begun: SystemTime,
    /// When it was over.
    pub ended: SystemTime,
    /// What else is known.
    pub notes: Vec<(&'static str, String)>,
    /// Why it failed, where it did.
    pub failure: Option<Cow<'static, str>>,
}

impl Span {
    /// A step that others do and that has come to its end.
    pub fn new(
        name: &'static str,
        place: Place,
        parent: Option<Place>,
        time: (SystemTime, SystemTime),
    ) -> Self {
        let (begun, ended) = time;
        Self { place, parent, name, kind: Kind::Consumer, begun, ended, notes: Vec::new(), failure: None }
    }

    /// On another side.
    #[must_use]
    pub fn on(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// With something more.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.notes.push((name, value.to_string()));
        self
    }

    /// Failed, where there is a reason.
    #[must_use]
    pub fn failed(mut self, failure: Option<Cow<'static, str>>) -> Self {
        self.failure = failure;
        self
    }

    pub(crate) fn data(self, scope: &InstrumentationScope) -> SpanData {
        let Place { trace, span } = self.place;
        SpanData {
            span_context: SpanContext::new(trace, span, TraceFlags::SAMPLED, false, TraceState::default()),
            parent_span_id: self.parent.map_or(SpanId::INVALID, |parent| parent.span),
            parent_span_is_remote: self.parent.is_some(),
            span_kind: match self.kind {
                Kind::Server => SpanKind::Server,
                Kind::Producer => SpanKind::Producer,
                Kind::Consumer => SpanKind::Consumer,
                Kind::Internal => SpanKind::Internal,
            },
            name: Cow::Borrowed(self.name),
            start_time: self.begun,
            // A clock may have been set back meanwhile, and collectors take what has no length for a fault.
            end_time: self.ended.max(self.begun.checked_add(SHORTEST).unwrap_or(self.begun)),
            attributes: self
                .notes
                .into_iter()
                .map(|(name, value)| KeyValue::new(name, Value::from(value)))
                .collect(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: self.failure.map_or(Status::Unset, Status::error),
            instrumentation_scope: scope.clone(),
        }
    }
}

/// The beginning of a step of this process.
#[derive(Debug, Clone, Copy)]
pub struct Begun {
    at: SystemTime,
    since: Instant,
}

impl Begun {
    /// Now.
    pub fn now() -> Self {
        Self { at: SystemTime::now(), since: Instant::now() }
    }

    /// From then until now, whatever was done to the clock meanwhile.
    pub fn until_now(self) -> (SystemTime, SystemTime) {
        (self.at, self.at.checked_add(self.since.elapsed()).unwrap_or(self.at))
    }
}

/// An instant of the platform's as the system has it.
pub fn instant(at: Timestamp) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_millis(at.0)).unwrap_or(UNIX_EPOCH)
}
