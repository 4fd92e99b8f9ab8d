//! What a job's script remembers from one run to the next: a small map from keys to values.
//!
//! A state is never changed in place. A run is told one and comes to another, both are named by their root, and which
//! one a job has is folded from its tasks ([`crate::status::TaskState::leaves`]).

use std::collections::BTreeMap;

use alloy_primitives::{B256, Bytes};
use serde::{Deserialize, Serialize};

use crate::{
    digest::digest_of,
    ids::TaskNumber,
    limits::{STORAGE_BYTES_MAX, STORAGE_KEY_BYTES_MAX},
};

/// What a script is told that writes or reads without having storage.
pub const NOT_GRANTED: &str = "storage is not granted to this job: ask for it where the job is created";

/// The entries of a job's storage, by key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State(BTreeMap<String, Bytes>);

/// Why an entry cannot be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// The key is empty or too long.
    #[error("a storage key has 1 to {STORAGE_KEY_BYTES_MAX} bytes")]
    Key,
    /// All entries together would be too large.
    #[error(
        "the storage limit of {} MB is used up (keys and values of the job together): delete entries, or keep shorter ones",
        STORAGE_BYTES_MAX >> 20
    )]
    Full,
}

impl State {
    /// Its name: `BLAKE3("argus/state/1" || 0x00 || canonical bytes of the map)`, see [`crate::digest`]; equal
    /// entries have equal roots, whatever the order in which they were written.
    pub fn root(&self) -> B256 {
        digest_of("argus/state/1", self)
    }

    /// The value under a key.
    pub fn get(&self, key: &str) -> Option<&Bytes> {
        self.0.get(key)
    }

    /// All entries, by key.
    pub fn entries(&self) -> impl Iterator<Item = (&String, &Bytes)> {
        self.0.iter()
    }

    /// Bytes of keys and values together.
    pub fn bytes(&self) -> u64 {
        self.0.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum()
    }

    /// Keeps a value under a key.
    ///
    /// # Errors
    /// Where the key is none, or it would be too much; nothing is changed then.
    pub fn set(&mut self, key: &str, value: Bytes) -> Result<(), StateError> {
        if key.is_empty() || key.len() > STORAGE_KEY_BYTES_MAX {
            return Err(StateError::Key);
        }
        let freed = self.0.get(key).map_or(0, |old| key.len() + old.len()) as u64;
        if self.bytes() - freed + (key.len() + value.len()) as u64 > STORAGE_BYTES_MAX {
            return Err(StateError::Full);
        }
        self.0.insert(key.to_owned(), value);
        Ok(())
    }

    /// Removes an entry; absent: nothing to do.
    pub fn delete(&mut self, key: &str) {
        self.0.remove(key);
    }
}

/// A state by name, and which task of its job wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateRef {
    /// [`State::root`].
    pub root: B256,
    /// The task whose call made it the job's state; 0: none yet, it is empty.
    pub version: TaskNumber,
}

impl StateRef {
    /// What a job begins with.
    pub fn empty() -> Self {
        Self { root: State::default().root(), version: TaskNumber(0) }
    }
}

/// Where a job's state stands, as its tasks tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobState {
    /// The state after the last task that the chain confirmed.
    pub at: StateRef,
    /// No task may change it any more: the next one may run on it.
    pub is_settled: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(entries: &[(&str, usize)]) -> State {
        let mut state = State::default();
        for (key, len) in entries {
            state.set(key, vec![7; *len].into()).expect("room");
        }
        state
    }

    #[test]
    fn a_root_names_the_entries_and_not_how_they_came() {
        let a = filled(&[("a", 1), ("b", 2)]);
        let mut b = filled(&[("b", 2), ("c", 9), ("a", 5)]);
        b.delete("c");
        b.set("a", vec![7].into()).expect("room");
        assert_eq!(a.root(), b.root());
        // Bytes that move between key and value, or between entries, make another state.
        let states =
            [filled(&[("a", 1), ("b", 1)]), filled(&[("a", 2)]), filled(&[("ab", 1)]), State::default()];
        let roots: std::collections::BTreeSet<_> = states.iter().map(State::root).collect();
        assert_eq!(roots.len(), states.len());
    }

    #[test]
    fn what_is_too_much_is_refused_and_changes_nothing() {
        let max = STORAGE_BYTES_MAX as usize;
        let mut state = filled(&[("a", max - 2)]);
        let before = state.clone();
        assert_eq!(state.set("b", vec![0; 2].into()), Err(StateError::Full));
        assert_eq!(state.set("", Bytes::new()), Err(StateError::Key));
        assert_eq!(state.set(&"k".repeat(STORAGE_KEY_BYTES_MAX + 1), Bytes::new()), Err(StateError::Key));
        assert_eq!(state, before);
        assert_eq!(state.set("b", Bytes::new()), Ok(()), "to the byte");
        assert_eq!(state.bytes(), STORAGE_BYTES_MAX);
        // What a value replaces makes room for it.
        assert_eq!(state.set("a", vec![0; max - 2].into()), Ok(()));
        assert_eq!(state.set("a", vec![0; max - 1].into()), Err(StateError::Full));
    }
}
