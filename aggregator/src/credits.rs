//! How much each keeper has in hand: an assignment waits here until the keeper has room for it, the most urgent
//! first.

use std::{collections::BTreeMap, sync::Arc};

use argus_domain::{
    attempt::{Assignment, Priority},
    ids::{AttemptNo, TaskId},
    time::Timestamp,
};

/// An attempt, as a keeper has it in hand.
pub type Key = (TaskId, AttemptNo);

/// What is sent first: by class, then by deadline.
type Urgency = (Priority, Timestamp, Key);

/// One keeper's credits: as many as the runs that it takes at once.
#[derive(Debug, Default)]
pub struct Credits {
    capacity: usize,
    /// With the instant after which the keeper has given up by itself.
    in_hand: BTreeMap<Key, Timestamp>,
    waiting: BTreeMap<Urgency, Arc<Assignment>>,
}

/// What becomes of an assignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// It waits for its turn.
    Waiting,
    /// The keeper has it in hand: it is sent again at once.
    InHand,
    /// Too many wait.
    Full,
}

impl Credits {
    /// For a keeper that takes so many runs at once.
    pub fn new(capacity: u32) -> Self {
        Self { capacity: capacity as usize, ..Self::default() }
    }

    /// Adds an assignment.
    pub fn add(&mut self, assignment: Arc<Assignment>, waiting_max: usize) -> Added {
        let attempt = &assignment.attempt;
        let key = (attempt.task, attempt.no);
        if self.in_hand.contains_key(&key) {
            return Added::InHand;
        }
        if self.waiting.len() >= waiting_max {
            return Added::Full;
        }
        self.waiting.insert((attempt.priority, attempt.deadline, key), assignment);
        Added::Waiting
    }

    /// The next one to send, where there is a credit. What is past its deadline, or for an attempt that is not open
    /// any more, is dropped on the way.
    pub fn next(&mut self, now: Timestamp, is_open: impl Fn(&Key) -> bool) -> Option<Arc<Assignment>> {
        if self.waiting.is_empty() {
            return None;
        }
        if self.in_hand.len() >= self.capacity {
            self.in_hand.retain(|_, deadline| *deadline > now);
        }
        while self.in_hand.len() < self.capacity {
            let ((_, deadline, key), assignment) = self.waiting.pop_first()?;
            if deadline > now && is_open(&key) {
                self.in_hand.insert(key, deadline);
                return Some(assignment);
            }
        }
        None
    }

    /// The keeper is done with an attempt.
    pub fn release(&mut self, key: Key) {
        self.in_hand.remove(&key);
    }
}
