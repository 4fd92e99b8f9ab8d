//! Durable state in SQLite: the platform's store, and a keeper's journal.
//!
//! Everyone is answered after the commit, which is an fsync of the write-ahead log. Whoever writes alone commits in place.
//! What comes meanwhile is written by one thread, in groups: whatever waits is carried out in one transaction; a group in
//! which one operation fails is done again one by one. A few threads read, and lend their connections to whoever looks
//! for a few rows by their keys. Several processes may share the platform's file; a journal belongs to one process at a
//! time.
//!
//! Bodies are protobuf (argus-proto); the tables are in migrations/sqlite. This crate decides nothing about jobs or
//! tasks beyond what the ports say of a store.

mod answers;
mod archive;
mod backup;
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
mod leases;
mod ledger;
pub mod migrate;
mod people;
mod profiles;
mod readers;
mod records;
mod registrations;
mod secrets;
mod tasks;
mod watch;
mod writer;

pub use backup::{BackupError, backup};
pub use database::{OpenError, Options, SqliteStore};
pub use journal::SqliteJournal;
pub use records::is_in_use;
pub use writer::Writes;

#[cfg(test)]
mod tests;
