//! What was already told of each job: decides what becomes of the next change, in whichever order they come.

use std::collections::HashMap;

use argus_domain::ids::JobId;

/// Jobs that are remembered at least, those heard of last.
const JOBS: usize = 32_768;

/// What becomes of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the next one.
    Tell,
    /// It was told, or is covered by what is read from the store.
    Known,
    /// Those between this position and it are read from the store first.
    ReadAfter(u64),
    /// It came after a later one that began what was told of its job: nobody can tell who lacks it.
    Missed,
}

/// What was told of one job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Told {
    /// From here on without a gap,
    first: u64,
    /// up to here.
    last: u64,
    /// When: counted in calls of [`Heard::lag`].
    time: u64,
    /// The store is being read, at least up to here.
    reading: Option<u64>,
}

/// The jobs heard of lately.
#[derive(Default)]
pub(crate) struct Heard {
    young: HashMap<JobId, Told>,
    old: HashMap<JobId, Told>,
    time: u64,
}

impl Heard {
    /// A change of this job with this position comes.
    pub(crate) fn hear(&mut self, job: JobId, seq: u64) -> Verdict {
        let time = self.time;
        let Some(told) = self.told(job) else {
            self.put(job, Told { first: seq, last: seq, time, reading: None });
            return Verdict::Tell;
        };
        let mut now = told;
        let verdict = if let Some(to) = told.reading {
            now.reading = Some(to.max(seq));
            Verdict::Known
        } else if seq <= told.last {
            // Of an earlier time: whoever was told to read the store has it.
            if seq >= told.first || told.time < time { Verdict::Known } else { Verdict::Missed }
        } else if seq == told.last + 1 {
            now.last = seq;
            Verdict::Tell
        } else if told.time < time {
            now = Told { first: seq, last: seq, time, reading: None };
            Verdict::Tell
        } else {
            now.reading = Some(seq);
            Verdict::ReadAfter(told.last)
        };
        self.put(job, now);
        verdict
    }

    /// The store was read up to here, and what was found is told now. False: changes are known beyond it, and whoever
    /// listens has to be told to read the store itself.
    pub(crate) fn read(&mut self, job: JobId, to: u64) -> bool {
        let Some(mut told) = self.told(job) else { return true };
        let wanted = told.reading.take().unwrap_or_default();
        told.last = told.last.max(to).max(wanted);
        self.put(job, told);
        to >= wanted
    }

    /// Everybody is told to read the store: whatever was published before this is known.
    pub(crate) fn lag(&mut self) {
        self.time += 1;
    }

    fn told(&self, job: JobId) -> Option<Told> {
        self.young.get(&job).or_else(|| self.old.get(&job)).copied()
    }

    fn put(&mut self, job: JobId, told: Told) {
        if self.young.len() >= JOBS && !self.young.contains_key(&job) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(job, told);
    }
}

#[cfg(test)]
mod tests {
    use argus_domain::U256;

    use super::{
        Verdict::{Known, Missed, ReadAfter, Tell},
        *,
    };

    fn job(n: u64) -> JobId {
        JobId(U256::from(n))
    }

    #[track_caller]
    fn check(heard: &mut Heard, expect: &[(u64, Verdict)]) {
        for (seq, verdict) in expect {
            assert_eq!(heard.hear(job(1), *seq), *verdict, "{seq}");
        }
    }

    #[test]
    fn what_comes_in_order_is_told_once() {
        let mut heard = Heard::default();
        check(&mut heard, &[(4, Tell), (5, Tell), (5, Known), (4, Known), (6, Tell)]);
        assert_eq!(heard.hear(job(2), 1), Tell, "another job is another job");
    }

    #[test]
    fn a_gap_is_read_from_the_store() {
        let mut heard = Heard::default();
        check(&mut heard, &[(1, Tell), (4, ReadAfter(1)), (5, Known), (3, Known)]);
        assert!(heard.read(job(1), 6));
        check(&mut heard, &[(2, Known), (6, Known), (7, Tell)]);
        check(&mut heard, &[(9, ReadAfter(7)), (11, Known)]);
        assert!(!heard.read(job(1), 9), "it does not have the last one");
        check(&mut heard, &[(11, Known), (12, Tell)]);
        check(&mut heard, &[(14, ReadAfter(12))]);
        assert!(!heard.read(job(1), 12), "it cannot be read");
        check(&mut heard, &[(13, Known), (15, Tell)]);
    }

    #[test]
    fn who_was_told_to_read_the_store_has_what_was_before() {
        let mut heard = Heard::default();
        check(&mut heard, &[(5, Tell), (4, Missed)]);
        heard.lag();
        check(&mut heard, &[(4, Known), (9, Tell), (8, Missed)]);
        heard.lag();
        check(&mut heard, &[(8, Known), (10, Tell), (8, Known), (12, Tell)]);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut heard = Heard::default();
        for n in 0..5 * JOBS as u64 {
            heard.hear(job(n), 1);
        }
        assert!(heard.young.len() + heard.old.len() <= 2 * JOBS);
        let newest = 5 * JOBS as u64 - 1;
        assert_eq!(heard.hear(job(newest), 1), Known);
    }
}
