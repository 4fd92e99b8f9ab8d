//! One job: from its fields to what is stored.

use argus_domain::{
    Address,
    decimal::Decimal,
    ids::{ChainId, JobId, Serial, TaskNumber},
    job::{Action, Args, Cursor, Job, Position, Remarks, Safe, Trigger},
    limits::Limits,
    time::Timestamp,
};
use argus_ports::chain::At;
use std::time::Duration;

use crate::{
    Edge, chain,
    config::RegistryRule,
    create::{CallShape, Faults, Fields, condition, event, policy, schedule, target},
    errors::ApiError,
    json,
    script::{self, ScriptRefused},
    shape::job::{as_created, trigger_fields},
};

/// Longest life of a job: a hundred years of seconds.
const TIME_FRAME_MAX: u64 = 3_153_600_000;

/// What came of one job's fields.
pub struct One {
    /// Its id, where that much could be read.
    pub id: Option<JobId>,
    /// The job, where nothing was wrong with it.
    pub checked: Option<Checked>,
    /// Its script, where that was refused.
    pub refused: Option<ScriptRefused>,
}

/// A job that may be stored.
pub struct Checked {
    /// The job; the store gives the serial.
    pub job: Job,
    /// Its first cursor.
    pub cursor: Cursor,
    /// What its owner should know.
    pub warnings: Vec<String>,
}

/// What a kind stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Time,
    Event,
    Condition,
    Script,
}

struct Identity {
    id: Option<JobId>,
    owner: Option<Address>,
    title: String,
    time_frame: Option<u64>,
    created: Option<ChainId>,
    target: Option<ChainId>,
    safe: Option<Safe>,
}

/// Checks one job; every fault goes to `faults`.
pub async fn check(
    edge: &Edge,
    fields: &Fields<'_>,
    now: Timestamp,
    faults: &mut Faults,
) -> Result<One, ApiError> {
    let id = job_id(fields, faults);
    let known = match id {
        Some(id) => edge.ports.jobs.version(id, 1).await?,
        None => None,
    };
    // What depends on time is computed from the first acceptance, so that a repeat is equal.
    let accepted_at = known.as_ref().map_or(now, |job| job.accepted_at);
    let basis = Basis { id, accepted_at, version: 1, keep: known.as_deref() };
    check_on(edge, fields, &basis, faults).await
}

/// What a job's fields are laid over.
pub struct Basis<'a> {
    /// Its id.
    pub id: Option<JobId>,
    /// Its anchor.
    pub accepted_at: Timestamp,
    /// The version that would be stored.
    pub version: u32,
    /// The version before, or the same one of an earlier request.
    pub keep: Option<&'a Job>,
}

/// Checks fields as a version of a job.
pub async fn check_on(
    edge: &Edge,
    fields: &Fields<'_>,
    basis: &Basis<'_>,
    faults: &mut Faults,
) -> Result<One, ApiError> {
    let before = faults.len();
    let (kind, is_computed) = kind(fields, faults).unzip();
    let who = identity(edge, fields, basis.id, faults);
    let trigger = kind.and_then(|kind| trigger(edge, fields, kind, basis, faults));
    let policy = policy::parse(edge, fields, who.target, faults);
    let limits = policy::limits(edge, fields, faults);
    let allow_hosts = policy::allow_hosts(edge, fields, faults);
    let recurring = fields.flag("recurring", false, faults);
    let remarks = remarks(fields, faults);
    let is_computed = is_computed.unwrap_or(false);
    let given = fields.array("arguments", edge.config.arguments_max, faults);
    let url = fields.text_of(&["dynamic_arguments_script_url", "execution_script_url"], faults);
    if is_computed && url.is_empty() {
        let message = "dynamic_arguments_script_url is needed: ipfs://CID, or a gateway's URL with /ipfs/CID";
        faults.add(fields.path("dynamic_arguments_script_url"), "REQUIRED", message);
    }
    let called = match kind {
        None | Some(Kind::Script) => None,
        Some(Kind::Time | Kind::Event | Kind::Condition) => {
            let arity = (!is_computed).then_some(given.len());
            target::parse(edge, fields, who.target, arity, faults)
        }
    };
    let shape = called.as_ref().zip(who.owner).map(|((_, function), owner)| CallShape {
        function: function.clone(),
        safe: who.safe.as_ref().map(|safe| safe.address),
        owner,
    });
    check_registry(edge, fields, &who, called.as_ref().map(|(target, _)| target.contract), faults).await?;
    let (mut args, mut refused) = (None, None);
    if is_computed && !url.is_empty() {
        let wanted =
            Wanted { url, given, allow_hosts, limits, language: remarks.language.clone(), owner: who.owner };
        let contract = called.as_ref().map(|(target, _)| target.contract);
        // Without a readable target there is nothing to hold the script's answer against.
        if kind == Some(Kind::Script) || shape.is_some() {
            (args, refused) =
                computed(edge, fields, wanted, (shape.as_ref(), contract, basis.keep), faults).await?;
        }
    } else if let Some(shape) = &shape {
        args = fixed(fields, shape, given, faults);
    }
    if let Some(refused) = &mut refused {
        refused.path = fields.path("dynamic_arguments_script_url");
    }
    let action = match (kind, called, who.target) {
        (Some(Kind::Script), _, Some(chain)) => Some(Action::Script { chain }),
        (_, Some((target, _)), _) => Some(Action::Call(target)),
        (_, None, _) => None,
    };
    let one = |checked| One { id: basis.id, checked, refused };
    let (Some(id), Some(owner), Some(time_frame), Some(created_chain)) =
        (who.id, who.owner, who.time_frame, who.created)
    else {
        return Ok(one(None));
    };
    let (Some(trigger), Some(args), Some(action)) = (trigger, args, action) else { return Ok(one(None)) };
    if faults.len() > before {
        return Ok(one(None));
    }
    let job = Job {
        id,
        version: basis.version,
        serial: basis.keep.map_or(Serial(0), |job| job.serial),
        owner,
        title: who.title,
        trigger,
        args,
        action,
        policy,
        limits,
        accepted_at: basis.accepted_at,
        expires_at: basis.accepted_at + Duration::from_secs(time_frame),
        recurring,
        link: basis.keep.and_then(|job| job.link),
        created_chain,
        safe: who.safe,
        remarks,
    };
    let (cursor, warnings) = first_cursor(edge, &job).await?;
    Ok(one(Some(Checked { job, cursor, warnings })))
}

fn job_id(fields: &Fields<'_>, faults: &mut Faults) -> Option<JobId> {
    let text = fields.text("job_id", faults);
    match text.parse() {
        Ok(id) => Some(id),
        Err(e) => {
            let e: argus_domain::ids::BadJobId = e;
            faults.add(fields.path("job_id"), "JOB_ID", e.to_string());
            None
        }
    }
}

fn kind(fields: &Fields<'_>, faults: &mut Faults) -> Option<(Kind, bool)> {
    let found = match fields.get("task_definition_id").and_then(json::whole) {
        Some(1) => Some((Kind::Time, false)),
        Some(2) => Some((Kind::Time, true)),
        Some(3) => Some((Kind::Event, false)),
        Some(4) => Some((Kind::Event, true)),
        Some(5) => Some((Kind::Condition, false)),
        Some(6) => Some((Kind::Condition, true)),
        Some(7) => Some((Kind::Script, true)),
        Some(_) | None => None,
    };
    if found.is_none() {
        faults.add(fields.path("task_definition_id"), "KIND", "task_definition_id is a number from 1 to 7");
    }
    found
}

fn identity(edge: &Edge, fields: &Fields<'_>, id: Option<JobId>, faults: &mut Faults) -> Identity {
    let owner = fields.address("user_address", faults);
    let title = fields.text("job_title", faults);
    if !(3..=100).contains(&title.chars().count()) {
        faults.add(fields.path("job_title"), "LENGTH", "job_title has 3 to 100 characters");
    }
    let time_frame = fields.whole("time_frame", (1, TIME_FRAME_MAX), faults);
    if fields.get("time_frame").is_none() {
        faults.add(fields.path("time_frame"), "REQUIRED", "time_frame is needed, in seconds");
    }
    let target = fields.chain("target_chain_id", faults);
    let created = match fields.get("created_chain_id") {
        None => target,
        Some(_) => fields.chain("created_chain_id", faults),
    };
    for (name, chain) in [("target_chain_id", target), ("created_chain_id", created)] {
        if let Some(chain) = chain
            && !edge.ports.chains.contains_key(&chain)
        {
            let message = format!("chain {chain} is not among those that this platform serves");
            faults.add(fields.path(name), "CHAIN_UNSUPPORTED", message);
        }
    }
    if let (Some(target), Some(created)) = (target, created)
        && target != created
    {
        let message = format!(
            "the job is registered on chain {created} and calls on chain {target}: register it where it calls, \
             because the deposit that pays lies there"
        );
        faults.add(fields.path("target_chain_id"), "CHAINS_DIFFER", message);
    }
    if let Err(e) = argus_domain::schedule::Schedule::parse_zone(&fields.text("timezone", faults)) {
        faults.add(fields.path("timezone"), "TIMEZONE", e.to_string());
    }
    Identity { id, owner, title, time_frame, created, target, safe: safe(fields, faults) }
}

fn safe(fields: &Fields<'_>, faults: &mut Faults) -> Option<Safe> {
    if !fields.flag("is_safe", false, faults) {
        return None;
    }
    let address = fields.address("safe_address", faults)?;
    Some(Safe { address, name: fields.text("safe_name", faults) })
}

fn remarks(fields: &Fields<'_>, faults: &mut Faults) -> Remarks {
    Remarks {
        custom: fields.flag("custom", false, faults),
        language: fields.text_of(&["language", "execution_script_language"], faults),
        is_imua: fields.flag("is_imua", false, faults),
        cost_prediction: cost(fields, faults),
        timezone: fields.text("timezone", faults),
    }
}

fn cost(fields: &Fields<'_>, faults: &mut Faults) -> Option<Decimal> {
    fields.decimal("job_cost_prediction", faults)
}

fn trigger(
    edge: &Edge,
    fields: &Fields<'_>,
    kind: Kind,
    basis: &Basis<'_>,
    faults: &mut Faults,
) -> Option<Trigger> {
    // What nobody touched stays as it was compiled: a signature alone may say less than what it came from.
    if let Some(keep) = basis.keep.filter(|_| basis.version > 1) {
        let shown = as_created(keep);
        let is_same = trigger_fields(keep)
            .keys()
            .all(|name| fields.get(name).is_none() || fields.get(name) == shown.get(name));
        let fits = match keep.trigger {
            Trigger::Time(_) => matches!(kind, Kind::Time | Kind::Script),
            Trigger::Event(_) => kind == Kind::Event,
            Trigger::Condition(_) => kind == Kind::Condition,
        };
        if is_same && fits {
            return Some(keep.trigger.clone());
        }
    }
    match kind {
        Kind::Time | Kind::Script => {
            // The zone has been reported with the identity.
            let mut own = Faults::default();
            let found = schedule::parse(fields, basis.accepted_at, &mut own);
            faults.extend_without(own, &fields.path("timezone"));
            found.map(Trigger::Time)
        }
        Kind::Event => event::parse(edge, fields, faults).map(Trigger::Event),
        Kind::Condition => condition::parse(edge, fields, faults).map(Trigger::Condition),
    }
}

fn fixed(
    fields: &Fields<'_>,
    shape: &CallShape,
    given: Vec<argus_domain::Value>,
    faults: &mut Faults,
) -> Option<Args> {
    if !shape.is_safe_match(&given) {
        let message = "the first argument of a Safe job is its safe_address";
        faults.add(fields.path("arguments[0]"), "SAFE_MISMATCH", message);
    }
    let values = shape.completed(given);
    match target::converted(shape, values.clone()) {
        Ok(_) => Some(Args::Fixed(values)),
        Err(e) => {
            target::add_argument_faults(fields, &e, faults);
            None
        }
    }
}

struct Wanted {
    url: String,
    given: Vec<argus_domain::Value>,
    allow_hosts: Vec<String>,
    limits: Limits,
    language: String,
    owner: Option<Address>,
}

/// The script of a job: fetched, admitted and run once.
async fn computed(
    edge: &Edge,
    fields: &Fields<'_>,
    wanted: Wanted,
    (shape, contract, keep): (Option<&CallShape>, Option<Address>, Option<&Job>),
    faults: &mut Faults,
) -> Result<(Option<Args>, Option<ScriptRefused>), ApiError> {
    let Wanted { url, given, allow_hosts, limits, language, owner } = wanted;
    if let Some(job) = keep
        && let Args::Computed { url: old_url, .. } = &job.args
        && *old_url == url
        && job.remarks.language == language
        && is_same_call(&job.action, shape, contract)
        && let Args::Computed { module, .. } = job.args.clone()
    {
        return Ok((Some(Args::Computed { module, url, allow_hosts, given }), None));
    }
    let source = match script::locate(edge, &url, &language).await? {
        Ok(source) => source,
        Err((code, message)) => {
            let field = if code == "LANGUAGE" { "language" } else { "dynamic_arguments_script_url" };
            faults.add(fields.path(field), code, message);
            return Ok((None, None));
        }
    };
    let ran = script::dry_run(edge, &source, limits, given.clone(), allow_hosts.clone()).await?;
    let judged = ran.and_then(|ran| script::judge(&ran.report, shape.zip(contract)).map(|_| ran));
    match judged {
        Ok(ran) => {
            if let Some(owner) = owner {
                edge.ports.modules.put(ran.record.clone(), owner).await?;
            }
            Ok((Some(Args::Computed { module: source.module, url, allow_hosts, given }), None))
        }
        Err(refused) => Ok((None, Some(refused))),
    }
}

fn is_same_call(action: &Action, shape: Option<&CallShape>, contract: Option<Address>) -> bool {
    match (action, shape) {
        (Action::Script { .. }, None) => true,
        (Action::Call(target), Some(shape)) => {
            Some(target.contract) == contract && target.signature == shape.function.signature()
        }
        (Action::Script { .. }, Some(_)) | (Action::Call(_), None) => false,
    }
}

/// Whether the chain's registry agrees that this job is this owner's.
async fn check_registry(
    edge: &Edge,
    fields: &Fields<'_>,
    who: &Identity,
    contract: Option<Address>,
    faults: &mut Faults,
) -> Result<(), ApiError> {
    let (Some(id), Some(owner), Some(created)) = (who.id, who.owner, who.created) else { return Ok(()) };
    let Some(chain) = edge.ports.chains.get(&created).filter(|chain| chain.contracts.is_some()) else {
        return Ok(());
    };
    let is_required = edge.config.job_registry == RegistryRule::Required;
    let registered = match chain::registered(chain, id).await {
        Ok(registered) => registered,
        Err(e) if is_required => return Err(e.into()),
        Err(cause) => {
            tracing::warn!(%cause, "the job registry could not be read");
            return Ok(());
        }
    };
    let path = fields.path("job_id");
    match registered {
        None if is_required => {
            let message = format!("this job is not in the registry of chain {created}: register it first");
            faults.add(path, "NOT_REGISTERED", message);
        }
        None => {}
        Some(found) if found.owner != owner => {
            let message = format!("the registry of chain {created} has this job under another owner");
            faults.add(path, "REGISTERED_BY_ANOTHER", message);
        }
        Some(found) if !found.active => {
            faults.add(
                path,
                "DELETED_ON_CHAIN",
                format!("this job was deleted in the registry of chain {created}"),
            );
        }
        Some(found) => {
            if let Some(contract) = contract
                && !found.target.is_zero()
                && found.target != contract
            {
                let message =
                    format!("the registry of chain {created} has this job with target {}", found.target);
                faults.add(fields.path("target_contract_address"), "REGISTERED_TARGET", message);
            }
        }
    }
    Ok(())
}

/// Where a job's trigger stands before it has been followed at all.
pub async fn first_cursor(edge: &Edge, job: &Job) -> Result<(Cursor, Vec<String>), ApiError> {
    let mut warnings = Vec::new();
    let (next_due, position) = match &job.trigger {
        Trigger::Time(schedule) => {
            let next = schedule.next_after(job.accepted_at, job.accepted_at);
            let next = next.filter(|at| *at <= job.expires_at);
            if next.is_none() {
                warnings.push(format!("job {} has no due instant within its time frame", job.id));
            }
            (next, Position::Time)
        }
        Trigger::Event(filter) => {
            (Some(job.accepted_at), Position::Event { block: head(edge, filter.chain).await? })
        }
        Trigger::Condition(_) => {
            (Some(job.accepted_at), Position::Condition { crossings: 0, held: None, last: None })
        }
    };
    let cursor =
        Cursor { job: job.id, revision: 0, next_due, opened: TaskNumber(0), position, finished: false };
    Ok((cursor, warnings))
}

/// Height of a chain's newest block.
pub async fn head(edge: &Edge, chain: ChainId) -> Result<u64, ApiError> {
    let Some(chain) = edge.ports.chains.get(&chain) else {
        return Err(ApiError::unprocessable("CHAIN_UNSUPPORTED", format!("chain {chain} is not served")));
    };
    match chain.reader.block(At::Head).await? {
        Some(block) => Ok(block.number),
        None => Err(ApiError::unavailable("CHAIN_UNAVAILABLE", "the chain shows no newest block")),
    }
}
