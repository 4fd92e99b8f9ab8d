//! Typed identifiers. A job id is a uint256 chosen on chain; a task id follows from its job and its occurrence.

use std::{fmt, str::FromStr};

use alloy_primitives::{Address, B256, U256, keccak256};
use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// A job's number: a uint256, at most 78 decimal digits, written in decimal everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobId(pub U256);

/// Why a text is no job id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a job id is a decimal number of 1 to 78 digits below 2^256")]
pub struct BadJobId;

impl FromStr for JobId {
    type Err = BadJobId;

    fn from_str(text: &str) -> Result<Self, BadJobId> {
        if text.is_empty() || text.len() > 78 || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(BadJobId);
        }
        U256::from_str_radix(text, 10).map(JobId).map_err(|_| BadJobId)
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// An EVM chain by its EIP-155 number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ChainId(pub u64);

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A keeper is known by the address of its one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KeeperId(pub Address);

impl fmt::Display for KeeperId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A job's serial within this platform, given at creation: 1 up to 2^27 - 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Serial(pub u32);

impl Serial {
    /// The largest serial: what fits into 27 bits.
    pub const MAX: u32 = (1 << 27) - 1;
}

/// The n-th task of its job, from 1 up to 2^26 - 1: the count that the job's cursor keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TaskNumber(pub u32);

impl TaskNumber {
    /// The largest number: what fits into 26 bits.
    pub const MAX: u32 = (1 << 26) - 1;
}

/// The integer by which a task is known in the API: `serial x 2^26 + number`, below 2^53 so that a JSON number
/// holds it exactly, and increasing within a job.
pub fn public_task_id(serial: Serial, number: TaskNumber) -> u64 {
    (u64::from(serial.0) << 26) | u64::from(number.0 & TaskNumber::MAX)
}

/// The serial and number behind a public task id; `None` where it was never one.
pub fn split_public_task_id(id: u64) -> Option<(Serial, TaskNumber)> {
    let serial = u32::try_from(id >> 26).ok().filter(|s| (1..=Serial::MAX).contains(s))?;
    let number = u32::try_from(id & u64::from(TaskNumber::MAX)).ok().filter(|n| *n >= 1)?;
    Some((Serial(serial), TaskNumber(number)))
}

/// Try number within a task, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttemptNo(pub u16);

/// Round within an attempt: 1, or 2 where live values differed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Round(pub u8);

/// What makes one task of a job the same task wherever it is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Occurrence {
    /// A schedule's due instant.
    Time(Timestamp),
    /// A log: chain, transaction, and the position among that transaction's logs. A reorg that moves the
    /// transaction to another block leaves all three as they are.
    Event(ChainId, B256, u32),
    /// The n-th crossing of a condition, counted in the job's cursor from 1.
    Condition(u64),
}

/// `keccak256` over the job's id and the occurrence: opening the same occurrence twice is opening it once.
/// On chain it is the executor's guard against a second call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TaskId(pub B256);

impl TaskId {
    /// The id of a job's task for one occurrence.
    pub fn of(job: JobId, occurrence: &Occurrence) -> Self {
        let mut bytes = Vec::with_capacity(96);
        bytes.extend_from_slice(b"argus/task/1");
        bytes.extend_from_slice(&job.0.to_be_bytes::<32>());
        match occurrence {
            Occurrence::Time(due) => {
                bytes.push(1);
                bytes.extend_from_slice(&due.0.to_be_bytes());
            }
            Occurrence::Event(chain, transaction, position) => {
                bytes.push(2);
                bytes.extend_from_slice(&chain.0.to_be_bytes());
                bytes.extend_from_slice(transaction.as_slice());
                bytes.extend_from_slice(&position.to_be_bytes());
            }
            Occurrence::Condition(ordinal) => {
                bytes.push(3);
                bytes.extend_from_slice(&ordinal.to_be_bytes());
            }
        }
        Self(keccak256(bytes))
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromStr for TaskId {
    type Err = alloy_primitives::hex::FromHexError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn job_ids_are_decimal_and_exact() {
        let max = U256::MAX.to_string();
        for (text, good) in [
            ("0", true),
            (max.as_str(), true),
            ("", false),
            ("-1", false),
            ("1e3", false),
            ("0x10", false),
            ("115792089237316195423570985008687907853269984665640564039457584007913129639936", false),
        ] {
            assert_eq!(text.parse::<JobId>().is_ok(), good, "{text}");
        }
        assert_eq!(max.parse::<JobId>().expect("max").to_string(), max);
    }

    #[test]
    fn occurrences_that_differ_have_ids_that_differ() {
        let (a, b) = (JobId(U256::from(1)), JobId(U256::from(2)));
        let ids = [
            TaskId::of(a, &Occurrence::Time(Timestamp(1))),
            TaskId::of(a, &Occurrence::Time(Timestamp(2))),
            TaskId::of(b, &Occurrence::Time(Timestamp(1))),
            TaskId::of(a, &Occurrence::Condition(1)),
            TaskId::of(a, &Occurrence::Event(ChainId(1), B256::ZERO, 0)),
            TaskId::of(a, &Occurrence::Event(ChainId(1), B256::ZERO, 1)),
        ];
        let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len());
    }

    #[test]
    fn public_ids_split_into_what_made_them() {
        let id = public_task_id(Serial(Serial::MAX), TaskNumber(TaskNumber::MAX));
        assert!(id < 1 << 53);
        assert_eq!(split_public_task_id(id), Some((Serial(Serial::MAX), TaskNumber(TaskNumber::MAX))));
        assert_eq!(split_public_task_id(5), None);
        assert_eq!(split_public_task_id(1 << 26), None);
        assert_eq!(split_public_task_id(u64::MAX), None);
    }
}
