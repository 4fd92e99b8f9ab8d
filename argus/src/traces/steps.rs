//! Steps that have begun here, and those that have come to their end.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
};

use argus_otlp::Begun;

/// Steps by key, each with a number that grows with what follows one another under the key: the newest one of each.
/// What has ended does not begin again, however often others repeat that it should; so a step is told once. A step that
/// never ends here is forgotten with the oldest ones.
pub struct Steps<K>(Mutex<Generations<K>>);

struct Generations<K> {
    newer: HashMap<K, Step>,
    older: HashMap<K, Step>,
}

#[derive(Clone, Copy)]
struct Step {
    number: u16,
    /// `None`: it has ended.
    begun: Option<Begun>,
}

impl<K: Eq + Hash + Copy> Steps<K> {
    /// Steps that are remembered at least, of less than a hundred bytes each; twice as many at most.
    const KEPT: usize = 16_384;

    /// None.
    pub fn new() -> Self {
        Self(Mutex::new(Generations { newer: HashMap::new(), older: HashMap::new() }))
    }

    /// Notes that a step begins now, unless it or a later one has begun already; gives the one that it follows, if that
    /// had not ended.
    pub fn begin(&self, key: K, number: u16) -> Option<(u16, Begun)> {
        let mut steps = self.lock();
        let before = steps.get(&key);
        if before.is_some_and(|step| step.number >= number) {
            return None;
        }
        steps.put(key, Step { number, begun: Some(Begun::now()) });
        before.and_then(|step| Some((step.number, step.begun?)))
    }

    /// Ends the step with this number; with `None`, whichever is under way.
    pub fn end(&self, key: K, number: Option<u16>) -> Option<(u16, Begun)> {
        let mut steps = self.lock();
        let step = steps.get(&key).filter(|step| number.is_none_or(|number| number == step.number))?;
        let begun = step.begun?;
        steps.put(key, Step { begun: None, ..step });
        Some((step.number, begun))
    }

    fn lock(&self) -> MutexGuard<'_, Generations<K>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash + Copy> Generations<K> {
    fn get(&self, key: &K) -> Option<Step> {
        self.newer.get(key).or_else(|| self.older.get(key)).copied()
    }

    fn put(&mut self, key: K, step: Step) {
        if self.newer.len() >= Steps::<K>::KEPT {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(key, step);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(step: Option<(u16, Begun)>) -> Option<u16> {
        step.map(|(number, _)| number)
    }

    #[test]
    fn each_step_ends_once_and_begins_no_second_time() {
        let steps = Steps::new();
        assert_eq!(number(steps.begin("a", 1)), None);
        assert_eq!(number(steps.begin("a", 1)), None, "it goes on");
        assert_eq!(number(steps.end("a", Some(2))), None, "another one");
        assert_eq!(number(steps.end("a", Some(1))), Some(1));
        assert_eq!(number(steps.end("a", Some(1))), None);
        steps.begin("a", 1);
        assert_eq!(number(steps.end("a", None)), None, "it has ended");
        assert_eq!(number(steps.begin("a", 2)), None, "the one before has ended");
        assert_eq!(number(steps.begin("a", 3)), Some(2));
        assert_eq!(number(steps.begin("a", 2)), None, "it is over");
        assert_eq!(number(steps.end("a", None)), Some(3));
    }

    #[test]
    fn there_are_never_too_many_and_the_newest_are_there() {
        let steps = Steps::new();
        let kept = Steps::<usize>::KEPT;
        for n in 0..3 * kept {
            steps.begin(n, 1);
            let now = steps.lock();
            assert!(now.newer.len() + now.older.len() <= 2 * kept);
        }
        assert!((2 * kept..3 * kept).all(|n| steps.end(n, Some(1)).is_some()));
    }
}
