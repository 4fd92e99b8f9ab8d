//! Which shards a member of a service holds, and what it asks the store of leases for.
//!
//! A member joins, beats, and looks at what the store has. From a view follows what it does: each shard has one wanted
//! owner among the members, by rendezvous hashing. A member gives up what is another's by that, takes what is its own and
//! free, and ends sessions that have been silent for their ttl. What it gives up it stops believing in before it says so.
//!
//! It knows one clock, its own monotonic one. What it believes ends a margin before the others may end its session
//! (see `argus_ports::lease`), and a session whose end it saw or that lapsed by its own clock is over for good: then it
//! joins under the next number and knows nothing any more. So a late answer revives nothing.
//!
//! Two requests are under way at most: one that joins, beats or leaves, and one of all others, so that no slow claim
//! makes a beat late, and no view is older than what this member did before it. How many a second there can be follows
//! from the two pauses between them.

use std::{num::NonZeroU16, time::Duration};

use argus_domain::lease::{Fence, Live, SHARDS, ServiceKind, Session, View};

mod lanes;
mod machine;
mod owner;
mod seen;
#[cfg(test)]
mod tests;

pub use machine::Shards;
pub use owner::Owners;

/// An instant of one member's monotonic clock: the time since it began. It means nothing to anybody else.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub Duration);

impl Moment {
    /// So much later.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(by))
    }

    /// How long after `earlier` this is; zero where it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// How a member behaves. The defaults move a dead member's shards within 5 s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Into how many shards the work is cut. All members say the same: one that meets another number among the others
    /// takes nothing.
    pub shards: NonZeroU16,
    /// How long the others wait for a beat of this member.
    pub ttl: Duration,
    /// How much earlier this member stops believing. Covers clocks whose rates stray from true time by half of
    /// `margin / ttl`.
    pub margin: Duration,
    /// From one beat to the next.
    pub beat_every: Duration,
    /// From one look to the next.
    pub look_every: Duration,
    /// The same while something is expected to move.
    pub look_soon: Duration,
    /// How long an answer is waited for. What is not answered by then may still be carried out.
    pub patience: Duration,
    /// From one request other than a beat to the next, at the least.
    pub pause: Duration,
    /// How much later than the first member the next one ends a silent session, and so on.
    pub stagger: Duration,
    /// Leases in one request.
    pub batch: usize,
}

impl Default for Config {
    fn default() -> Self {
        let ms = Duration::from_millis;
        Self {
            shards: SHARDS,
            ttl: ms(3000),
            margin: ms(300),
            beat_every: ms(1000),
            look_every: ms(500),
            look_soon: ms(150),
            patience: ms(1000),
            pause: ms(50),
            stagger: ms(200),
            batch: 32,
        }
    }
}

impl Config {
    /// Why a member cannot live by this, if it cannot.
    pub fn fault(&self) -> Option<&'static str> {
        if self.beat_every.saturating_add(self.patience) > self.ttl.saturating_sub(self.margin) {
            return Some(
                "ttl less margin has to leave room for one beat that gets no answer and another one",
            );
        }
        let slow = self.look_every.max(self.look_soon) > self.ttl;
        if slow {
            return Some("a member has to look at least once in a ttl");
        }
        let times = [self.beat_every, self.pause, self.margin, self.patience];
        (self.batch == 0 || times.iter().any(Duration::is_zero))
            .then_some("batch, beat_every, pause, margin and patience have to be above zero")
    }

    /// The most requests that a member makes in a second by its own clock.
    pub fn requests_max(&self) -> u128 {
        let a_second = |every: Duration| 1000 / every.as_millis().max(1) + 1;
        a_second(self.beat_every) + a_second(self.pause)
    }
}

/// What to ask the store. All of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// To begin a session.
    Join(Live),
    /// To keep it alive.
    Beat {
        /// The member's own.
        session: Session,
        /// How many with this one.
        beats: u64,
    },
    /// To end a session: the member's own with `None`.
    End {
        /// Whose.
        session: Session,
        /// With how many beats it has been silent.
        beats: Option<u64>,
    },
    /// What there is.
    Look,
    /// To take these.
    Claim {
        /// The member's own.
        session: Session,
        /// With the tokens that were seen.
        leases: Vec<Fence>,
    },
    /// To free these.
    Release {
        /// The member's own.
        session: Session,
        /// With the tokens under which they were held.
        leases: Vec<Fence>,
    },
}

/// One question to the store, to be asked at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// By which the answer is known.
    pub no: u64,
    /// Of which service.
    pub kind: ServiceKind,
    /// What.
    pub ask: Ask,
}

/// What the store said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To a join or a beat: whether the session is there.
    Alive(bool),
    /// To a look.
    Seen(View),
    /// To a claim: which of them are held.
    Claimed(Vec<bool>),
    /// To an end or a release.
    Done,
    /// It could not be asked, or said that it cannot now.
    Failed,
}
