//! Known bugs of leases, planted in the simulated store and shell. Production code has no hook for them.

use clap::ValueEnum;

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LeasePlant {
    /// A member believes for the whole ttl, counted from the answer to its beat.
    BelieveFromAnswer,
    /// Nobody looks at the clock between two turns of the machine.
    ClockUnread,
    /// A member believes in what it releases until the release is answered.
    BelieveWhileReleasing,
    /// The others wait for a fraction of a session's ttl.
    EndBeforeExpiry,
    /// The store ends a session whatever it has beaten meanwhile.
    EndUnconditional,
    /// The store gives a lease away whatever its token.
    ClaimUnconditional,
    /// Who takes a lease that was released gets the token that it had.
    TokenReused,
    /// A lease that was released and taken begins with the first token again.
    TokenForgotten,
    /// The store takes writes with any token.
    FenceUnchecked,
    /// The store reads members before leases.
    MembersFirst,
    /// Nobody ends a silent session.
    NobodyEnds,
    /// Nobody hears of a member that leaves.
    LeaveUnsaid,
    /// What is given up is not released.
    ReleaseUnsaid,
    /// A member asks again and again while something moves.
    Herd,
}
