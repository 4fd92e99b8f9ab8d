//! Status, folded from facts.

use std::sync::Arc;

use alloy_primitives::U256;

use crate::{
    attempt::Attempt,
    difference::Disagreement,
    ids::TaskNumber,
    job::JobRecord,
    state::StateRef,
    task::{Agreed, Broadcast, Challenge, Fact, Handoff, Receipt, TaskRecord, Verdict},
    time::Timestamp,
};

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TaskStatus {
    /// On its way.
    Processing,
    /// The chain shows its call, and the call ran through; or its script said "not now".
    Completed,
    /// No call was made, or it reverted.
    Failed,
}

/// The fold of a task's facts. Their order does not matter; a revocation takes back the receipt of its own
/// sighting only.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TaskState {
    /// All attempts, by number.
    pub attempts: Vec<Arc<Attempt>>,
    /// The verdict, and when.
    pub verdict: Option<(Verdict, Timestamp)>,
    /// Those who watch were told of the verdict.
    pub announced: bool,
    /// The newest handoff.
    pub handoff: Option<Handoff>,
    /// Transactions that left, oldest first.
    pub broadcasts: Vec<Broadcast>,
    /// The receipt that stands.
    pub receipt: Option<Receipt>,
    /// The receipt is final.
    pub confirmed: bool,
    /// The call can be made no more: `valid_until` passed unused.
    pub lapsed: bool,
    /// Why else it can be made no more.
    pub lapsed_because: Option<String>,
    /// The log that set it off is gone.
    pub trigger_lost: bool,
    /// Disputes.
    pub challenges: Vec<Challenge>,
    /// Why keepers did not agree.
    pub disagreements: Vec<Arc<Disagreement>>,
    /// The newest sighting, whether it stands or not.
    sighted: Option<Receipt>,
    /// Sightings that were taken back.
    revoked: Vec<u16>,
}

impl TaskState {
    /// Folds facts.
    pub fn fold<'a>(facts: impl IntoIterator<Item = &'a Fact>) -> Self {
        let mut state = Self::default();
        for fact in facts {
            state.take_in(fact);
        }
        state
    }

    /// Folds one more fact in: the same as folding it with the others.
    pub fn take_in(&mut self, fact: &Fact) {
        match fact {
            Fact::Attempted(a) => {
                let place = self.attempts.partition_point(|known| known.no <= a.no);
                self.attempts.insert(place, Arc::clone(a));
            }
            Fact::Observed(_) | Fact::Claimed(_) => {}
            Fact::Settled(s) => self.verdict = Some((s.verdict.clone(), s.at)),
            Fact::Announced { .. } => self.announced = true,
            Fact::HandedOff(h) => {
                if self.handoff.as_ref().is_none_or(|old| old.number < h.number) {
                    self.handoff = Some(h.clone());
                }
            }
            Fact::Broadcast(b) => self.broadcasts.push(b.clone()),
            Fact::Received(r) => {
                if self.sighted.as_ref().is_none_or(|old| old.sighting < r.sighting) {
                    self.sighted = Some(r.clone());
                    self.look_at_receipt();
                }
            }
            Fact::Revoked { sighting, .. } => {
                self.revoked.push(*sighting);
                self.look_at_receipt();
            }
            Fact::Confirmed { .. } => self.confirmed = true,
            Fact::Lapsed { because, .. } => {
                self.lapsed = true;
                self.lapsed_because.clone_from(because);
            }
            Fact::TriggerLost { .. } => self.trigger_lost = true,
            Fact::Challenged(c) => self.challenges.push(c.clone()),
            Fact::Disagreed(d) => self.disagreements.push(Arc::clone(d)),
        }
    }

    fn look_at_receipt(&mut self) {
        self.receipt = self.sighted.clone().filter(|r| !self.revoked.contains(&r.sighting));
    }

    /// What the owner was charged, wei, as the chain shows it now.
    pub fn charged(&self) -> U256 {
        self.receipt.as_ref().map_or(U256::ZERO, |receipt| receipt.charged)
    }

    /// What was agreed, where something was.
    pub fn agreed(&self) -> Option<&Arc<Agreed>> {
        match &self.verdict {
            Some((Verdict::Agreed(agreed), _)) => Some(agreed),
            _ => None,
        }
    }

    /// Whether nothing more can happen to it: it is over, and those who watch were told.
    pub fn is_finished(&self) -> bool {
        self.is_over() && self.announced
    }

    /// Whether it is decided, and where a call was agreed the chain has had its last word.
    pub fn is_over(&self) -> bool {
        match &self.verdict {
            None => false,
            Some((Verdict::Agreed(_), _)) => self.confirmed || self.lapsed,
            Some((
                Verdict::Skipped(_) | Verdict::Failed(_) | Verdict::Withdrawn(_) | Verdict::Exhausted(_),
                _,
            )) => true,
        }
    }

    /// The job's state after this task, its n-th, as far as the chain has confirmed it: the agreed one where the call
    /// ran through for good, else the one that it ran on. `None`: it never ran, or had no storage.
    pub fn leaves(&self, number: TaskNumber) -> Option<StateRef> {
        let before = self.attempts.last()?.state?;
        let made = self.confirmed && self.receipt.as_ref().is_some_and(|receipt| receipt.success);
        let after = self.agreed().filter(|_| made).and_then(|agreed| agreed.state);
        match after {
            Some(root) if root != before.root => Some(StateRef { root, version: number }),
            Some(_) | None => Some(before),
        }
    }

    /// The status that clients see.
    pub fn status(&self) -> TaskStatus {
        match &self.verdict {
            None => TaskStatus::Processing,
            Some((Verdict::Agreed(_), _)) => match &self.receipt {
                Some(r) if !r.success => TaskStatus::Failed,
                Some(_) if self.confirmed => TaskStatus::Completed,
                Some(_) => TaskStatus::Processing,
                None if self.lapsed => TaskStatus::Failed,
                None => TaskStatus::Processing,
            },
            Some((Verdict::Skipped(_), _)) => TaskStatus::Completed,
            Some((Verdict::Failed(_) | Verdict::Withdrawn(_) | Verdict::Exhausted(_), _)) => {
                TaskStatus::Failed
            }
        }
    }
}

impl TaskRecord {
    /// The fold of its facts.
    pub fn state(&self) -> TaskState {
        TaskState::fold(&self.facts)
    }
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum JobStatus {
    /// Accepted, nothing opened yet.
    Pending,
    /// It has opened tasks and will open more.
    Running,
    /// Held by its owner.
    Paused,
    /// It has opened all it will.
    Completed,
    /// Its time ran out before its first task.
    Expired,
    /// Deleted by its owner.
    Deleted,
}

impl JobRecord {
    /// The status that clients see at `now`.
    pub fn status(&self, now: Timestamp) -> JobStatus {
        if self.deleted_at.is_some() {
            JobStatus::Deleted
        } else if self.cursor.finished || now > self.job.expires_at {
            if self.cursor.opened.0 == 0 { JobStatus::Expired } else { JobStatus::Completed }
        } else if self.paused_at.is_some() {
            JobStatus::Paused
        } else if self.cursor.opened.0 == 0 {
            JobStatus::Pending
        } else {
            JobStatus::Running
        }
    }
}
