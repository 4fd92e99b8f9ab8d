//! Opens tasks: when an instant comes, a log appears or a value crosses.
//!
//! The scheduler owns the cursors of jobs and nothing else. Every cycle begins with what the store says is due, so a
//! lost nudge, a crash or a second scheduler cost latency and never a run: a task's id follows from its occurrence,
//! it is opened together with the cursor after it, and opening it twice is opening it once. What is decided is in
//! `argus_machine::schedule`; here is what waits, asks and carries out.
//!
//! Several schedulers share the jobs of one store, each those of the shards that it holds (`argus_lease`). One reads
//! what is due in these alone, and whatever it writes for a job carries the fence that it had before it decided. When
//! its shards change, every loop reads anew what is its own, and keeps nothing of what no longer is.
//!
//! It never runs a script, never chooses a keeper and never writes a fact.

use std::{future::Future, sync::Arc};

use argus_domain::ids::JobId;
use argus_ports::{LinkError, Nudge, count::Queue};
use async_trait::async_trait;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

mod condition;
mod config;
mod decisions;
mod event;
mod link;
mod metrics;
mod perform;
mod ports;
mod share;
mod time;

pub use config::Config;
pub use metrics::Metrics;
pub use ports::Ports;

use decisions::Gathered;
use perform::{Heard, Shell};

/// Nudges that wait for one loop. More are dropped: the next scan finds those jobs.
const NUDGES_MAX: usize = 1024;

/// What others hold of a running scheduler.
#[derive(Clone)]
pub struct Handle {
    loops: Arc<[mpsc::Sender<JobId>]>,
    lease: argus_lease::Handle,
    metrics: Arc<Metrics>,
}

impl Handle {
    /// What it has done so far.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The nudges that wait for its loops, as those of the fullest one.
    pub fn nudges(&self) -> Queue {
        let waiting = |queue: &mpsc::Sender<JobId>| queue.max_capacity() - queue.capacity();
        Queue { length: self.loops.iter().map(waiting).max().unwrap_or(0), bound: NUDGES_MAX }
    }
}

#[async_trait]
impl Nudge for Handle {
    /// Never waits and never fails: what does not fit is found by the next scan.
    async fn jobs_changed(&self, jobs: &[JobId]) -> Result<(), LinkError> {
        // Who holds the others finds them by its own scan.
        for job in jobs.iter().filter(|job| self.lease.fence_of_job(**job).is_some()) {
            for queue in self.loops.iter() {
                // A full queue means that its loop is behind and will scan anyway.
                let _ = queue.try_send(*job);
            }
        }
        Ok(())
    }
}

/// Builds a scheduler: a handle, and the future that is its life. The future ends soon after `stop` is cancelled,
/// with nothing left running, and is to be joined by the caller.
pub fn scheduler(
    config: Config,
    ports: Ports,
    stop: CancellationToken,
) -> (Handle, impl Future<Output = ()> + Send) {
    let metrics = Arc::new(Metrics::default());
    let lease = ports.lease.clone();
    let shell = Arc::new(Shell { config, ports, metrics: metrics.clone(), gathered: Gathered::default() });
    let mut queues = Vec::new();
    let mut queue = || {
        let (sender, receiver) = mpsc::channel(NUDGES_MAX);
        queues.push(sender);
        Heard { nudges: receiver, lease: lease.clone(), stop: stop.clone() }
    };
    let time = time::run(shell.clone(), queue());
    let condition = condition::run(shell.clone(), queue());
    let chains: Vec<_> = shell
        .ports
        .chains
        .values()
        .map(|reader| event::run(shell.clone(), reader.clone(), queue()))
        .collect();
    let decisions = decisions::run(shell, stop);
    let life = async move {
        tokio::join!(time, condition, futures::future::join_all(chains), decisions);
    };
    (Handle { loops: queues.into(), lease, metrics }, life)
}
