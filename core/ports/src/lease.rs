//! Leases of shards, under which the replicas of a service share its work.
//!
//! # Which clock decides what
//!
//! The store's clock decides nothing, and no instant is kept. Whoever wants another's shards waits: a session has
//! lapsed for an observer once the observer has seen the same number of beats for the session's ttl, by the
//! observer's own monotonic clock, counted from the arrival of the first view with that number. Then it asks to
//! [end](LeaseStore::end) the session with that number, and the store does so only if it is still the number: one
//! that beat in between lives on. The member itself stops acting a margin before its ttl is over by its own monotonic
//! clock, counted from before it sent the last beat that was heard. So between the two only the rates of two monotonic
//! clocks matter, never what they show: as long as neither strays from true time by more than half of margin / ttl, no
//! two members believe at once that they hold one shard.
//!
//! Where even that fails, as for a process that stops between looking at its clock and writing, or on a machine whose
//! clock stands still with it, the fence protects.
//!
//! # How a write carries its fence
//!
//! A write for a shard comes with a [`Fence`], and the store that takes it refuses one whose token is not the newest
//! given for the shard, in the same step as the write, by what that store can do. A job's writes carry the fence of its
//! shard: [`TaskStore::open`](crate::TaskStore::open), [`JobStore::move_cursor`](crate::JobStore::move_cursor) and
//! [`DecisionStore::note`](crate::DecisionStore::note) the scheduler's, [`TaskStore::append`](crate::TaskStore::append)
//! the dispatcher's.
//!
//! - Where leases and rows share transactions (SQLite, memory), the write's transaction compares the fence with the
//!   lease's token.
//! - Where conditions reach one partition only (Cassandra), the partition that is written keeps the highest token that
//!   has written it, and the condition of each write is that its own is no lower, and keeps it. A late write can then
//!   come as long as the new holder has not written there, as if it had come before. So whoever takes a shard over
//!   raises a partition's token before it decides from what it reads there, or makes its write conditional on what it
//!   read.
//! - There, too, a task's facts are appended after a look at the leases: they have one key each, and what two could say
//!   differently, the verdict, is a conditional write without that. So a late fact can come in only between look and
//!   write, and is then one more attempt or handoff, as after a restart.
//!
//! [`LeaseStore::mark`] is such a write, on the lease itself.
//!
//! # What is written without a fence
//!
//! Aggregator and oversight have one shard each, and their writes carry none: nearly all are right however late.
//! [`TaskStore::record`](crate::TaskStore::record) has a key for each fact, and the first one stays; so do rows of the
//! [`Ledger`](crate::Ledger) and faults that are counted; what was final when it was read stays so. Where a late write
//! could do harm, [`LeaseStore::stands`] is asked right before it: by the monitor before it records anything (a receipt
//! that is taken back late), by the reconciler before it deletes a job with its secrets
//! ([`JobStore::change`](crate::JobStore::change), [`SecretStore::remove`](crate::SecretStore::remove)) and before it
//! moves how far a registry was read, by the registrar before it changes the keeper set. What is left is a process that
//! stops between that answer and the write's beginning, and goes on after another one has acted: of these writes only
//! the deletion of a job is not made good by the next look.

use argus_domain::lease::{Fence, Live, ServiceKind, Session, View};
use async_trait::async_trait;

use crate::StoreError;

/// Sessions of members, and leases of shards. A verb that fails may still have been carried out, then or later; each
/// may be repeated and may arrive late.
#[async_trait]
pub trait LeaseStore: Send + Sync {
    /// Begins a session, with no beats whatever `live` says, in the place of an earlier one of the same member, which
    /// ends by that. Idempotent while the session lasts. Whether the session is there now: not where a later one of the
    /// member is. A member that heard no answer joins under the next number: the silence of the session that it may
    /// have begun is counted since then.
    async fn join(&self, kind: ServiceKind, live: Live) -> Result<bool, StoreError>;

    /// Notes that a session has beaten so often; a lower number than is known changes nothing. Whether the session is
    /// there: one that is not, is not made.
    async fn beat(&self, kind: ServiceKind, session: Session, beats: u64) -> Result<bool, StoreError>;

    /// Ends a session that has beaten just so often, or however often with `None`, which is for its own member to
    /// say, or for one who knows that its process is no more. All its leases are free. Absent, or with other beats: nothing to do.
    async fn end(&self, kind: ServiceKind, session: Session, beats: Option<u64>) -> Result<(), StoreError>;

    /// All of a service. Leases are read before members, or both in one step: who took a lease had joined before, so a
    /// holder that is missing among the members has ended. No view is older than what was answered before it was asked
    /// for.
    async fn look(&self, kind: ServiceKind) -> Result<View, StoreError>;

    /// Takes leases: each whose token is still the one in the fence gets the next token, and this holder. Whether each
    /// is held by the session with the next token now, in the order of the request; a repetition says the same. A lease
    /// never taken has token 0. The store compares tokens alone: that a lease is free, the caller knows from a view. They
    /// are taken each by itself, and on an error some may have been. One kind, no shard twice.
    async fn claim(&self, session: Session, leases: Vec<Fence>) -> Result<Vec<bool>, StoreError>;

    /// Frees those that the session holds with just this token; the others stay. Idempotent. Tokens stay as they are, so
    /// that the next holder's are higher. One kind, no shard twice.
    async fn release(&self, session: Session, leases: Vec<Fence>) -> Result<(), StoreError>;

    /// Whether a write with this fence would be taken now. Says nothing about the next moment: it is for what no store
    /// sees.
    async fn stands(&self, fence: Fence) -> Result<bool, StoreError>;

    /// Leaves a mark with the lease of a shard, if the fence stands: whether it does. Idempotent. The mark stays when the
    /// lease changes hands.
    async fn mark(&self, fence: Fence, mark: u64) -> Result<bool, StoreError>;
}
