//! Terms: an aggregator takes messages in while it holds the one lease of its service, and begins each term with
//! nothing. Another one standing by costs nothing, and what it is asked it answers with who is to be asked instead.

use std::{sync::Arc, time::Duration};

use argus_domain::{keeper::LiveKeeper, lease::Fence};
use argus_lease::Handle as Lease;
use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinSet,
    time::sleep,
};

use crate::{
    AggregatorError,
    config::Config,
    courier,
    inbox::Message,
    metrics::Metrics,
    ports::Ports,
    service::{self, BATCH, ERRANDS, Term},
};

/// The only shard there is.
pub(crate) const SHARD: u16 = 0;

/// How long an aggregator that has just begun is asked to wait for its lease before it says that another one leads.
/// Where there is no other it has it by then, and nobody has to come again.
const BEGINS_WITHIN: Duration = Duration::from_millis(500);

/// What a term is begun with, and leaves.
pub(crate) struct Terms {
    pub config: Config,
    pub ports: Ports,
    pub sender: mpsc::Sender<Message>,
    pub inbox: mpsc::Receiver<Message>,
    pub live: watch::Sender<Vec<LiveKeeper>>,
    /// Whether it is known who leads: from the first term on, or after a moment without.
    pub begun: watch::Sender<bool>,
    pub metrics: Arc<Metrics>,
}

/// Leads whenever it may. What was to be told to the dispatcher goes out although a term is over: it is right all the
/// same, and the dispatcher's to judge.
pub(crate) async fn run(terms: Terms) -> Result<(), AggregatorError> {
    let Terms { config, ports, sender, mut inbox, live, begun, metrics } = terms;
    let (errands, to_do) = mpsc::channel(ERRANDS);
    let changed = Arc::new(Notify::new());
    let mut couriers = JoinSet::new();
    couriers.spawn(courier::run(ports.clone(), to_do));
    let nudging = courier::nudge(ports.clone(), changed.clone());
    couriers.spawn(async move { match nudging.await {} });
    let mut lease = ports.lease.clone();
    let mut messages = Vec::with_capacity(BATCH);
    let leading = async {
        while let Some(fence) = next(&mut lease, &mut inbox, &mut messages).await {
            begun.send_replace(true);
            tracing::info!("leads");
            let term = Term {
                config: config.clone(),
                ports: ports.clone(),
                sender: sender.clone(),
                live: live.clone(),
                changed: changed.clone(),
                errands: errands.clone(),
                metrics: metrics.clone(),
            };
            let ended = lease.hold(fence, service::run(term, &mut inbox, &mut messages)).await;
            // Nobody is here any more, and nothing of what was said meanwhile is heard in another term.
            live.send_replace(Vec::new());
            messages.clear();
            while inbox.try_recv().is_ok() {}
            match ended {
                Some(ended) => return ended,
                None => tracing::info!("leads no more: its keepers go to another one"),
            }
        }
        Ok(())
    };
    let wait = async {
        sleep(BEGINS_WITHIN).await;
        begun.send_replace(true);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        ended = leading => ended,
        () = wait => Ok(()),
        Some(_) = couriers.join_next() => Err(AggregatorError::Ended("courier")),
    }
}

/// Waits for the next term; `None`: nobody can reach us any more. What comes meanwhile was sent to the term before, or
/// is left in `messages` for the one that begins.
async fn next(
    lease: &mut Lease,
    inbox: &mut mpsc::Receiver<Message>,
    messages: &mut Vec<Message>,
) -> Option<Fence> {
    loop {
        tokio::select! {
            biased;
            fence = lease.gained(SHARD) => return Some(fence),
            taken = inbox.recv_many(messages, BATCH) => match (taken, lease.fence(SHARD)) {
                (0, _) => return None,
                (_, Some(fence)) => return Some(fence),
                (_, None) => messages.clear(),
            },
        }
    }
}
