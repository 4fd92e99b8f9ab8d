//! A task's life: attempts, one verdict, handoffs.
//!
//! Everything follows from the task's facts, the live keepers and the time; what is in memory besides (which attempt
//! has ended how, what was sent in this life) only saves repetition. A task is therefore recovered by submitting it.

mod attempt;
mod flight;
mod machine;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use argus_domain::{
    act::{AttemptOutcome, HandoffOrder, PerformEvent},
    attempt::Assignment,
    chain::Pin,
    ids::{AttemptNo, ChainId, TaskId},
    job::Job,
    keeper::LiveKeeper,
    module::EngineId,
    state::StateRef,
    task::{Fact, Settlement, Task, TaskRecord},
};

use crate::backoff::Backoff;

pub use machine::Dispatcher;

/// Settings of the dispatcher. Durations are on the platform's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Attempts of a task, in one life of this process, that keepers answered differently or declined for what they
    /// are. Those that came to nothing for something that may be there later are as many as the budget has time for.
    pub tries_max: u16,
    /// From a task's opening to the last instant at which an attempt may begin.
    pub budget: Duration,
    /// However old a task is when it is first seen, it gets this long: after an outage of ours nothing that was
    /// accepted ends untried.
    pub grace: Duration,
    /// How long an attempt may take besides running its script.
    pub agree: Duration,
    /// How long a performer may stay silent.
    pub patience: Duration,
    /// How much longer it has once its transaction left.
    pub landing: Duration,
    /// Between two sendings of the same attempt or handoff: what a lost message costs.
    pub remind: Duration,
    /// Between attempts.
    pub backoff: Backoff,
    /// Tasks in hand at most, those that wait for their receipt included; more are refused with [`Effect::Full`].
    /// Default: 100,000: at thirteen blocks of twelve seconds until a receipt is final, 600 tasks a second.
    pub flights_max: usize,
    /// Attempts open at a time at most; the others wait by priority and age.
    pub attempts_open_max: usize,
    /// A time task opened this long after its due instant is a late one.
    pub late_after: Duration,
    /// Engines that attempts may name, the preferred one first; empty: whichever most keepers have.
    pub engines: Vec<EngineId>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            tries_max: 4,
            budget: Duration::from_secs(600),
            grace: Duration::from_secs(60),
            agree: Duration::from_secs(10),
            patience: Duration::from_secs(20),
            landing: Duration::from_secs(60),
            remind: Duration::from_secs(5),
            backoff: Backoff::new(Duration::from_millis(500), Duration::from_secs(30)),
            flights_max: 100_000,
            attempts_open_max: 2_000,
            late_after: Duration::from_secs(60),
            engines: Vec::new(),
        }
    }
}

/// What the dispatcher hears.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A task is open. Also how recovery works: each unfinished task of the store is submitted with all its facts.
    /// Repeating it changes nothing.
    Submit {
        /// The task with its facts as the store has them.
        record: Box<TaskRecord>,
        /// Its job, in the task's version.
        job: Arc<Job>,
        /// Why it must not be acted on any more (its job was deleted), where that is so.
        gone: Option<String>,
    },
    /// A task of a job with storage may begin attempts, on this state: nothing that was opened before it can change the
    /// state any more, durably. Until this is said such a task waits, however long; of another task it says nothing.
    Free {
        /// The task.
        task: TaskId,
        /// The job's state.
        state: StateRef,
    },
    /// The newest blocks, by chain: what attempts pin. Chains left out keep what they had.
    Heads(BTreeMap<ChainId, Pin>),
    /// All keepers that are live now.
    Keepers(Vec<LiveKeeper>),
    /// The aggregator says how an attempt ended.
    Ended {
        /// The task.
        task: TaskId,
        /// Which attempt.
        attempt: AttemptNo,
        /// How.
        outcome: AttemptOutcome,
    },
    /// A performer said something.
    Performed(PerformEvent),
    /// Another dispatcher leads this task: nothing more is done for it here. What the machine asked for before and was
    /// not carried out is not carried out any more.
    Elsewhere {
        /// The task.
        task: TaskId,
    },
    /// Others recorded facts of this task (a receipt, a lapse, a lost trigger), or its job was deleted. Of a task
    /// that is not in hand it says nothing; submit it.
    Touched {
        /// The task with its facts as the store has them.
        record: Box<TaskRecord>,
        /// As in `Submit`.
        gone: Option<String>,
    },
    /// A `Record` met an older, different fact of the same key: what the store really holds. Effects of this task that
    /// came after it were not carried out.
    RecordedAs {
        /// The task.
        task: TaskId,
        /// The fact that stands.
        fact: Box<Fact>,
        /// Facts among the effects that were not carried out: they are in no store.
        dropped: Vec<Fact>,
    },
    /// A `Record` was refused: an agreement, because the job was deleted meanwhile; anything else, because the
    /// task does not exist. Effects of this task that came after it were not carried out.
    Refused {
        /// The task.
        task: TaskId,
        /// What was refused.
        fact: Box<Fact>,
        /// Facts among the effects that were not carried out: they are in no store.
        dropped: Vec<Fact>,
    },
}

/// What the dispatcher wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Make this fact durable.
    Record(Fact),
    /// Have the aggregator begin this attempt, with all that keepers need for it. Sent again now and then until it has
    /// ended.
    Begin(Arc<Assignment>),
    /// Have the performer told that it may act. Sent again now and then while it may.
    HandOff(Box<HandoffOrder>),
    /// Tell those who watch that the task was decided. May be repeated after a crash; the bus drops repeats.
    Announce {
        /// The job.
        job: Arc<Job>,
        /// The task.
        task: Arc<Task>,
        /// The verdict.
        settlement: Box<Settlement>,
    },
    /// There is no room for this task now. It stays open in the store; submit it again at the next rescan.
    Full(TaskId),
    /// The task is finished, and nothing of it is kept in hand.
    Forget(TaskId),
}

impl Effect {
    /// The task it belongs to.
    pub fn task(&self) -> TaskId {
        match self {
            Self::Record(fact) => fact.task(),
            Self::Begin(assignment) => assignment.attempt.task,
            Self::HandOff(order) => order.task.id,
            Self::Announce { task, .. } => task.id,
            Self::Full(task) | Self::Forget(task) => *task,
        }
    }
}
