//! A keeper: the operator's side. It verifies what it is told, fetches and runs the script itself, signs what it
//! found, and acts on chain when it is its turn.
//!
//! It owns one key and one journal. It believes the platform nothing that it can check (signature, due instant, the
//! event's log, pins, quorum) and signs one claim per attempt and round, kept before it is sent. It opens no socket
//! itself: platform, content, scripts and chains are ports.

mod config;
mod deposit;
mod metrics;
mod modules;
mod order;
mod perform;
mod ports;
mod recent;
mod run;
mod seal;
mod second;
mod session;
mod sign;
mod verify;

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    sync::Arc,
};

use argus_domain::{
    attempt::Answer,
    ids::{ChainId, KeeperId, TaskId},
};
use argus_ports::{FromKeeper, HandoffOrder, SignerError, StoreError, count::Queue};
use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

pub use config::{Config, Fees};
pub use metrics::Metrics;
pub use ports::Ports;
pub use run::Decline;
pub use verify::Objection;

/// Why a keeper stops. Everything else it survives.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// Its journal cannot be read: without it a restart could sign or send twice.
    #[error("the keeper's journal failed: {0}")]
    Journal(#[from] StoreError),
    /// It can write to a chain that it cannot read.
    #[error("chain {0} has a writer and no reader: give both")]
    Unread(ChainId),
    /// The journal holds another intent than the one that was just made: two processes with one key.
    #[error("the journal holds another intent of task {0}: is a second process using this keeper's key?")]
    TwoJournals(TaskId),
    /// A part of it ended that never does.
    #[error("the keeper's {0} ended abruptly")]
    Ended(&'static str),
}

/// What the process that hosts a keeper may ask of it.
#[derive(Clone)]
pub struct Handle {
    id: KeeperId,
    connected: watch::Receiver<bool>,
    stop: CancellationToken,
    metrics: Arc<Metrics>,
    capacity: u32,
    slots: Arc<Semaphore>,
    /// Weak, so that whoever holds a handle keeps no keeper from ending.
    outbox: mpsc::WeakSender<FromKeeper>,
    orders: Vec<mpsc::WeakSender<HandoffOrder>>,
}

impl Handle {
    /// Who it is.
    pub fn id(&self) -> KeeperId {
        self.id
    }

    /// Whether its stream to the platform is up.
    pub fn is_connected(&self) -> bool {
        *self.connected.borrow()
    }

    /// Returns once the stream is up.
    pub async fn connected(&self) {
        let mut connected = self.connected.clone();
        // The sender lives as long as the keeper; without one there is nothing to wait for.
        let _gone = connected.wait_for(|up| *up).await;
    }

    /// What it has done so far.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Runs that it has in hand, and how many it takes.
    pub fn runs(&self) -> Queue {
        let bound = self.capacity as usize;
        Queue { length: bound.saturating_sub(self.slots.available_permits()), bound }
    }

    /// Messages that wait for the platform.
    pub fn outbox(&self) -> Queue {
        waiting(&self.outbox, OUTBOX)
    }

    /// Calls that wait for its accounts, as those of the fullest queue.
    pub fn orders(&self) -> Queue {
        let queues = self.orders.iter().map(|queue| waiting(queue, ORDERS));
        queues.max_by_key(|queue| queue.length).unwrap_or(Queue { length: 0, bound: ORDERS })
    }

    /// Ends the keeper's future. What it has in hand is dropped: journal and platform make up for that.
    pub fn stop(&self) {
        self.stop.cancel();
    }
}

fn waiting<T>(queue: &mpsc::WeakSender<T>, bound: usize) -> Queue {
    let length = queue.upgrade().map_or(0, |queue| queue.max_capacity() - queue.capacity());
    Queue { length, bound }
}

/// What all tasks of one keeper share.
pub(crate) struct Inner {
    config: Config,
    ports: Ports,
    id: KeeperId,
    modules: modules::Modules,
    known: verify::Known,
    means: deposit::Known,
    sealer: seal::Sealer,
    in_hand: session::InHand,
    /// What was answered, to be repeated: another run of a live source would come to something else.
    answers: recent::Recent<Arc<Answer>>,
    /// Whose runs it found refuted, by attempt.
    refuted: recent::Recent<BTreeSet<KeeperId>>,
    /// For runs, and apart from them for replays: a second round is asked for while other runs are in hand.
    slots: Arc<Semaphore>,
    replays: Arc<Semaphore>,
    outbox: mpsc::Sender<FromKeeper>,
    performers: BTreeMap<ChainId, mpsc::Sender<HandoffOrder>>,
    connected: watch::Sender<bool>,
    /// How often its signer did not answer.
    unsigned: watch::Sender<u64>,
    metrics: Arc<Metrics>,
}

impl Inner {
    /// Notes why nothing was signed. While the signer does not answer, this keeper is of no use to the platform, which
    /// had better ask others: its session ends, and the next one begins with a signature.
    fn not_signed(&self, error: &SignerError) {
        tracing::warn!(keeper = %self.id, %error, "nothing was signed");
        if error.is_retryable() {
            self.unsigned.send_modify(|times| *times += 1);
        }
    }

    fn load(&self) -> u32 {
        let free = u32::try_from(self.slots.available_permits()).unwrap_or(u32::MAX);
        self.config.capacity.saturating_sub(free)
    }

    fn hand_to_performer(&self, chain: ChainId, order: HandoffOrder) -> Result<(), String> {
        let performer = self
            .performers
            .get(&chain)
            .ok_or_else(|| format!("this keeper does not act on chain {chain}"))?;
        performer.try_send(order).map_err(|_| "too many calls are waiting for this account".to_owned())
    }
}

/// Attempts remembered, for every slot: those under way, and those whose answers are on their way or are asked for
/// again.
const REMEMBERED_RUNS: usize = 4;
/// Messages to the platform that wait while the stream is down: a few for every slot, and the news of as many
/// transactions as may wait.
const OUTBOX: usize = 4096;
/// Calls that wait for one account: what it can send within the patience that performers are given, at hundreds a
/// second. More than that had better go to another keeper.
const ORDERS: usize = 4096;

/// A keeper, to be polled by whoever owns it. The future ends when [`Handle::stop`] is called or its journal fails.
pub fn new(config: Config, ports: Ports) -> (Handle, impl Future<Output = Result<(), KeeperError>>) {
    let (connected, watching) = watch::channel(false);
    let (outbox, messages) = mpsc::channel(OUTBOX);
    let id = KeeperId(ports.signer.address());
    let (performers, orders): (BTreeMap<_, _>, Vec<_>) = ports
        .writers
        .keys()
        .map(|chain| {
            let (sender, receiver) = mpsc::channel(ORDERS);
            ((*chain, sender), (*chain, receiver))
        })
        .unzip();
    let metrics = Arc::new(Metrics::default());
    let slots = Arc::new(Semaphore::new(config.capacity as usize));
    let stop = CancellationToken::new();
    let handle = Handle {
        id,
        connected: watching,
        stop: stop.clone(),
        metrics: metrics.clone(),
        capacity: config.capacity,
        slots: slots.clone(),
        outbox: outbox.downgrade(),
        orders: performers.values().map(mpsc::Sender::downgrade).collect(),
    };
    let inner = Arc::new(Inner {
        modules: modules::Modules::new(
            ports.content.clone(),
            config.module_cache_bytes,
            config.module_bytes_max,
        ),
        known: verify::Known::default(),
        means: deposit::Known::default(),
        sealer: seal::Sealer::default(),
        in_hand: session::InHand::default(),
        answers: recent::Recent::new(REMEMBERED_RUNS * config.capacity as usize),
        refuted: recent::Recent::new(REMEMBERED_RUNS * config.capacity as usize),
        slots,
        replays: Arc::new(Semaphore::new(config.capacity as usize)),
        id,
        outbox,
        performers,
        connected,
        unsigned: watch::Sender::new(0),
        metrics,
        config,
        ports,
    });
    let future = async move {
        let served = serve(inner, messages, orders);
        stop.run_until_cancelled(served).await.unwrap_or(Ok(()))
    };
    (handle, future)
}

async fn serve(
    keeper: Arc<Inner>,
    messages: mpsc::Receiver<FromKeeper>,
    orders: Vec<(ChainId, mpsc::Receiver<HandoffOrder>)>,
) -> Result<(), KeeperError> {
    let mut performers = JoinSet::new();
    for (chain, orders) in orders {
        performers.spawn(perform::run(keeper.clone(), chain, orders));
    }
    // With no chain to act on there is no performer, and that is no failure.
    let performing = async {
        match performers.join_next().await {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(KeeperError::Ended("performer")),
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        result = performing => result,
        never = session::run(keeper, messages) => match never {},
    }
}
