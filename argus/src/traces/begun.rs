//! Steps that have begun here and not come to their end.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
};

use argus_otlp::Begun;

/// Beginnings by key, each with a number that tells apart what follows one another under the key. A step that never ends
/// here is forgotten with all others once there are too many: then some spans are not told, and nothing else.
pub struct Open<K>(Mutex<HashMap<K, (u16, Begun)>>);

impl<K: Eq + Hash> Open<K> {
    /// Each is less than a hundred bytes.
    const MAX: usize = 20_000;

    /// None.
    pub fn new() -> Self {
        Self(Mutex::default())
    }

    /// Notes that a step begins now, and gives the one with another number in whose place it comes. One that has begun
    /// already goes on.
    pub fn begin(&self, key: K, number: u16) -> Option<(u16, Begun)> {
        let mut open = self.lock();
        if open.get(&key).is_some_and(|(known, _)| *known == number) {
            return None;
        }
        if open.len() >= Self::MAX && !open.contains_key(&key) {
            open.clear();
        }
        open.insert(key, (number, Begun::now()))
    }

    /// Takes a step that ends.
    pub fn end(&self, key: &K) -> Option<(u16, Begun)> {
        self.lock().remove(key)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, (u16, Begun)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_ends_once_and_there_are_never_too_many() {
        let open = Open::new();
        for n in 0..3 * Open::<usize>::MAX {
            assert!(open.begin(n, 1).is_none());
            assert!(open.lock().len() <= Open::<usize>::MAX);
        }
        let last = 3 * Open::<usize>::MAX - 1;
        assert!(open.begin(last, 1).is_none(), "it goes on");
        assert_eq!(open.begin(last, 2).map(|(number, _)| number), Some(1));
        assert_eq!(open.end(&last).map(|(number, _)| number), Some(2));
        assert!(open.end(&last).is_none());
    }
}
