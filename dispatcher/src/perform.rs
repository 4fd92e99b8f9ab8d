//! Carries out what the machine asks for.
//!
//! Effects of one task happen in order, and a fact is durable before any later effect of its task leaves. Effects of
//! different tasks have no order, so a batch goes in waves: the next fact of every task in one commit, then what
//! leaves after it, until nothing is left.

use std::collections::{HashMap, VecDeque};

use argus_domain::{
    Address,
    ids::{JobId, TaskId},
    task::Fact,
    time::Timestamp,
};
use argus_machine::dispatch::{Effect, Input};
use argus_ports::{Change, ChangeKind, LinkError, Recorded, Step, StoreError};
use futures::{StreamExt, stream};
use tokio::time::timeout;

use crate::{config::Config, ports::Ports, retry::Retry};

/// Messages to the aggregator that are on their way at once: hides the latency of a remote one.
const SENDS_AT_ONCE: usize = 64;

/// What is said of a task to those who watch, without reading it again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named {
    pub job: JobId,
    pub owner: Address,
    pub public_id: u64,
}

/// Tasks in hand.
pub(crate) type InHand = HashMap<TaskId, Named>;

/// Carries out a batch; gives what the store said otherwise, for the machine.
pub(crate) async fn perform(
    config: &Config,
    ports: &Ports,
    in_hand: &mut InHand,
    effects: Vec<Effect>,
) -> Result<Vec<Input>, StoreError> {
    let mut queues = Queues::new(effects);
    let mut feedback = Vec::new();
    while !queues.is_empty() {
        let facts = queues.next_facts();
        let mut changes = Vec::new();
        if !facts.is_empty() {
            changes = record(config, ports, in_hand, &mut queues, facts, &mut feedback).await?;
        }
        leave(config, ports, in_hand, &mut queues, changes).await;
    }
    Ok(feedback)
}

/// The effects of a batch, by task.
struct Queues {
    order: Vec<TaskId>,
    by_task: HashMap<TaskId, VecDeque<Effect>>,
}

impl Queues {
    fn new(effects: Vec<Effect>) -> Self {
        let mut queues = Self { order: Vec::new(), by_task: HashMap::new() };
        for effect in effects {
            let task = effect.task();
            queues
                .by_task
                .entry(task)
                .or_insert_with(|| {
                    queues.order.push(task);
                    VecDeque::new()
                })
                .push_back(effect);
        }
        queues
    }

    fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// The next fact of each task that has one next. One, because the store's answer to it may end the task's batch.
    fn next_facts(&mut self) -> Vec<Fact> {
        let mut facts = Vec::new();
        for task in &self.order {
            let Some(queue) = self.by_task.get_mut(task) else { continue };
            if let Some(Effect::Record(_)) = queue.front()
                && let Some(Effect::Record(fact)) = queue.pop_front()
            {
                facts.push(fact);
            }
        }
        facts
    }

    /// What may leave now: of each task all up to its next fact.
    fn next_leaving(&mut self) -> Vec<Effect> {
        let mut leaving = Vec::new();
        for task in &self.order {
            let Some(queue) = self.by_task.get_mut(task) else { continue };
            while let Some(effect) = queue.pop_front_if(|e| !matches!(e, Effect::Record(_))) {
                leaving.push(effect);
            }
        }
        let by_task = &mut self.by_task;
        self.order.retain(|task| {
            let is_done = by_task.get(task).is_none_or(VecDeque::is_empty);
            if is_done {
                by_task.remove(task);
            }
            !is_done
        });
        leaving
    }

    /// Ends a task's batch.
    fn cut(&mut self, task: TaskId) {
        self.by_task.remove(&task);
    }

    /// The task was not announced: that it was is not recorded, and recovery makes up for it.
    fn forget_announced(&mut self, task: TaskId) {
        if let Some(queue) = self.by_task.get_mut(&task) {
            queue.retain(|e| !matches!(e, Effect::Record(Fact::Announced { .. })));
        }
    }
}

/// Makes facts durable; gives what those who watch are to hear of them.
async fn record(
    config: &Config,
    ports: &Ports,
    in_hand: &InHand,
    queues: &mut Queues,
    facts: Vec<Fact>,
    feedback: &mut Vec<Input>,
) -> Result<Vec<Change>, StoreError> {
    let outcomes = Retry::new(config).run("record", || ports.tasks.record(facts.clone())).await?;
    let mut changes = Vec::new();
    for (fact, outcome) in facts.into_iter().zip(outcomes) {
        let task = fact.task();
        match outcome {
            Recorded::New => {
                reached(config, &fact);
                if let Fact::Broadcast(b) = &fact {
                    changes.extend(change(in_hand, task, ChangeKind::Broadcast, b.at));
                }
            }
            // Our own, from a call whose answer was lost.
            Recorded::Already(stands) if *stands == fact => {}
            Recorded::Already(fact) => {
                queues.cut(task);
                feedback.push(Input::RecordedAs { task, fact });
            }
            Recorded::Refused => {
                queues.cut(task);
                feedback.push(Input::Refused { task, fact: Box::new(fact) });
            }
        }
    }
    Ok(changes)
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
        | Fact::Challenged(_) => {}
    }
}

async fn leave(
    config: &Config,
    ports: &Ports,
    in_hand: &mut InHand,
    queues: &mut Queues,
    mut changes: Vec<Change>,
) {
    let mut sends = Vec::new();
    let mut announced = Vec::new();
    for effect in queues.next_leaving() {
        match effect {
            // Only what comes before a task's next fact is here.
            Effect::Record(_) => {}
            Effect::Begin(_) | Effect::HandOff(_) => sends.push(effect),
            Effect::Announce { job, task, settlement } => {
                announced.push(task.id);
                changes.push(Change {
                    job: job.id,
                    owner: job.owner,
                    task: task.id,
                    public_id: task.public_id(),
                    kind: ChangeKind::Settled,
                    seq: 0,
                    at: settlement.at,
                });
            }
            Effect::Full(task) | Effect::Forget(task) => {
                in_hand.remove(&task);
            }
        }
    }
    let (published, ()) = tokio::join!(publish(config, ports, changes), send(config, ports, sends));
    if !published {
        for task in announced {
            queues.forget_announced(task);
        }
    }
}

/// Tells those who watch; false where the bus does not take it.
async fn publish(config: &Config, ports: &Ports, changes: Vec<Change>) -> bool {
    if changes.is_empty() {
        return true;
    }
    match timeout(config.call_timeout, ports.bus.publish(changes)).await {
        Ok(Ok(())) => true,
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

fn change(in_hand: &InHand, task: TaskId, kind: ChangeKind, at: Timestamp) -> Option<Change> {
    let Named { job, owner, public_id } = *in_hand.get(&task)?;
    Some(Change { job, owner, task, public_id, kind, seq: 0, at })
}

/// Sends to the aggregator. What is lost is sent again by the machine, so nothing is repeated here.
async fn send(config: &Config, ports: &Ports, sends: Vec<Effect>) {
    let aggregate = &ports.aggregate;
    stream::iter(sends)
        .map(|effect| async move {
            let task = effect.task();
            let sent = timeout(config.call_timeout, async {
                match effect {
                    Effect::Begin(attempt) => aggregate.begin(attempt).await,
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
