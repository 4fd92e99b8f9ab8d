//! Durable state in SQLite: the platform's store, and a keeper's journal.
//!
//! One thread writes, in groups: whatever waits is carried out in one transaction, and everyone is answered after the
//! commit, which is an fsync of the write-ahead log; a group in which one operation fails is done again one by one. A few
//! threads read. Several processes may share the platform's file; a journal belongs to one process at a time.
//!
//! Bodies are protobuf (argus-proto); the tables are in migrations/sqlite. This crate decides nothing about jobs or
//! tasks beyond what the ports say of a store.

mod answers;
mod archive;
mod bus;
mod cell;
mod charges;
mod database;
mod decisions;
mod facts;
mod fault;
mod job_rows;
mod jobs;
mod journal;
mod ledger;
pub mod migrate;
mod people;
mod profiles;
mod readers;
mod registrations;
mod secrets;
mod tasks;
mod watch;
mod writer;

pub use database::{OpenError, Options, SqliteStore};
pub use journal::SqliteJournal;

#[cfg(test)]
mod tests;
