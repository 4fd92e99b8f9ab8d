//! Named steps at which a test can have the process die. They are in builds with debug assertions, so that the binary
//! which is built anyway can be tested, and in those with the feature `failpoints`; in a release build they do nothing.

/// A step of a task's life, named after what has just become durable or has just left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// A job was stored; its creator has not heard of it yet.
    Accepted,
    /// A task was opened; nobody was told.
    Opened,
    /// An attempt was recorded; the aggregator has not heard of it.
    Attempted,
    /// An assignment was put on a keeper's stream.
    Assigned,
    /// A claim was kept in the keeper's journal and has not been sent.
    Claimed,
    /// A verdict was recorded; nothing followed from it yet.
    Settled,
    /// An intent was kept; its bytes have not left.
    Intent,
    /// A transaction left; nobody was told.
    Broadcast,
}

impl Step {
    /// All steps, in the order of a task's life.
    pub const ALL: [Self; 8] = [
        Self::Accepted,
        Self::Opened,
        Self::Attempted,
        Self::Assigned,
        Self::Claimed,
        Self::Settled,
        Self::Intent,
        Self::Broadcast,
    ];

    /// Its name in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Opened => "opened",
            Self::Attempted => "attempted",
            Self::Assigned => "assigned",
            Self::Claimed => "claimed",
            Self::Settled => "settled",
            Self::Intent => "intent",
            Self::Broadcast => "broadcast",
        }
    }
}

/// The step at which this process is to die, if any.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Failpoint(Option<Step>);

impl Failpoint {
    /// Whether this build can be made to die.
    pub const POSSIBLE: bool = cfg!(any(debug_assertions, feature = "failpoints"));
    /// Dies nowhere.
    pub const NONE: Self = Self(None);

    /// Dies at the step of this name; `None` where no step has it.
    pub fn named(name: &str) -> Option<Self> {
        Step::ALL.into_iter().find(|step| step.name() == name).map(|step| Self(Some(step)))
    }

    /// To be called right after the step: aborts the process where a test asked for that.
    pub fn reach(self, step: Step) {
        if Self::POSSIBLE && self.0 == Some(step) {
            // As abrupt as a power cut for this process: no destructor runs, no buffer is flushed.
            std::process::abort();
        }
    }
}
