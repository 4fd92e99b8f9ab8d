//! Facts on their way to the store, and what waits for them.

use std::{collections::HashSet, sync::Arc, time::Duration};

use argus_domain::{ids::TaskId, task::Fact};
use argus_machine::quorum::Effect;
use argus_ports::{StoreError, TaskStore};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{AggregatorError, config::Config};

/// Effects that wait at most before nothing more is taken in: a few batches of answers, each with two facts and what
/// follows from them.
const HELD_MAX: usize = 8192;

/// Holds effects back until the facts of their task that came before them are durable. One commit is under way at a
/// time, and what comes meanwhile shares the next one.
pub struct Recorder {
    tasks: Arc<dyn TaskStore>,
    timeout: Duration,
    backoff: (Duration, Duration),
    /// Facts that wait for the next commit, and what waits for them, in order.
    held: Vec<Effect>,
    held_of: HashSet<TaskId>,
    /// Gives what waited for it.
    commit: JoinSet<Result<Vec<Effect>, StoreError>>,
    commit_of: HashSet<TaskId>,
}

impl Recorder {
    /// Nothing on its way.
    pub fn new(config: &Config, tasks: Arc<dyn TaskStore>) -> Self {
        Self {
            tasks,
            timeout: config.store_timeout,
            backoff: config.store_backoff,
            held: Vec::new(),
            held_of: HashSet::new(),
            commit: JoinSet::new(),
            commit_of: HashSet::new(),
        }
    }

    /// Whether more may be taken in.
    pub fn has_room(&self) -> bool {
        self.held.len() < HELD_MAX
    }

    /// Keeps facts and what has to wait for them; gives back what need not wait.
    pub fn pass(&mut self, effects: Vec<Effect>) -> Vec<Effect> {
        let mut free = Vec::new();
        for effect in effects {
            let task = effect.task();
            let is_fact = matches!(effect, Effect::Record(_));
            if is_fact || self.held_of.contains(&task) || self.commit_of.contains(&task) {
                self.held_of.insert(task);
                self.held.push(effect);
            } else {
                free.push(effect);
            }
        }
        free
    }

    /// Begins the next commit, where none is under way.
    pub fn launch(&mut self) {
        if self.held.is_empty() || !self.commit.is_empty() {
            return;
        }
        self.commit_of = std::mem::take(&mut self.held_of);
        let (mut facts, mut rest) = (Vec::new(), Vec::new());
        for effect in std::mem::take(&mut self.held) {
            match effect {
                Effect::Record(fact) => facts.push(fact),
                Effect::Assign { .. }
                | Effect::Second { .. }
                | Effect::Ended { .. }
                | Effect::Misbehaved { .. } => rest.push(effect),
            }
        }
        let (tasks, timeout, backoff) = (self.tasks.clone(), self.timeout, self.backoff);
        self.commit.spawn(async move {
            record(tasks.as_ref(), timeout, backoff, facts).await?;
            Ok(rest)
        });
    }

    /// What waited for a commit that is through. Waits for ever where none is under way.
    pub async fn next(&mut self) -> Result<Vec<Effect>, AggregatorError> {
        let rest = match self.commit.join_next().await {
            Some(Ok(rest)) => rest?,
            Some(Err(_)) => return Err(AggregatorError::Ended("recorder")),
            None => std::future::pending().await,
        };
        self.commit_of.clear();
        Ok(rest)
    }
}

/// Records until the store has them. A fact that was there before stays: what a keeper said first is what it said.
async fn record(
    tasks: &dyn TaskStore,
    deadline: Duration,
    (mut wait, longest): (Duration, Duration),
    facts: Vec<Fact>,
) -> Result<(), StoreError> {
    while !facts.is_empty() {
        let error = match timeout(deadline, tasks.record(facts.clone())).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) if !error.is_retryable() => return Err(error),
            Ok(Err(error)) => error,
            Err(_) => StoreError::Unavailable("no answer in time".to_owned()),
        };
        tracing::warn!(%error, "the store fails: asking again");
        sleep(wait).await;
        wait = (wait * 2).min(longest);
    }
    Ok(())
}
