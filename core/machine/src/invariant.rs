//! What always holds, by name. The same names are in ARCHITECTURE.md, in assertions here, and in what the simulation
//! prints when one is broken.

use argus_domain::{
    B256,
    ids::KeeperId,
    job::Mode,
    state::State,
    status::TaskState,
    task::{Agreed, Fact},
    time::Timestamp,
};

/// No time task is opened before its due instant.
pub const NEVER_EARLY: &str = "never-early";
/// At most one call per task reaches its target on the final chain; in mode `Quorum` exactly one while a performer
/// is alive, funded and in time.
pub const ONE_CALL_PER_TASK: &str = "one-call-per-task";
/// What was accepted (a job, a due instant, a matching log, a crossing) leads to a task.
pub const ACKNOWLEDGED_NEVER_LOST: &str = "acknowledged-never-lost";
/// Nothing leaves the process before the fact that says so is durable.
pub const RECORD_BEFORE_ACT: &str = "record-before-act";
/// A task has one verdict, and no attempt begins after it.
pub const VERDICT_ONCE: &str = "verdict-once";
/// Whatever is settled is announced.
pub const SETTLED_ANNOUNCED: &str = "settled-announced";
/// Once faults stop, every task ends.
pub const EVERY_TASK_ENDS: &str = "every-task-ends";
/// A verdict of agreement carries as many distinct keepers of its attempt as its mode asks for.
pub const QUORUM_DISTINCT: &str = "quorum-distinct";
/// With fewer liars than the threshold nothing but an honest call is agreed.
pub const HONEST_CALL: &str = "honest-call";
/// With fewer liars than the threshold, and faults no more, a median is agreed.
pub const LIARS_STOP_NOTHING: &str = "liars-stop-nothing";
/// An account's nonce carries one task.
pub const ONE_TASK_PER_NONCE: &str = "one-task-per-nonce";

/// At no instant do two members of a service believe that they hold one shard, as long as their clocks keep their rates.
pub const ONE_HOLDER_PER_SHARD: &str = "one-holder-per-shard";
/// A shard's token never goes down, and whoever takes its lease gets one that nobody had.
pub const TOKENS_GROW: &str = "tokens-grow";
/// No write for a shard is taken whose token is not the newest.
pub const LATE_WRITE_REFUSED: &str = "late-write-refused";
/// The shards of a member that is gone are held again within 5 s, where the store is there; those of one that leaves,
/// within 2 s.
pub const SHARDS_MOVE: &str = "shards-move";
/// Once faults stop, every shard is held by its wanted owner.
pub const SHARDS_SETTLE: &str = "shards-settle";
/// A member asks the store no more often than its configuration says.
pub const REQUESTS_BOUNDED: &str = "requests-bounded";

/// A task of a job with storage begins on what the last confirmed call left, when no earlier task can write any more.
pub const STORAGE_IN_ORDER: &str = "storage-in-order";

/// [`STORAGE_IN_ORDER`]: of a task that begins on the state with this root, over all tasks of its job that were opened
/// before it, the oldest first.
pub fn storage_in_order<'a>(before: impl IntoIterator<Item = &'a TaskState>, start: B256) -> bool {
    let mut root = State::default().root();
    for task in before {
        if !task.is_over() {
            return false;
        }
        let ran_through = task.confirmed && task.receipt.as_ref().is_some_and(|receipt| receipt.success);
        if let Some(left) = task.agreed().filter(|_| ran_through).and_then(|agreed| agreed.state) {
            root = left;
        }
    }
    root == start
}

/// [`NEVER_EARLY`].
pub fn never_early(due: Timestamp, now: Timestamp) -> bool {
    due <= now
}

/// [`VERDICT_ONCE`]: over the facts of one task in the order in which they were recorded.
pub fn verdict_once<'a>(facts: impl IntoIterator<Item = &'a Fact>) -> bool {
    let mut settled = false;
    for fact in facts {
        match fact {
            Fact::Settled(_) if settled => return false,
            Fact::Settled(_) => settled = true,
            Fact::Attempted(_) if settled => return false,
            Fact::Attempted(_)
            | Fact::Observed(_)
            | Fact::Claimed(_)
            | Fact::Announced { .. }
            | Fact::HandedOff(_)
            | Fact::Broadcast(_)
            | Fact::Received(_)
            | Fact::Revoked { .. }
            | Fact::Confirmed { .. }
            | Fact::Lapsed { .. }
            | Fact::TriggerLost { .. }
            | Fact::Challenged(_)
            | Fact::Disagreed(_) => {}
        }
    }
    true
}

/// [`QUORUM_DISTINCT`]: ascending order, as the executor demands it, is what makes them distinct. In mode `Solo` there
/// is one keeper, and nothing to sign.
pub fn quorum_distinct(agreed: &Agreed, mode: Mode, keepers: &[KeeperId]) -> bool {
    let needed = match mode {
        Mode::Quorum { threshold, .. } => usize::from(threshold),
        Mode::Solo => {
            return agreed.signatures.is_empty() && agreed.performers == keepers && keepers.len() == 1;
        }
    };
    agreed.signatures.len() >= needed
        && agreed.signatures.windows(2).all(|pair| pair[0].0 < pair[1].0)
        && agreed.signatures.iter().all(|(keeper, _)| keepers.contains(keeper))
}
