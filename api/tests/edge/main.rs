//! The edge from outside: requests in, answers out, over in-memory ports.

mod create;
mod fees;
mod junk;
mod keys;
mod modules;
mod policy;
mod reads;
mod rooms;
mod status;
mod world;
