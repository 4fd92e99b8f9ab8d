//! What a keeper remembers of attempts that are not over.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use argus_domain::{
    ids::{AttemptNo, TaskId},
    time::Timestamp,
};

/// An attempt.
pub type Key = (TaskId, AttemptNo);

/// One thing per attempt, until the attempt's deadline; of too many the oldest go first. It is not durable: what a
/// keeper must not forget is in its journal.
pub struct Recent<V> {
    max: usize,
    kept: Mutex<Kept<V>>,
}

struct Kept<V> {
    by_attempt: BTreeMap<Key, V>,
    /// With their deadlines, in the order in which they were put.
    order: VecDeque<(Key, Timestamp)>,
}

impl<V: Clone> Recent<V> {
    /// For `max` attempts.
    pub fn new(max: usize) -> Self {
        Self { max, kept: Mutex::new(Kept { by_attempt: BTreeMap::new(), order: VecDeque::new() }) }
    }

    /// What was put last for this attempt.
    pub fn get(&self, key: &Key) -> Option<V> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).by_attempt.get(key).cloned()
    }

    /// Remembers this of an attempt, in the place of what was put before.
    pub fn put(&self, key: Key, deadline: Timestamp, value: V, now: Timestamp) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.by_attempt.insert(key, value).is_none() {
            kept.order.push_back((key, deadline));
        }
        // Deadlines are about in order; one that is not goes a little later.
        while let Some((oldest, deadline)) = kept.order.front().copied()
            && (deadline <= now || kept.order.len() > self.max)
        {
            kept.order.pop_front();
            kept.by_attempt.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use argus_domain::B256;

    use super::*;

    #[test]
    fn what_is_over_and_what_is_too_much_is_forgotten() {
        let key = |n: u8| (TaskId(B256::repeat_byte(n)), AttemptNo(1));
        let recent = Recent::new(2);
        let kept = |recent: &Recent<u8>| (1..=4).filter_map(|n| recent.get(&key(n))).collect::<Vec<_>>();
        recent.put(key(1), Timestamp(10), 1, Timestamp(0));
        recent.put(key(1), Timestamp(10), 7, Timestamp(0));
        recent.put(key(2), Timestamp(20), 2, Timestamp(1));
        assert_eq!(kept(&recent), [7, 2]);
        recent.put(key(3), Timestamp(30), 3, Timestamp(2));
        assert_eq!(kept(&recent), [2, 3], "the oldest");
        recent.put(key(4), Timestamp(40), 4, Timestamp(30));
        assert_eq!(kept(&recent), [4], "past their deadlines");
    }
}
