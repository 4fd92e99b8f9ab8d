//! Leases: by which the replicas of a service share its work.
//!
//! What a service does is cut into a fixed number of shards by a hash of each thing's key. A *member* is one process's
//! part in that service. It has one *session* at a time, which it keeps alive by beating, and holds the leases of
//! shards under it. A lease is held as long as its holder's session is there, so a member beats once for all it holds.
//! A session that ended never comes back: its member begins the next one. Each time a lease is taken its token grows,
//! and what is written for a shard carries the token as its *fence*.

use std::{fmt, num::NonZeroU16, time::Duration};

use crate::{ids::JobId, keccak256};

/// A service whose replicas share work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceKind {
    /// Opens tasks; its keys are jobs.
    Scheduler,
    /// Leads tasks; its keys are jobs.
    Dispatcher,
    /// Leads attempts; its keys are tasks.
    Aggregator,
    /// Watches the chains.
    Monitor,
}

impl ServiceKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Scheduler, Self::Dispatcher, Self::Aggregator, Self::Monitor];

    /// Its name in tables, logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scheduler => "scheduler",
            Self::Dispatcher => "dispatcher",
            Self::Aggregator => "aggregator",
            Self::Monitor => "monitor",
        }
    }
}

/// Into how many shards every service's work is cut. For good: stores keep the shard of each job.
pub const SHARDS: NonZeroU16 = NonZeroU16::MIN.saturating_add(63);

/// A part of a service's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard {
    /// Whose work.
    pub kind: ServiceKind,
    /// From 0.
    pub no: u16,
}

impl Shard {
    /// The shard in which a thing with this key lies, of so many. The same for every member for ever.
    pub fn of(kind: ServiceKind, key: &[u8], shards: NonZeroU16) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = keccak256(key).0;
        let place = u64::from_be_bytes([a, b, c, d, e, f, g, h]) % u64::from(shards.get());
        Self { kind, no: u16::try_from(place).unwrap_or(u16::MAX) }
    }

    /// The scheduler's shard in which a job lies.
    pub fn of_job(job: JobId) -> Self {
        Self::of(ServiceKind::Scheduler, &job.0.to_be_bytes::<32>(), SHARDS)
    }
}

/// Some of a service's shards, by their numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct ShardSet(u64);

impl ShardSet {
    /// Every shard.
    pub const ALL: Self = Self(u64::MAX);

    /// Whether this one is among them.
    pub fn contains(self, no: u16) -> bool {
        self.0 & bit(no) != 0
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// One bit of each: shard 0 is the lowest.
    pub fn bits(self) -> u64 {
        self.0
    }
}

impl FromIterator<u16> for ShardSet {
    fn from_iter<T: IntoIterator<Item = u16>>(numbers: T) -> Self {
        Self(numbers.into_iter().fold(0, |bits, no| bits | bit(no)))
    }
}

/// None where there is no such shard.
fn bit(no: u16) -> u64 {
    1u64.checked_shl(u32::from(no)).unwrap_or(0)
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.name(), self.no)
    }
}

/// One process's part in a service: drawn at random when the process starts, and used by no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(pub [u8; 16]);

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A stretch of a member's life in which it may hold leases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Session {
    /// Whose.
    pub member: MemberId,
    /// Which of its sessions, from 1; the member counts.
    pub no: u32,
}

/// How often a shard's lease has been taken: 0 before the first time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

impl Token {
    /// That of whoever takes the lease next.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// What a write for a shard carries. It is refused once the shard's lease was taken again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fence {
    /// The shard.
    pub shard: Shard,
    /// The token with which the writer holds it.
    pub token: Token,
}

/// A session that has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Live {
    /// Which.
    pub session: Session,
    /// How often it has beaten.
    pub beats: u64,
    /// How long the others wait for its next beat before they end it.
    pub ttl: Duration,
    /// Into how many shards its member cuts the work.
    pub shards: NonZeroU16,
}

/// A shard's lease, as the store has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Of which shard.
    pub shard: Shard,
    /// That of whoever took it last.
    pub token: Token,
    /// Who took it last and did not release it. Held only while that session is there.
    pub holder: Option<Session>,
    /// What holders leave for the next one: a number to which their service gives its meaning.
    pub mark: u64,
}

/// What a store has of one service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// Leases that were ever taken, by number.
    pub leases: Vec<Lease>,
    /// Sessions that have not ended, by member; one of each member.
    pub members: Vec<Live>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_spread_evenly_and_stay() {
        let shards = NonZeroU16::new(64).expect("not zero");
        let mut counts = [0u32; 64];
        for n in 0..64_000u32 {
            let shard = Shard::of(ServiceKind::Scheduler, &n.to_be_bytes(), shards);
            counts[usize::from(shard.no)] += 1;
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
        assert_eq!(Shard::of(ServiceKind::Monitor, b"argus", shards).to_string(), "monitor 12");
    }

    #[test]
    fn a_jobs_shard_is_the_same_for_ever() {
        let of = |n: u64| Shard::of_job(JobId(crate::U256::from(n))).no;
        assert_eq!([of(1), of(2), of(3)], [59, 32, 0], "stores hold these numbers");
    }

    #[test]
    fn sets_of_shards() {
        let some: ShardSet = [0, 5, 63, 64].into_iter().collect();
        let held: Vec<u16> = (0..100).filter(|no| some.contains(*no)).collect();
        assert_eq!(held, [0, 5, 63], "there is no shard 64");
        assert!((0..SHARDS.get()).all(|no| ShardSet::ALL.contains(no)));
        assert!(ShardSet::default().is_empty() && !some.is_empty());
    }
}
