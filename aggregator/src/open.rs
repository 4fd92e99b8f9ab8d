//! Attempts that have not ended, as far as they are known.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use argus_domain::{attempt::Assignment, quorum::threshold, seal::Seal, state::State, time::Timestamp};

use crate::credits::Key;

/// Open attempts with what is signed for them. The service opens and closes them; sessions look here whether an answer
/// can still count, before they go to the trouble of checking its claim.
#[derive(Debug, Clone, Default)]
pub struct Open(Arc<Mutex<HashMap<Key, Attempt>>>);

#[derive(Debug)]
struct Attempt {
    assignment: Arc<Assignment>,
    state: Option<Arc<State>>,
    answers: usize,
    /// What was sealed for it, until it is archived.
    seal: Option<Seal>,
}

/// What an answer is to its attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The attempt has ended, or has not begun in this life.
    Over,
    /// It may be one of those that make the quorum.
    Needed,
    /// As many as make a quorum came before it.
    Spare,
}

impl Open {
    fn attempts(&self) -> MutexGuard<'_, HashMap<Key, Attempt>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens an attempt, with the state that it names. One that is open stays as it is.
    pub fn open(&self, assignment: &Arc<Assignment>, state: Option<Arc<State>>) {
        let key = (assignment.attempt.task, assignment.attempt.no);
        let attempt = || Attempt { assignment: assignment.clone(), state, answers: 0, seal: None };
        self.attempts().entry(key).or_insert_with(attempt);
    }

    /// The attempt has ended.
    pub fn close(&self, key: &Key) {
        self.attempts().remove(key);
    }

    /// Closes what is past its deadline.
    pub fn close_late(&self, now: Timestamp) {
        self.attempts().retain(|_, attempt| attempt.assignment.attempt.deadline > now);
    }

    /// Whether the attempt is open.
    pub fn has(&self, key: &Key) -> bool {
        self.attempts().contains_key(key)
    }

    /// What is signed for an open attempt.
    pub fn get(&self, key: &Key) -> Option<Arc<Assignment>> {
        self.attempts().get(key).map(|attempt| attempt.assignment.clone())
    }

    /// The state that an open attempt names.
    pub fn state(&self, key: &Key) -> Option<Arc<State>> {
        self.attempts().get(key).and_then(|attempt| attempt.state.clone())
    }

    /// Notes what was sealed for an attempt.
    pub fn sealed(&self, key: &Key, seal: &Seal) {
        if let Some(attempt) = self.attempts().get_mut(key) {
            attempt.seal = Some(seal.clone());
        }
    }

    /// What was sealed for an attempt, to whoever asks first: it is archived once.
    pub fn take_seal(&self, key: &Key) -> Option<Seal> {
        self.attempts().get_mut(key)?.seal.take()
    }

    /// Counts an answer.
    pub fn answered(&self, key: &Key) -> Place {
        let mut attempts = self.attempts();
        let Some(attempt) = attempts.get_mut(key) else { return Place::Over };
        attempt.answers += 1;
        let needed = threshold(attempt.assignment.attempt.mode);
        if attempt.answers <= needed { Place::Needed } else { Place::Spare }
    }
}

#[cfg(test)]
mod tests {
    use argus_conformance::samples::{assignment, at};

    use super::*;

    #[test]
    fn enough_answers_are_needed_and_the_rest_is_spare_until_it_is_over() {
        let (open, assignment) = (Open::default(), assignment(1));
        let key = (assignment.task.id, assignment.attempt.no);
        assert_eq!(open.answered(&key), Place::Over, "not begun");
        open.open(&assignment, None);
        let places = [Place::Needed, Place::Needed, Place::Spare, Place::Spare];
        assert_eq!(places.map(|_| open.answered(&key)), places, "two of three are enough");
        open.open(&assignment, None);
        assert_eq!(open.answered(&key), Place::Spare, "opened again it stays as it is");
        open.close_late(at(9_999));
        assert!(open.has(&key));
        open.close_late(at(10_000));
        assert_eq!(open.answered(&key), Place::Over);
    }
}
