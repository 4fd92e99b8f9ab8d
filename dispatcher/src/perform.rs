//! Carries out what the machine asks for, in waves.
//!
//! Effects of one task happen in order, and a fact is durable before any later effect of its task leaves. Effects of
//! different tasks have no order. So a wave takes of every task that has something to be carried out its next fact,
//! makes these facts durable in one commit, and then has leave what waited for them; a few waves are under way at the
//! same time, and a task is in one of them at most. A task's part in a wave is done under the fence of its job's shard;
//! without one nothing of it is done, because another leads the task.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
};

use argus_domain::{
    Address,
    ids::{JobId, TaskId},
    lease::Fence,
    task::Fact,
    time::Timestamp,
};
use argus_machine::dispatch::{Effect, Input};
use argus_ports::{Change, ChangeKind, LinkError, Recorded, Recording, Step, StoreError};
use futures::{StreamExt, stream};
use tokio::{task::JoinSet, time::timeout};

use crate::{DispatcherError, Metrics, config::Config, ports::Ports, retry::Retry};

/// Messages to the aggregator that are on their way at once, of one wave: hides the latency of a remote one.
const SENDS_AT_ONCE: usize = 64;

/// What is said of a task to those who watch, without reading it again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named {
    pub job: JobId,
    pub owner: Address,
    pub public_id: u64,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// Its job's tasks have their turns one after the other.
    pub has_storage: bool,
}

impl Named {
    fn change(self, task: TaskId, kind: ChangeKind, at: Timestamp) -> Change {
        let Self { job, owner, public_id, .. } = self;
        Change { job, owner, task, public_id, kind, seq: 0, at }
    }
}

/// Tasks in hand.
pub(crate) type InHand = HashMap<TaskId, Named>;

/// What waits to be carried out and what is under way.
pub(crate) struct Carrier {
    config: Arc<Config>,
    ports: Ports,
    metrics: Arc<Metrics>,
    /// Tasks in a wave, with what came since, and tasks that wait for one.
    queues: HashMap<TaskId, VecDeque<Effect>>,
    /// Those that wait, in the order in which they came.
    waiting: VecDeque<TaskId>,
    under_way: HashSet<TaskId>,
    queued: usize,
    waves: JoinSet<Result<Vec<Carried>, StoreError>>,
}

impl Carrier {
    pub fn new(config: Arc<Config>, ports: Ports, metrics: Arc<Metrics>) -> Self {
        Self {
            config,
            ports,
            metrics,
            queues: HashMap::new(),
            waiting: VecDeque::new(),
            under_way: HashSet::new(),
            queued: 0,
            waves: JoinSet::new(),
        }
    }

    /// Whether the machine may be told more. Without room only waves that end are heard.
    pub fn has_room(&self) -> bool {
        self.queued < self.config.queued_max
    }

    /// What waits to be carried out.
    pub fn queued(&self) -> usize {
        self.queued
    }

    /// Takes effects in, to be carried out after those of the same task that came before.
    pub fn add(&mut self, effects: Vec<Effect>) {
        self.queued += effects.len();
        for effect in effects {
            let task = effect.task();
            let queue = self.queues.entry(task).or_insert_with(|| {
                self.waiting.push_back(task);
                VecDeque::new()
            });
            queue.push_back(effect);
        }
    }

    /// Begins waves while something waits.
    pub fn launch(&mut self, in_hand: &InHand) {
        while !self.waiting.is_empty() && self.waves.len() < self.config.waves {
            let count = self.waiting.len().min(self.config.batch);
            let tasks: Vec<TaskId> = self.waiting.drain(..count).collect();
            self.under_way.extend(&tasks);
            let parts = tasks.into_iter().map(|task| self.next_part(task, in_hand)).collect();
            let (config, ports, metrics) = (self.config.clone(), self.ports.clone(), self.metrics.clone());
            self.waves.spawn(async move { wave(&config, &ports, &metrics, parts).await });
        }
    }

    /// A task's next fact and all up to the one after it: one, because the store's answer may end it there.
    fn next_part(&mut self, task: TaskId, in_hand: &InHand) -> Part {
        let named = in_hand.get(&task).copied();
        let fence = named.and_then(|named| self.ports.lease.fence_of_job(named.job));
        let mut part = Part { task, named, fence, fact: None, leaving: Vec::new() };
        let Some(queue) = self.queues.get_mut(&task) else { return part };
        while let Some(effect) = queue.pop_front_if(|next| {
            let is_fact = matches!(next, Effect::Record(_));
            !is_fact || (part.fact.is_none() && part.leaving.is_empty())
        }) {
            self.queued -= 1;
            match effect {
                Effect::Record(fact) => part.fact = Some(fact),
                leaving => part.leaving.push(leaving),
            }
        }
        part
    }

    /// The next wave that ends. Waits for ever where none is under way.
    pub async fn next(&mut self) -> Result<Vec<Carried>, DispatcherError> {
        match self.waves.join_next().await {
            Some(Ok(ended)) => Ok(ended?),
            Some(Err(_)) => Err(DispatcherError::Ended("wave")),
            None => std::future::pending().await,
        }
    }

    /// Carries nothing out of what waits for these tasks.
    pub fn let_go(&mut self, tasks: &HashSet<TaskId>) {
        self.waiting.retain(|task| !tasks.contains(task));
        for task in tasks {
            let Some(queue) = self.queues.get_mut(task) else { continue };
            self.queued -= queue.len();
            // Where there is a queue while a task is in a wave, it comes into no second one.
            queue.clear();
            if !self.under_way.contains(task) {
                self.queues.remove(task);
            }
        }
    }

    /// Takes in how a task's part ended; gives what the store said otherwise, for the machine.
    pub fn ended(&mut self, carried: Carried, in_hand: &mut InHand) -> Option<Input> {
        let Carried { task, end } = carried;
        self.under_way.remove(&task);
        let input = match end {
            End::Done { is_over, is_announced } => {
                if is_over {
                    in_hand.remove(&task);
                }
                if !is_announced {
                    self.forget_announced(task);
                }
                None
            }
            // Let go of meanwhile: whoever leads it has the store's answer from the store.
            End::Cut { .. } if !in_hand.contains_key(&task) => None,
            End::Cut { met, dropped } => Some(self.cut(task, met, dropped, in_hand)),
        };
        match self.queues.get(&task) {
            Some(queue) if !queue.is_empty() => self.waiting.push_back(task),
            _ => drop(self.queues.remove(&task)),
        }
        input
    }

    /// Drops what was to follow a fact that the store did not take. A task that the machine has let go of as finished
    /// comes back with the next rescan.
    fn cut(&mut self, task: TaskId, met: Met, dropped: Vec<Effect>, in_hand: &mut InHand) -> Input {
        let later = self.queues.remove(&task).unwrap_or_default();
        self.queued -= later.len();
        let dropped: Vec<Effect> = dropped.into_iter().chain(later).collect();
        if matches!(met, Met::Elsewhere) || dropped.iter().any(is_last) {
            in_hand.remove(&task);
        }
        let facts = dropped.into_iter().filter_map(|effect| match effect {
            Effect::Record(fact) => Some(fact),
            Effect::Begin(_)
            | Effect::HandOff(_)
            | Effect::Announce { .. }
            | Effect::Full(_)
            | Effect::Forget(_) => None,
        });
        let dropped = facts.collect();
        match met {
            Met::Another(fact) => Input::RecordedAs { task, fact, dropped },
            Met::Refusal(fact) => Input::Refused { task, fact, dropped },
            Met::Elsewhere => Input::Elsewhere { task },
        }
    }

    /// The task was not announced: that it was is not recorded, and recovery makes up for it.
    fn forget_announced(&mut self, task: TaskId) {
        if let Some(queue) = self.queues.get_mut(&task) {
            let before = queue.len();
            queue.retain(|e| !matches!(e, Effect::Record(Fact::Announced { .. })));
            self.queued -= before - queue.len();
        }
    }
}

/// What a wave does for one task.
struct Part {
    task: TaskId,
    named: Option<Named>,
    /// Under which it is done; `None`: another leads the task.
    fence: Option<Fence>,
    fact: Option<Fact>,
    /// What leaves once the fact is durable.
    leaving: Vec<Effect>,
}

/// What a wave did for one task.
#[derive(Debug)]
pub(crate) struct Carried {
    pub task: TaskId,
    end: End,
}

impl Carried {
    /// Whether the machine has let go of the task, durably.
    pub fn is_last(&self) -> bool {
        matches!(self.end, End::Done { is_over: true, .. })
    }
}

#[derive(Debug)]
enum End {
    /// All of it was done; an announcement perhaps not.
    Done {
        /// The machine has let go of the task.
        is_over: bool,
        /// Those who watch were told what they had to be told.
        is_announced: bool,
    },
    /// The store did not take the fact, or was not asked, and nothing left.
    Cut { met: Met, dropped: Vec<Effect> },
}

/// What a fact met in the store.
#[derive(Debug)]
enum Met {
    /// Another fact of its key, which stands.
    Another(Box<Fact>),
    /// This one was refused.
    Refusal(Box<Fact>),
    /// Another leads the task.
    Elsewhere,
}

/// Whether the machine lets go of the task with it.
fn is_last(effect: &Effect) -> bool {
    matches!(effect, Effect::Forget(_) | Effect::Full(_))
}

/// Facts first, in one commit; then what waited for them.
async fn wave(
    config: &Config,
    ports: &Ports,
    metrics: &Metrics,
    parts: Vec<Part>,
) -> Result<Vec<Carried>, StoreError> {
    let ours = parts.iter().filter(|part| part.fence.is_some());
    let facts = ours.filter_map(|part| Some(Recording { fact: part.fact.clone()?, fence: part.fence }));
    let mut outcomes = record(config, ports, facts.collect()).await?.into_iter();
    let mut carried = Vec::with_capacity(parts.len());
    let (mut changes, mut sends) = (Vec::new(), Vec::new());
    for Part { task, named, fence, fact, leaving } in parts {
        let met = match (fence, fact) {
            (None, _) => Some(Met::Elsewhere),
            (Some(_), None) => None,
            (Some(fence), Some(fact)) => {
                let met = met(config, named, fact, outcomes.next(), &mut changes);
                if matches!(met, Some(Met::Elsewhere)) {
                    lost(ports, metrics, fence);
                }
                met
            }
        };
        let end = match met {
            Some(met) => End::Cut { met, dropped: leaving },
            None => leave(leaving, &mut changes, &mut sends),
        };
        carried.push(Carried { task, end });
    }
    let (published, ()) = tokio::join!(publish(config, ports, changes), send(config, ports, sends));
    for part in carried.iter_mut().filter(|_| published) {
        if let End::Done { is_announced, .. } = &mut part.end {
            *is_announced = true;
        }
    }
    Ok(carried)
}

async fn record(config: &Config, ports: &Ports, facts: Vec<Recording>) -> Result<Vec<Recorded>, StoreError> {
    if facts.is_empty() {
        return Ok(Vec::new());
    }
    Retry::new(config).run("record", || ports.tasks.append(facts.clone())).await
}

/// Says once of a shard that another dispatcher has it.
fn lost(ports: &Ports, metrics: &Metrics, fence: Fence) {
    metrics.fenced.add(1);
    if ports.lease.refused(fence) {
        tracing::warn!(shard = fence.shard.no, "another dispatcher has this shard: a late fact was refused");
    }
}

/// What a fact met; `None`: it stands, and those who watch are told what it changes.
fn met(
    config: &Config,
    named: Option<Named>,
    fact: Fact,
    outcome: Option<Recorded>,
    changes: &mut Vec<Change>,
) -> Option<Met> {
    match outcome {
        Some(Recorded::New) => {
            reached(config, &fact);
            if let (Fact::Broadcast(b), Some(named)) = (&fact, named) {
                changes.push(named.change(b.task, ChangeKind::Broadcast, b.at));
            }
            None
        }
        // Our own, from a call whose answer was lost.
        Some(Recorded::Already(stands)) if *stands == fact => None,
        Some(Recorded::Already(stands)) => Some(Met::Another(stands)),
        Some(Recorded::Fenced) => Some(Met::Elsewhere),
        // A store gives one outcome for each fact.
        Some(Recorded::Refused) | None => Some(Met::Refusal(Box::new(fact))),
    }
}

fn reached(config: &Config, fact: &Fact) {
    match fact {
        Fact::Attempted(_) => config.failpoint.reach(Step::Attempted),
        Fact::Settled(_) => config.failpoint.reach(Step::Settled),
        Fact::Observed(_)
        | Fact::Claimed(_)
        | Fact::Announced { .. }
        | Fact::HandedOff(_)
        | Fact::Broadcast(_)
        | Fact::Received(_)
        | Fact::Revoked { .. }
        | Fact::Confirmed { .. }
        | Fact::Lapsed { .. }
        | Fact::TriggerLost { .. }
        | Fact::Challenged(_)
        | Fact::Disagreed(_) => {}
    }
}

/// Sorts what leaves: to those who watch, and to the aggregator.
fn leave(effects: Vec<Effect>, changes: &mut Vec<Change>, sends: &mut Vec<Effect>) -> End {
    let is_over = effects.iter().any(is_last);
    let is_announced = !effects.iter().any(|effect| matches!(effect, Effect::Announce { .. }));
    for effect in effects {
        match effect {
            Effect::Begin(_) | Effect::HandOff(_) => sends.push(effect),
            Effect::Announce { job, task, settlement } => {
                let (public_id, opened_at) = (task.public_id(), task.opened_at);
                let has_storage = job.has_storage();
                let named = Named { job: job.id, owner: job.owner, public_id, opened_at, has_storage };
                changes.push(named.change(task.id, ChangeKind::Settled, settlement.at));
            }
            // A part has one fact, which was taken out; the end of a task is the carrier's to note.
            Effect::Record(_) | Effect::Full(_) | Effect::Forget(_) => {}
        }
    }
    End::Done { is_over, is_announced }
}

/// Tells those who watch; false where the bus does not take it.
async fn publish(config: &Config, ports: &Ports, changes: Vec<Change>) -> bool {
    if changes.is_empty() {
        return true;
    }
    match timeout(config.call_timeout, ports.bus.publish(changes)).await {
        Ok(Ok(_new)) => true,
        Ok(Err(error)) => {
            tracing::warn!(%error, "the event bus fails");
            false
        }
        Err(_) => {
            tracing::warn!("the event bus does not answer in time");
            false
        }
    }
}

/// Sends to the aggregator. What is lost is sent again by the machine, so nothing is repeated here.
async fn send(config: &Config, ports: &Ports, sends: Vec<Effect>) {
    let aggregate = &ports.aggregate;
    stream::iter(sends)
        .map(|effect| async move {
            let task = effect.task();
            let sent = timeout(config.call_timeout, async {
                match effect {
                    Effect::Begin(assignment) => aggregate.begin(assignment).await,
                    Effect::HandOff(order) => aggregate.hand_off(*order).await,
                    Effect::Record(_) | Effect::Announce { .. } | Effect::Full(_) | Effect::Forget(_) => {
                        Ok(())
                    }
                }
            });
            let late = || LinkError::Gone("no answer in time".to_owned());
            if let Err(error) = sent.await.map_err(|_| late()).flatten() {
                tracing::warn!(%task, %error, "a message to the aggregator was lost");
            }
        })
        .buffer_unordered(SENDS_AT_ONCE)
        .for_each(|()| async {})
        .await;
}
