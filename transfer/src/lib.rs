//! From one store to another while the platform is stopped: all records of one are written into the other, page by page,
//! and then both are read and compared.
//!
//! How far it has come lies in the target and is noted after each page, so that whoever is killed and starts again goes
//! on there; a page that is written twice changes nothing. This crate owns the order of things, when to refuse, and how
//! records are compared. It never knows a table, a file or a node, and it changes nothing of the source but to give it a
//! name.

mod canon;
mod compare;
mod digest;
mod live;
mod write;

use std::sync::Arc;

use argus_domain::time::Timestamp;
use argus_ports::{LeaseStore, RecordKind, RecordStore, StoreError};

pub use compare::{Compared, Difference, How, verify};
pub use digest::Digest;
pub use live::wait_for_beats;
pub use write::{Written, copy};

/// A store that is copied, or copied into.
#[derive(Clone)]
pub struct Side {
    /// Its records.
    pub records: Arc<dyn RecordStore>,
    /// Where processes that use it would show.
    pub leases: Arc<dyn LeaseStore>,
    /// Where it lies, for people.
    pub name: String,
}

/// How a copy is made.
#[derive(Debug, Clone)]
pub struct Options {
    /// Records of a page.
    pub page: u32,
    /// Now: what is over by then is left out.
    pub now: Timestamp,
    /// Names that no store has, for the two: they are given where a store has none.
    pub fresh: [String; 2],
}

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// Records are written.
    Writing,
    /// The source is read to be compared.
    ReadingSource,
    /// The target is read to be compared.
    ReadingTarget,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// With what.
    pub doing: Doing,
    /// Of which kind.
    pub kind: RecordKind,
    /// Records so far, of all kinds.
    pub records: u64,
}

/// Is told of progress, after each page.
pub type Tell<'a> = &'a mut (dyn FnMut(Progress) + Send);

/// Why there is no copy. Says what to do.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// A store cannot be read or written.
    #[error("{name}: {why}")]
    Store {
        /// Which store.
        name: String,
        /// What it met.
        why: StoreError,
    },
    /// There is nothing to copy.
    #[error("{0} and the target are the same store: name two")]
    Same(String),
    /// Somebody uses it.
    #[error(
        "{name} is used by a running {service}: stop every process of the platform, then start this again"
    )]
    InUse {
        /// Which store.
        name: String,
        /// Which service has a session that beats.
        service: &'static str,
    },
    /// It holds what would be mixed with the copy.
    #[error(
        "{name} is not empty, it holds {kind}: name a new file or keyspace, in which no process ever ran"
    )]
    NotEmpty {
        /// Which store.
        name: String,
        /// Of which there are some.
        kind: &'static str,
    },
    /// A copy of another store was begun there.
    #[error("{0} holds a copy of another store, or a part of one: name a new file or keyspace")]
    Other(String),
    /// It was copied already.
    #[error("{0} holds the whole copy already: point [store] at it; `argus store verify` compares the two")]
    Done(String),
    /// The source is itself only half there.
    #[error("{0} holds half a copy of another store: let that copy come to its end first")]
    HalfSource(String),
    /// They are not equal.
    #[error(
        "the two differ: {0}; the target is of no use as it is: make a new one, see that nothing uses the source, and copy again"
    )]
    Differ(Difference),
}

impl Side {
    fn failed(&self, why: StoreError) -> TransferError {
        TransferError::Store { name: self.name.clone(), why }
    }
}
