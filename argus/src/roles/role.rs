//! The parts of the program, by name.

use clap::ValueEnum;

/// A part of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// REST and WebSocket
    Api,
    /// Time, event and condition triggers
    Scheduler,
    /// Attempts, verdicts, handoffs
    Dispatcher,
    /// Keepers' sessions and quorums
    Aggregator,
    /// Registrar, monitor, reconciler, challenger, health
    Oversight,
    /// Go sources to modules; in the process of the API
    Builder,
    /// The keepers whose keys are configured
    Keeper,
    /// Everything
    All,
}

impl Role {
    /// Every role there is.
    pub fn everything() -> Vec<Self> {
        vec![
            Self::Api,
            Self::Scheduler,
            Self::Dispatcher,
            Self::Aggregator,
            Self::Oversight,
            Self::Builder,
            Self::Keeper,
        ]
    }

    /// What the table of metrics calls it.
    pub fn shown(self) -> Option<argus_metrics::Role> {
        match self {
            Self::Api => Some(argus_metrics::Role::Api),
            Self::Scheduler => Some(argus_metrics::Role::Scheduler),
            Self::Dispatcher => Some(argus_metrics::Role::Dispatcher),
            Self::Aggregator => Some(argus_metrics::Role::Aggregator),
            Self::Oversight => Some(argus_metrics::Role::Oversight),
            Self::Builder => Some(argus_metrics::Role::Builder),
            Self::Keeper => Some(argus_metrics::Role::Keeper),
            Self::All => None,
        }
    }
}
