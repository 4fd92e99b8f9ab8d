//! The API's part: requests, and changes that reach those who watch.

use std::sync::Arc;

use argus_api::{Answered, Witness};
use argus_otlp::{Begun, Kind, Place, Span, Tracer, instant};
use argus_ports::{ChangeKind, EventBus, store::watch::Received};

/// Told of each request.
pub fn requests(tracer: Tracer) -> Arc<dyn Witness> {
    Arc::new(Requests(tracer))
}

struct Requests(Tracer);

impl Witness for Requests {
    fn answered(&self, request: &Answered<'_>) {
        let place = Place::of_request(request.trace, request.id);
        if !self.0.wants(place) {
            return;
        }
        let (_, ended) = Begun::now().until_now();
        let begun = ended.checked_sub(request.took).unwrap_or(ended);
        let above = request.parent.map(|parent| place.beside(parent));
        let span = Span::new("request", place, above, (begun, ended))
            .on(Kind::Server)
            .with("http.request.method", request.method)
            .with("http.route", request.path)
            .with("http.response.status_code", request.status)
            .failed((request.status >= 500).then_some("the server failed".into()));
        self.0.tell(span);
    }
}

/// Tells what becomes known to those who watch tasks through this process, until the bus is gone. What was missed is not
/// told.
pub async fn follow(bus: Arc<dyn EventBus>, tracer: Tracer) {
    // Others with an API tell it, too, and each what its own watchers were told.
    let process = uuid::Uuid::new_v4();
    let mut changes = bus.subscribe();
    loop {
        let change = match changes.next().await {
            Received::Change(change) => change,
            Received::Lagged => continue,
            Received::Closed => return,
        };
        let kind = name(change.kind);
        let key = [process.as_bytes().as_slice(), &change.seq.to_be_bytes()];
        let place = Place::in_task(change.task, "notify", &key);
        if tracer.wants(place) {
            let (_, now) = Begun::now().until_now();
            let above = Place::of_task(change.task);
            let span = Span::new("notify", place, Some(above), (instant(change.at), now));
            tracer.tell(span.with("argus.change", kind));
        }
    }
}

fn name(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Created => "created",
        ChangeKind::Settled => "settled",
        ChangeKind::Broadcast => "broadcast",
        ChangeKind::Received => "received",
        ChangeKind::Revoked => "revoked",
        ChangeKind::Confirmed => "confirmed",
        ChangeKind::Lapsed => "lapsed",
    }
}
