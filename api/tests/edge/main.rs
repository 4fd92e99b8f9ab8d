//! The edge from outside: requests in, answers out, over in-memory ports.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod bodies;
mod builds;
mod connections;
mod create;
mod decisions;
mod described;
mod dry_run;
mod fakes;
mod fees;
mod junk;
mod keys;
mod modules;
mod once;
mod openapi;
mod pages;
mod people;
mod policy;
mod reads;
mod registrations;
mod rooms;
mod secrets;
mod sign_in;
mod sockets;
mod status;
mod tls;
mod wallet;
mod webhooks;
mod world;
