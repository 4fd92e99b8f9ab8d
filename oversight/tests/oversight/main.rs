//! The five watchers against a chain that the test writes, stores in memory and a clock turned by hand.

mod challenger;
mod fake;
mod health;
mod monitor;
mod reconciler;
mod registrar;
