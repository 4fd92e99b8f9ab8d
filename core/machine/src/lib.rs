//! State over time, without IO: what the platform decides, given what it hears and what time it is.
//!
//! A machine takes closed inputs with the time as an argument and gives closed effects. It knows no clock, no
//! network, no store and no chance; its shell does what the effects say and hands in what comes back. So the same
//! code runs in production and in the simulation (tests/sim), where links lose, processes die between any two
//! effects, keepers lie and chains reorganise.
//!
//! What every shell must keep:
//!
//! - effects are carried out in order, and a `Record` is durable before any later effect of the same task leaves the
//!   process; a store that cannot be reached is asked again until it answers, or the process dies;
//! - a `Record` that met an older fact of the same key, or was refused, drops that task's effects that came after it,
//!   and is handed in with the facts among them (see [`dispatch::Input::RecordedAs`]);
//! - a machine is rebuilt from facts alone: nothing that matters lives in it only;
//! - `tick` is called at [`Machine::next_wake`] at the latest, and may be called at any time.
//!
//! The invariants that hold are in [`invariant`], by the names that ARCHITECTURE.md and the simulation use.

use argus_domain::time::Timestamp;

pub mod backoff;
pub mod dispatch;
pub mod invariant;
pub mod lease;
pub mod liveness;
pub mod quorum;
pub mod schedule;
pub mod transaction;

/// Characters of a keeper's reason that are kept.
const REASON_MAX: usize = 300;

/// When to call [`Machine::tick`] next, and why: the log says why a service woke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wake {
    /// The instant; may lie in the past.
    pub at: Timestamp,
    /// What is due then.
    pub why: &'static str,
}

/// Inputs and time in, effects out.
pub trait Machine {
    /// What it hears: a closed enum.
    type Input;
    /// What it wants done, in order: a closed enum.
    type Effect;
    /// Takes one input in. Inputs may be lost, repeated and reordered.
    fn handle(&mut self, now: Timestamp, input: Self::Input, out: &mut Vec<Self::Effect>);
    /// Does what has come due.
    fn tick(&mut self, now: Timestamp, out: &mut Vec<Self::Effect>);
    /// When `tick` is wanted next; `None`: not before another input.
    fn next_wake(&self) -> Option<Wake>;
}
