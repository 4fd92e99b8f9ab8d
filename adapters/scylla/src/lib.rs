//! Durable state in Cassandra or ScyllaDB: the platform's store, which many processes share.
//!
//! There is no transaction over several partitions, so of everything one row decides, and is written by lightweight
//! transactions alone; each of those stands with its reason where its statement does. All other rows follow from such a
//! row. Those without which something would be lost are written before it, and whoever finds them looks at the row that
//! decides: one that it does not bear out counts for nothing. Those that have its content in a better place are written
//! after it, and once more by the next writer, before that one overwrites what they follow from. So a process may die
//! after any statement, and whoever sends the same request again, or comes next, brings it to its end.
//!
//! | what | decided by | follows |
//! |---|---|---|
//! | a job, its state and cursor, its newest task | its row in `jobs`, by its `stamp` | versions, lists, `due`, that task's row |
//! | whether jobs were created, all or none | their row in `creations` | the rows of `jobs`, through claims that every reader knows |
//! | a task | the row of `jobs` that opened it | `tasks`, `tasks_by_number`, `task_lists`, `unfinished` |
//! | a fact | its row under its task and key; a verdict conditionally | sums of charges, written with what they know as timestamp |
//! | a change's place and `seq` | its row in `changes`, the one log | its rooms, up to a mark |
//! | what was booked | the account's row, with the newest entries | `ledger`, `ledger_by_account`, `standings` |
//! | an owner's webhooks, and names of requests | the owner's partition, by its `stamp` | `webhook_ids` |
//! | who holds a shard, whose session lasts | their rows in `leases` and `lease_members` | the token that a job was written under, in `jobs` |
//! | several claims together | a row of `claim_groups` | |
//!
//! Lists are cut into buckets of time or number, each a partition; which buckets have rows is noted in `buckets`. A
//! time-out whose outcome is unknown is resolved by a serial read of who wrote last; where later writes hide that, the
//! caller is told that the store was unavailable.
//!
//! All reads and writes are of a quorum. Bodies are protobuf (argus-proto); the tables are in migrations/scylla. This
//! crate decides nothing about jobs or tasks beyond what the ports say of a store.

mod answers;
mod archive;
mod buckets;
mod bus;
mod cell;
mod charges;
mod claims;
mod create;
mod decisions;
mod due;
mod facts;
mod job_rows;
mod jobs;
mod keys;
mod leases;
mod ledger;
mod lists;
mod log;
pub mod migrate;
mod nodes;
mod open;
mod people;
mod profiles;
mod records;
mod registrations;
mod rooms;
mod secrets;
mod session;
mod store;
mod tasks;
mod watch;
mod webhooks;

pub use nodes::{Nodes, nodes};
pub use store::{OpenError, Options, ScyllaStore};

#[cfg(test)]
mod tests;
