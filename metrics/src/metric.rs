//! What a row of the table says.

/// A row of the table.
#[derive(Debug)]
pub struct Metric {
    /// Its name, as Prometheus has it.
    pub name: &'static str,
    /// How its value moves.
    pub kind: Kind,
    /// In what it is counted.
    pub unit: Unit,
    /// What tells its series apart.
    pub labels: &'static [Label],
    /// What it is, in one sentence.
    pub help: &'static str,
    /// Which roles' processes have it.
    pub roles: &'static [Role],
}

/// How a value moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, from nothing at the process's start.
    Counter,
    /// It goes up and down.
    Gauge,
    /// How many were how long: the upper bounds of its buckets, in microseconds, ascending.
    Histogram(&'static [u64]),
}

impl Kind {
    /// The word of Prometheus.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// In what a value is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// In what its name says: tasks, calls.
    Count,
    /// In seconds.
    Seconds,
    /// In seconds since 1970.
    Instant,
    /// In bytes.
    Bytes,
    /// In blocks of a chain.
    Blocks,
    /// In units of the sandbox's fuel.
    Fuel,
    /// In nothing: it is 1, and its labels say something.
    Info,
}

impl Unit {
    /// Its word in documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Seconds => "seconds",
            Self::Instant => "seconds since 1970",
            Self::Bytes => "bytes",
            Self::Blocks => "blocks",
            Self::Fuel => "fuel",
            Self::Info => "1",
        }
    }
}

/// A label and what it may be.
#[derive(Debug)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// What it may be.
    pub values: Values,
}

/// The values of a label: few, and known before the process runs.
#[derive(Debug)]
pub enum Values {
    /// These.
    Listed(&'static [&'static str]),
    /// Those that the program or its configuration has of something, in words.
    Of(&'static str),
}

/// A part of the program, as `argus run --roles` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// REST and WebSocket.
    Api,
    /// Triggers.
    Scheduler,
    /// Tasks.
    Dispatcher,
    /// Attempts.
    Aggregator,
    /// What is true out there.
    Oversight,
    /// Go sources.
    Builder,
    /// The operator's side.
    Keeper,
}

impl Role {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Api,
        Self::Scheduler,
        Self::Dispatcher,
        Self::Aggregator,
        Self::Oversight,
        Self::Builder,
        Self::Keeper,
    ];

    /// Its name in `--roles`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Scheduler => "scheduler",
            Self::Dispatcher => "dispatcher",
            Self::Aggregator => "aggregator",
            Self::Oversight => "oversight",
            Self::Builder => "builder",
            Self::Keeper => "keeper",
        }
    }
}
