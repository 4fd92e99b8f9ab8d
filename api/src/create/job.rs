//! One job: from its fields to what is stored.

use std::time::Duration;

use argus_domain::{
    ids::{ChainId, JobId, Serial},
    job::{Action, Agreement, Cursor, Job, Mode, Policy, Trigger},
    task::TriggerFact,
    time::Timestamp,
};

use crate::{
    Edge,
    create::{
        CallShape, Faults, Fields, Plan,
        args::{Tried, Wanted, computed, fixed},
        condition,
        cursor::first_cursor,
        event,
        identity::{check_registry, identity, remarks},
        ignored::{CONDITION, EVENT, SCHEDULE, ignored, is_blank},
        policy, safe, schedule, target,
    },
    errors::ApiError,
    fees, json,
    script::{self, ScriptRefused, Wants},
    shape::job::as_created,
};

/// What came of one job's fields.
#[derive(Default)]
pub struct One {
    /// Its id, where that much could be read.
    pub id: Option<JobId>,
    /// The job, where nothing was wrong with it.
    pub checked: Option<Checked>,
    /// Its script, where that was refused.
    pub refused: Option<ScriptRefused>,
    /// What could be made out of it, also where something is wrong with it.
    pub sketch: Sketch,
}

/// What a dry run shows of a job, each as far as it could be read.
#[derive(Default)]
pub struct Sketch {
    /// `task_definition_id`.
    pub kind: Option<u64>,
    /// Chain of its calls.
    pub chain: Option<ChainId>,
    /// How it is agreed on, and what its calls may use.
    pub policy: Option<Policy>,
    /// What it waits for.
    pub trigger: Option<Trigger>,
    /// From when to when it lives.
    pub life: Option<(Timestamp, Timestamp)>,
    /// What a run would come to now.
    pub plan: Plan,
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
pub(super) enum Kind {
    Time,
    Event,
    Condition,
    Script,
}

/// Checks one job; every fault goes to `faults`.
pub async fn check(
    edge: &Edge,
    fields: &Fields<'_>,
    now: Timestamp,
    stores: bool,
    faults: &mut Faults,
) -> Result<One, ApiError> {
    let id = job_id(fields, faults);
    let known = match id {
        Some(id) => edge.ports.jobs.created(id).await?,
        None => None,
    };
    // What depends on time is computed from the first acceptance, so that a repeat is equal. Of a job of somebody
    // else's nothing may show.
    let known = known.filter(|job| fields.owner() == Some(job.owner));
    let accepted_at = known.as_ref().map_or(now, |job| job.accepted_at);
    let version = known.as_ref().map_or(1, |job| job.version);
    let basis = Basis { id, accepted_at, version, keep: known.as_deref(), is_change: false, stores };
    let one = check_on(edge, fields, &basis, faults).await?;
    // Where it is to be stored, the store says so.
    if let (Some(known), Some(checked)) = (&known, one.checked.as_ref().filter(|_| !stores))
        && checked.job != **known
    {
        faults.add(fields.path("job_id"), "JOB_EXISTS", taken(known.id));
    }
    Ok(one)
}

/// What whoever asks for an id is told that is not free, and no more, whosever it is.
pub fn taken(id: JobId) -> String {
    format!("the job_id {id} stands for a job with other content already: take a fresh one")
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
    /// Whether it is the next version of a job that is there.
    pub is_change: bool,
    /// Whether it is to be stored if nothing is wrong with it; otherwise nothing of it or of its script is.
    pub stores: bool,
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
    let policy = policy::parse(edge, fields, who.target, basis.keep.map(|job| &job.policy), faults);
    let limits_before = basis.keep.filter(|_| basis.is_change).map(|job| job.limits);
    let limits = policy::limits(edge, fields, limits_before, faults);
    let allow_hosts = policy::allow_hosts(edge, fields, faults);
    let storage = fields.get("storage").map(|_| fields.flag("storage", false, faults));
    let recurring = fields.flag("recurring", false, faults);
    let remarks = remarks(fields, faults);
    let is_computed = is_computed.unwrap_or(false);
    if storage == Some(true) && !is_computed {
        faults.add(
            fields.path("storage"),
            "NO_SCRIPT",
            "storage is for scripts, and this kind of job has none",
        );
    }
    let secrets = policy::secrets(edge, fields, (is_computed, !allow_hosts.is_empty()), faults);
    let arg_type = fields.whole("arg_type", (0, 2), faults);
    let given = fields.array("arguments", edge.config.arguments_max, faults);
    let url = fields.text_of(["dynamic_arguments_script_url", "execution_script_url"], faults);
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
    let mut tried = Tried::default();
    if is_computed && !url.is_empty() {
        // Where the trigger is at fault, the script is tried all the same: its own faults are told with it.
        let sample = trigger.as_ref().map_or(TriggerFact::Manual, |t| t.sample(script::FIXED_DUE));
        let wanted = Wanted {
            url,
            given,
            allow_hosts,
            storage,
            may_compute: policy.agreement == Agreement::TrustPerformer,
            secrets,
            limits,
            language: remarks.language.clone(),
            publisher: who.owner.filter(|_| basis.stores && faults.len() == before),
            trigger: sample,
            job: basis.is_change.then_some(basis.id).flatten(),
        };
        let wants = match (kind, &shape, &called) {
            (Some(Kind::Script), ..) => Wants::Choice,
            (_, Some(shape), Some((target, _))) => Wants::Arguments(shape, target.contract),
            // The call is at fault: what can be said of the script is told with it.
            (..) => Wants::AnyArguments(who.safe.as_ref().map(|safe| safe.address)),
        };
        tried = computed(edge, fields, wanted, (wants, basis.keep), faults).await?;
    } else if let (Some(shape), Some((target, _))) = (&shape, &called) {
        tried = fixed(fields, (shape, target.contract), given, faults);
    }
    let Tried { args, mut refused, warning, plan } = tried;
    if let Some(refused) = &mut refused {
        refused.path = fields.path("dynamic_arguments_script_url");
    }
    let action = match (kind, called, who.target) {
        (Some(Kind::Script), _, Some(chain)) => Some(Action::Script { chain }),
        (_, Some((target, _)), _) => Some(Action::Call(target)),
        (_, None, _) => None,
    };
    let kind_number = fields.get("task_definition_id").and_then(json::whole);
    let expires_at = who.time_frame.map(|secs| basis.accepted_at + Duration::from_secs(secs));
    let sketch = Sketch {
        kind: kind_number,
        chain: who.target,
        policy: Some(policy.clone()),
        trigger: trigger.clone(),
        life: expires_at.map(|end| (basis.accepted_at, end)),
        plan,
    };
    // A dry run says it with the rest of what a task costs.
    let low_cap = match (kind_number, who.target.and_then(|id| edge.ports.chains.get(&id))) {
        (Some(kind), Some(chain)) if basis.stores && refused.is_none() && faults.len() == before => {
            fees::low_cap(edge, chain, (kind, &policy), &sketch.plan).await
        }
        _ => None,
    };
    let one = |checked| One { id: basis.id, checked, refused, sketch };
    let (Some(id), Some(owner), Some(expires_at), Some(created_chain)) =
        (who.id, who.owner, expires_at, who.created)
    else {
        return Ok(one(None));
    };
    let (Some(trigger), Some(args), Some(action)) = (trigger, args, action) else { return Ok(one(None)) };
    if faults.len() > before {
        return Ok(one(None));
    }
    // A change is shown over all fields of the job as it was; what they say has been said.
    let ignored = match kind {
        Some(kind) if !basis.is_change => ignored(fields, kind, (is_computed, arg_type), &trigger),
        Some(_) | None => Vec::new(),
    };
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
        expires_at,
        recurring,
        link: basis.keep.and_then(|job| job.link),
        created_chain,
        safe: who.safe,
        remarks,
    };
    let (cursor, mut warnings) = first_cursor(edge, &job).await?;
    warnings.extend(warning);
    if let (Action::Call(target), false) = (&job.action, basis.is_change) {
        warnings.extend(target::without_code(edge, fields, target).await);
    }
    if let (Some(safe), false) = (&job.safe, basis.is_change) {
        warnings.extend(safe::doubts(edge, fields, &job, safe.address).await);
    }
    warnings.extend(low_cap);
    warnings.extend(ignored);
    warnings.extend(too_few_keepers(edge, &job).await?);
    if storage.is_none() && job.has_storage() {
        let says = "the script uses storage: its tasks run one after the other, each until the chain has confirmed it";
        warnings.push(says.to_owned());
    }
    Ok(one(Some(Checked { job, cursor, warnings })))
}

/// Said where fewer keepers are registered than a job wants that wants more than others: more may come. Where there is
/// none yet, the platform is only starting.
async fn too_few_keepers(edge: &Edge, job: &Job) -> Result<Option<String>, ApiError> {
    let Mode::Quorum { threshold, .. } = job.policy.mode else { return Ok(None) };
    if threshold <= edge.config.policy.threshold {
        return Ok(None);
    }
    let known = edge.ports.keepers.all().await?.len();
    let says = || {
        format!(
            "{threshold} keepers have to agree and {known} are registered: until there are more, nothing is called"
        )
    };
    Ok((1..usize::from(threshold)).contains(&known).then(says))
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

fn trigger(
    edge: &Edge,
    fields: &Fields<'_>,
    kind: Kind,
    basis: &Basis<'_>,
    faults: &mut Faults,
) -> Option<Trigger> {
    // What nobody touched stays as it was compiled: a signature alone may say less than what it came from.
    if let Some(keep) = basis.keep.filter(|_| basis.is_change) {
        let shown = as_created(keep);
        let (own, beside) = match keep.trigger {
            Trigger::Time(_) => (&SCHEDULE[..], "timezone"),
            Trigger::Event(_) => (&EVENT[..], "trigger_abi"),
            Trigger::Condition(_) => (&CONDITION[..], "cooldown"),
        };
        let is_same = own.iter().chain([&beside]).all(|name| match (fields.get(name), shown.get(*name)) {
            (None, _) => true,
            (Some(told), None) => is_blank(told),
            (told, shown) => told == shown,
        });
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
