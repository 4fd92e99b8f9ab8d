//! What this process tells a collector of spans: at the seams where everything passes, so that no service knows of it.
//!
//! A task's trace, and who tells what of it:
//!
//! ```text
//! task                       scheduler    due -> opened
//! ├─ attempt 1..             dispatcher   written down -> settled, or the next attempt
//! │  ├─ gather               aggregator   begun -> its outcome
//! │  └─ run, second run      keeper        assignment -> answer, one of each keeper
//! ├─ hand off 1..            dispatcher   written down -> a transaction left
//! │  └─ perform              keeper       told to act -> a transaction left, or it declines
//! ├─ include                 monitor      time of the block -> seen
//! ├─ confirm, revoke, lapse  monitor      when it was seen
//! └─ notify                  api          when it changed -> told to WebSockets
//! ```
//!
//! What had begun in a process that was restarted meanwhile is not told: its children stand without it. A request of the
//! API has a trace of its own, which its client may name.

mod api;
mod gather;
mod keeper;
mod steps;
mod tasks;

use std::sync::Arc;

use argus_domain::ids::{AttemptNo, TaskId};
use argus_otlp::{Options, Place, Tracer};

pub use api::{follow, requests};
pub use gather::Gathered;
pub use keeper::TracedLink;
pub use tasks::TracedTasks;

use crate::{config::Traces, roles::Role};

/// Opens the way to the collector, where one is configured; with it, what sends.
pub fn open(
    settings: &Traces,
    roles: &[Role],
) -> anyhow::Result<Option<(Tracer, impl Future<Output = ()> + Send + use<>)>> {
    let Some(endpoint) = settings.endpoint.clone() else { return Ok(None) };
    let roles: Vec<_> = roles.iter().filter_map(|role| role.shown()).map(|role| role.name()).collect();
    let process = vec![
        ("service.name", settings.service.clone()),
        ("service.version", env!("CARGO_PKG_VERSION").to_owned()),
        ("service.instance.id", uuid::Uuid::new_v4().to_string()),
        ("process.pid", std::process::id().to_string()),
        ("argus.roles", roles.join(",")),
    ];
    Ok(Some(argus_otlp::open(Options { endpoint, one_in: settings.one_in, process })?))
}

fn attempt_of(task: TaskId, no: AttemptNo) -> Place {
    Place::in_task(task, "attempt", &[&no.0.to_be_bytes()])
}

fn hand_off_of(task: TaskId, number: u16) -> Place {
    Place::in_task(task, "hand off", &[&number.to_be_bytes()])
}

/// A port as it is, or with what passes told.
pub fn traced<T: ?Sized>(
    port: Arc<T>,
    tracer: Option<&Tracer>,
    with: impl FnOnce(Arc<T>, Tracer) -> Arc<T>,
) -> Arc<T> {
    match tracer {
        Some(tracer) => with(port, tracer.clone()),
        None => port,
    }
}
