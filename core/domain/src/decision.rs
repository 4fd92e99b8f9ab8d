//! Why a job did not fire: what looks at its trigger came to, short of a task. That it fired, its tasks say.

use std::mem::discriminant;

use serde::{Deserialize, Serialize};

use crate::{
    chain::Log,
    decimal::Decimal,
    event::{EventFilter, ParameterPlace},
    ids::{JobId, TaskNumber},
    job::Misfire,
    rule::Comparison,
    time::Timestamp,
};

/// Longest text of somebody else's that a decision holds, bytes.
const TEXT_MAX: usize = 300;

/// Looks at a job's trigger that opened no task, all with one outcome: one row, however often it was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The task that was not opened: the number that it would have had.
    pub task: TaskNumber,
    /// What the newest of these looks came to.
    pub outcome: Outcome,
    /// How many looks.
    pub count: u64,
    /// The first of them.
    pub first_at: Timestamp,
    /// The newest of them.
    pub last_at: Timestamp,
}

impl Decision {
    /// One look.
    pub fn once(task: TaskNumber, outcome: Outcome, at: Timestamp) -> Self {
        Self { task, outcome, count: 1, first_at: at, last_at: at }
    }

    /// Whether both are about the same task and of the same kind, and so are one row.
    pub fn is_like(&self, other: &Self) -> bool {
        self.task == other.task && discriminant(&self.outcome) == discriminant(&other.outcome)
    }

    /// Takes in later looks like this one: the newest outcome stays.
    pub fn fold(&mut self, later: Self) {
        self.count = self.count.saturating_add(later.count);
        self.first_at = self.first_at.min(later.first_at);
        if later.last_at >= self.last_at {
            (self.outcome, self.last_at) = (later.outcome, later.last_at);
        }
    }
}

/// What a look came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Instants from this one on were passed over without a run of their own, by this policy.
    PassedOver {
        /// The first of them.
        from: Timestamp,
        /// The policy.
        misfire: Misfire,
    },
    /// It waits for its predecessor's task of the same number to finish.
    Held {
        /// The predecessor.
        by: JobId,
    },
    /// It is paused.
    Paused {
        /// Since when.
        since: Timestamp,
    },
    /// Its time frame is over.
    Expired,
    /// The value does not fulfil the comparison.
    Unfulfilled(Compared),
    /// The value fulfils the comparison, as the one before did: it has not crossed.
    StillFulfilled(Compared),
    /// The value has crossed, within the cooldown after the last crossing.
    Cooling {
        /// What was compared.
        compared: Compared,
        /// When a crossing counts again.
        until: Timestamp,
    },
    /// The source gave no value.
    Unread {
        /// Why.
        reason: String,
    },
    /// A log of the event, whose parameter is another one than the job waits for.
    Unmatched(Unmatched),
}

impl Outcome {
    /// A source that failed.
    pub fn unread(reason: &str) -> Self {
        Self::Unread { reason: shortened(reason) }
    }
}

/// A value, and what it was compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compared {
    /// As it was read.
    pub value: Decimal,
    /// Operator and limits, as the job had them then.
    pub comparison: Comparison,
}

/// A log that a filter did not let through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unmatched {
    /// Height of its block.
    pub block: u64,
    /// Its transaction.
    pub transaction: crate::B256,
    /// The parameter, as the user named it.
    pub parameter: String,
    /// What it has to be, as the user gave it.
    pub expected: String,
    /// What it was: the topic, or all of the log's data where the parameter lies there.
    pub found: String,
}

impl Unmatched {
    /// Why the filter does not let this log through, which it does not match; `None`: it is of another event.
    pub fn of(filter: &EventFilter, log: &Log) -> Option<Self> {
        let test = filter.test.as_ref().filter(|_| filter.is_of_event(log))?;
        let found = match &test.place {
            ParameterPlace::Topic { index, .. } => {
                log.topics.get(usize::from(*index)).map(ToString::to_string)
            }
            ParameterPlace::Data { .. } => Some(log.data.to_string()),
        };
        Some(Self {
            block: log.block_number,
            transaction: log.transaction,
            parameter: shortened(&test.name),
            expected: shortened(&test.value),
            found: shortened(&found.unwrap_or_default()),
        })
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().find(|(at, c)| at + c.len_utf8() > TEXT_MAX) {
        Some((at, _)) => format!("{}\u{2026}", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_of_one_kind_become_one_row() {
        let seen = |task, outcome, at| Decision::once(TaskNumber(task), outcome, Timestamp(at));
        let unread = |reason: &str| Outcome::unread(reason);
        let mut row = seen(1, unread("down"), 10);
        for (other, alike) in [
            (seen(1, unread("slow"), 20), true),
            (seen(2, unread("down"), 20), false),
            (seen(1, Outcome::Expired, 20), false),
        ] {
            assert_eq!(row.is_like(&other), alike, "{other:?}");
        }
        row.fold(seen(1, unread("slow"), 20));
        row.fold(seen(1, unread("older"), 5));
        let (first_at, last_at) = (Timestamp(5), Timestamp(20));
        assert_eq!(
            row,
            Decision { task: TaskNumber(1), outcome: unread("slow"), count: 3, first_at, last_at }
        );
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        for (text, bytes) in [("ab".to_owned(), 2), ("\u{e9}".repeat(200), 303), ("x".repeat(300), 300)] {
            assert_eq!(shortened(&text).len(), bytes);
        }
    }
}
