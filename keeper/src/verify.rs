//! What a keeper checks before it runs anything: the platform's word counts only where it cannot be checked.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use argus_domain::{
    B256,
    attempt::{Assignment, JobDigests, SignedAssignment},
    chain::{Log, Pin, TxReceipt},
    ids::{ChainId, KeeperId, Occurrence, TaskId},
    job::{Args, Job, Mode, Trigger},
    limits::Limits,
    task::{Task, TriggerFact},
    time::Timestamp,
};
use argus_ports::{ChainError, ChainReader, chain::At};
use futures::future::try_join_all;
use tokio::time::{Instant, sleep, timeout_at};

use crate::{config::Config, ports::Ports};

/// Why a keeper does not run an assignment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Objection {
    /// Not the platform's signature.
    #[error("the platform did not sign this assignment")]
    Forged,
    /// Its parts do not belong together.
    #[error("the assignment contradicts itself: {0}")]
    Inconsistent(&'static str),
    /// Before its time.
    #[error("due at {due}, which this keeper's clock has not reached")]
    Early {
        /// The due instant.
        due: Timestamp,
    },
    /// The state beside it.
    #[error(
        "the state that came is not the {named} that the attempt names: the platform's archive or a copy of it is wrong"
    )]
    State {
        /// Its root as named.
        named: B256,
    },
    /// After its time.
    #[error("the attempt's deadline has passed")]
    Late,
    /// Another engine.
    #[error("this keeper runs another engine than the attempt names")]
    Engine,
    /// The operator's limits.
    #[error("the operator allows less {0} than the attempt asks for")]
    Limits(&'static str),
    /// No node of that chain.
    #[error("this keeper reads no node of chain {0}")]
    NoChain(ChainId),
    /// Nothing to bring claims to.
    #[error("this keeper knows no executor on chain {0}")]
    NoExecutor(ChainId),
    /// The chain shows something else.
    #[error("chain {chain}: {what}")]
    Disputed {
        /// The chain.
        chain: ChainId,
        /// What differs.
        what: String,
    },
    /// No answer in time.
    #[error("the chain could not be read in time")]
    Slow,
    /// The node refuses.
    #[error(transparent)]
    Chain(#[from] ChainError),
}

impl Objection {
    /// Whether a node that is behind may still come to agree.
    fn may_pass(&self) -> bool {
        match self {
            Self::Disputed { .. } => true,
            Self::Chain(error) => error.is_retryable(),
            Self::Forged
            | Self::Inconsistent(_)
            | Self::Early { .. }
            | Self::State { .. }
            | Self::Late
            | Self::Engine
            | Self::Limits(_)
            | Self::NoChain(_)
            | Self::NoExecutor(_)
            | Self::Slow => false,
        }
    }
}

/// Between two looks at a chain that does not show yet what it should.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// A pin checked so lately is not checked again: under load most attempts share one. The head moves on by a few
/// blocks at most meanwhile, which the age limit leaves room for.
const PIN_GOOD_FOR: Duration = Duration::from_secs(1);

/// What need not be worked out again.
#[derive(Default)]
pub struct Known {
    jobs: Mutex<JobDigests>,
    pins: CheckedPins,
}

/// Pins that were checked lately.
#[derive(Default)]
struct CheckedPins(Mutex<BTreeMap<ChainId, (Pin, Timestamp)>>);

impl CheckedPins {
    fn is_known(&self, chain: ChainId, pin: Pin, now: Timestamp) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .get(&chain)
            .is_some_and(|(good, at)| *good == pin && now.since(*at) < PIN_GOOD_FOR && now >= *at)
    }

    fn note(&self, chain: ChainId, pin: Pin, now: Timestamp) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(chain, (pin, now));
    }
}

/// Checks a whole assignment; waits for a node that is behind until the check's own deadline.
pub async fn check(
    config: &Config,
    ports: &Ports,
    known: &Known,
    signed: &SignedAssignment,
) -> Result<(), Objection> {
    let assignment = &signed.assignment;
    let job = known.jobs.lock().unwrap_or_else(PoisonError::into_inner).of(&assignment.job);
    if !ports.signer.is_sealed_by(config.platform, assignment.digest(job), &signed.seal) {
        return Err(Objection::Forged);
    }
    let now = ports.clock.now();
    let me = KeeperId(ports.signer.address());
    check_parts(assignment, me, now, config.due_skew)?;
    check_means(config, ports, assignment)?;
    check_state(signed)?;
    let give_up = Instant::now() + config.check_timeout;
    loop {
        let look = async {
            tokio::try_join!(
                check_trigger(ports, &assignment.job, &assignment.task),
                check_pins(config, ports, &known.pins, assignment)
            )
        };
        match timeout_at(give_up, look).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(objection)) if !objection.may_pass() || Instant::now() + LOOK_AGAIN >= give_up => {
                return Err(objection);
            }
            Ok(Err(objection)) => tracing::debug!(%objection, "looking again"),
            Err(_) => return Err(Objection::Slow),
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// Whether the assignment's parts belong together, and its time has come and not gone.
fn check_parts(a: &Assignment, me: KeeperId, now: Timestamp, skew: Duration) -> Result<(), Objection> {
    let Assignment { job, task, attempt } = a;
    let belongs = |holds: bool, what: &'static str| holds.then_some(()).ok_or(Objection::Inconsistent(what));
    belongs(task.job == job.id && task.job_version == job.version, "task of another job or version")?;
    belongs(task.id == TaskId::of(job.id, &task.occurrence), "the task's id is not its occurrence's")?;
    belongs(attempt.task == task.id, "attempt at another task")?;
    belongs(attempt.keepers.contains(&me), "this keeper was not chosen")?;
    belongs(attempt.mode == job.policy.mode, "another mode than the job's")?;
    belongs(attempt.agreement == job.policy.agreement, "another agreement than the job's")?;
    belongs(attempt.limits == Limits::effective(&job.limits), "other limits than the job's")?;
    belongs(attempt.state.is_some() == job.has_storage(), "a state exactly where the job has storage")?;
    belongs(attempt.fee_cap <= job.policy.fee_cap, "a higher fee cap than the job's")?;
    belongs(attempt.gas_limit == job.policy.gas_limit, "another gas limit than the job's")?;
    belongs(attempt.valid_until >= attempt.deadline, "claims would lapse before they are agreed")?;
    check_occurrence(job, task)?;
    if task.due > now + skew {
        return Err(Objection::Early { due: task.due });
    }
    if now >= attempt.deadline {
        return Err(Objection::Late);
    }
    Ok(())
}

/// Whether the state that the script will be told is the one that the attempt names.
fn check_state(signed: &SignedAssignment) -> Result<(), Objection> {
    let named = signed.assignment.attempt.state.map(|state| state.root);
    let came = signed.state.as_ref().map(|state| state.root());
    match named {
        Some(named) if came != Some(named) => Err(Objection::State { named }),
        None if came.is_some() => Err(Objection::Inconsistent("a state that no attempt names")),
        Some(_) | None => Ok(()),
    }
}

/// Whether the job's trigger can have set this task off, as far as that is said without looking at a chain.
fn check_occurrence(job: &Job, task: &Task) -> Result<(), Objection> {
    let holds = match (&job.trigger, &task.occurrence, &task.trigger) {
        (Trigger::Time(schedule), Occurrence::Time(at), TriggerFact::Due) => {
            let before = Timestamp(at.0.saturating_sub(1));
            *at == task.due && schedule.next_after(job.accepted_at, before) == Some(*at)
        }
        (Trigger::Event(filter), Occurrence::Event(chain, transaction, position), TriggerFact::Log(log)) => {
            *chain == log.chain
                && *transaction == log.transaction
                && *position == log.index_in_transaction
                && task.due == log.block_time
                && filter.matches(log)
        }
        (Trigger::Condition(rule), Occurrence::Condition(_), TriggerFact::Value { value, at }) => {
            *at == task.due && rule.comparison.holds(value)
        }
        _ => false,
    };
    holds.then_some(()).ok_or(Objection::Inconsistent("the job's trigger does not set this task off"))
}

/// Whether this keeper has what the attempt needs, and its operator allows it.
fn check_means(config: &Config, ports: &Ports, a: &Assignment) -> Result<(), Objection> {
    if matches!(a.job.args, Args::Computed { .. }) {
        if a.attempt.engine != ports.runner.engine() {
            return Err(Objection::Engine);
        }
        if let Some(what) = above(&a.attempt.limits, &config.limits_max) {
            return Err(Objection::Limits(what));
        }
    }
    let chain = a.job.target_chain();
    if !ports.readers.contains_key(&chain) {
        return Err(Objection::NoChain(chain));
    }
    match a.attempt.mode {
        Mode::Quorum { .. } if !config.executors.contains_key(&chain) => Err(Objection::NoExecutor(chain)),
        Mode::Quorum { .. } | Mode::Solo => Ok(()),
    }
}

/// The first limit that asks for more than the operator allows.
fn above(asked: &Limits, allowed: &Limits) -> Option<&'static str> {
    [
        (asked.fuel_max > allowed.fuel_max, "fuel"),
        (asked.memory_bytes > allowed.memory_bytes, "memory"),
        (asked.wall_ms > allowed.wall_ms, "wall time"),
        (asked.output_bytes > allowed.output_bytes, "output"),
        (asked.log_bytes > allowed.log_bytes, "log"),
        (asked.host_calls > allowed.host_calls, "host calls"),
        (asked.http_calls > allowed.http_calls, "HTTP calls"),
        (asked.http_body_bytes > allowed.http_body_bytes, "HTTP body"),
        (asked.http_wall_ms > allowed.http_wall_ms, "HTTP time"),
        (asked.evm_calls > allowed.evm_calls, "EVM reads"),
        (asked.json_depth > allowed.json_depth, "JSON depth"),
        (asked.table_elements > allowed.table_elements, "table elements"),
        (asked.command_bytes > allowed.command_bytes, "module size"),
    ]
    .into_iter()
    .find_map(|(is_above, what)| is_above.then_some(what))
}

fn reader(ports: &Ports, chain: ChainId) -> Result<&dyn ChainReader, Objection> {
    ports.readers.get(&chain).map(AsRef::as_ref).ok_or(Objection::NoChain(chain))
}

async fn head(reader: &dyn ChainReader) -> Result<u64, Objection> {
    let chain = reader.chain();
    let head = reader.block(At::Head).await?;
    head.map(|b| b.number).ok_or_else(|| Objection::Disputed { chain, what: "no head".to_owned() })
}

/// An event's log is read again from this keeper's own node.
async fn check_trigger(ports: &Ports, job: &Job, task: &Task) -> Result<(), Objection> {
    let (Trigger::Event(filter), TriggerFact::Log(log)) = (&job.trigger, &task.trigger) else {
        return Ok(());
    };
    let reader = reader(ports, log.chain)?;
    let receipt = reader.receipt(log.transaction).await?;
    let dispute = |what: String| Err(Objection::Disputed { chain: log.chain, what });
    let Some(receipt) = receipt else {
        return dispute(format!("transaction {} is not known", log.transaction));
    };
    if !holds(&receipt, log) {
        return dispute(format!("transaction {} has no such log", log.transaction));
    }
    let head = head(reader).await?;
    if head < receipt.block_number.saturating_add(filter.confirmations) {
        return dispute(format!("the log is {} blocks deep", head.saturating_sub(receipt.block_number)));
    }
    Ok(())
}

/// Whether the receipt has this log. In which block it lies is not compared: a reorg may move the transaction, and
/// the occurrence stays the same.
fn holds(receipt: &TxReceipt, log: &Log) -> bool {
    receipt.logs.iter().any(|found| {
        found.index_in_transaction == log.index_in_transaction
            && found.transaction == log.transaction
            && found.address == log.address
            && found.topics == log.topics
            && found.data == log.data
    })
}

/// Every pin lies on the chain that this keeper sees, and is not old. Pins of chains that it does not read are of no
/// use to it: a script that asks for such a chain fails here.
async fn check_pins(
    config: &Config,
    ports: &Ports,
    checked: &CheckedPins,
    a: &Assignment,
) -> Result<(), Objection> {
    let now = ports.clock.now();
    try_join_all(a.attempt.pins.iter().map(|(chain, pin)| async move {
        if checked.is_known(*chain, *pin, now) {
            return Ok(());
        }
        let Some(reader) = ports.readers.get(chain).map(AsRef::as_ref) else { return Ok(()) };
        let (block, head) = tokio::try_join!(
            async { reader.block(At::Number(pin.number)).await.map_err(Objection::from) },
            head(reader)
        )?;
        let dispute = |what: String| Err(Objection::Disputed { chain: *chain, what });
        match block {
            None => return dispute(format!("block {} is not known", pin.number)),
            Some(block) if block.hash != pin.hash => {
                return dispute(format!("block {} is {}, not {}", pin.number, block.hash, pin.hash));
            }
            Some(_) => {}
        }
        let age = head.saturating_sub(pin.number);
        if age > config.pin_age_blocks_max {
            return dispute(format!("the pin is {age} blocks old, {} at most", config.pin_age_blocks_max));
        }
        checked.note(*chain, *pin, now);
        Ok(())
    }))
    .await
    .map(|_| ())
}
