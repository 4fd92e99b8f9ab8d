//! Where a job's arguments come from: given and encoded, or a script that is run once.

use argus_domain::{
    Address, Value,
    ids::JobId,
    job::{Action, Args, Job},
    limits::Limits,
    module::{ModuleRecord, ModuleRef},
    secret::Grants,
    task::TriggerFact,
};

use crate::{
    Edge,
    create::{CallShape, Faults, Fields, Plan, target},
    errors::ApiError,
    script::{self, Judged, ScriptRefused, Trial, Wants},
    secrets,
};

/// Arguments that the client gives; that they encode is checked now.
pub fn fixed(
    fields: &Fields<'_>,
    (shape, contract): (&CallShape, Address),
    given: Vec<Value>,
    faults: &mut Faults,
) -> Tried {
    if !shape.is_safe_match(&given) {
        let message = "the first argument of a Safe job is its safe_address";
        faults.add(fields.path("arguments[0]"), "SAFE_MISMATCH", message);
    }
    match target::converted(shape, given.clone()) {
        // As given: what a Safe's call lacks is added where the call is made.
        Ok((calldata, arguments)) => {
            let plan = Plan {
                call: Some((contract, calldata)),
                arguments: Some(arguments),
                is_safe_call: shape.is_safe_call(),
                ..Plan::default()
            };
            Tried { args: Some(Args::Fixed(given)), plan, ..Tried::default() }
        }
        Err(e) => {
            target::add_argument_faults(fields, &e, faults);
            Tried::default()
        }
    }
}

/// What a job says of its script.
pub struct Wanted {
    /// Where it is.
    pub url: String,
    /// Static arguments that it is told.
    pub given: Vec<Value>,
    /// Hosts that it may reach.
    pub allow_hosts: Vec<String>,
    /// Whether it has storage; `None`: if it turns out to use it.
    pub storage: Option<bool>,
    /// Secrets that it may use.
    pub secrets: Grants,
    /// Whether it may compute with them.
    pub may_compute: bool,
    /// Its budgets.
    pub limits: Limits,
    /// Its language.
    pub language: String,
    /// What it is told of its trigger.
    pub trigger: TriggerFact,
    /// Who publishes what is built and noted of it; `None`: it is only tried.
    pub publisher: Option<Address>,
    /// The job whose values of secrets it is tried with; `None`: it is not there yet.
    pub job: Option<JobId>,
}

/// What came of a job's script.
#[derive(Default)]
pub struct Tried {
    /// The job's arguments, where nothing was wrong with it.
    pub args: Option<Args>,
    /// Why it was refused.
    pub refused: Option<ScriptRefused>,
    /// What its owner should know.
    pub warning: Option<String>,
    /// What a run would come to now, as far as it is known.
    pub plan: Plan,
}

impl Tried {
    fn refused(refused: ScriptRefused) -> Self {
        Self { refused: Some(refused), ..Self::default() }
    }
}

/// The script of a job: fetched, admitted and run once.
pub async fn computed(
    edge: &Edge,
    fields: &Fields<'_>,
    wanted: Wanted,
    (wants, keep): (Wants<'_>, Option<&Job>),
    faults: &mut Faults,
) -> Result<Tried, ApiError> {
    let known = keep.and_then(|job| known_script(job, &wanted, wants));
    let Wanted {
        url,
        given,
        allow_hosts,
        secrets,
        may_compute,
        storage,
        limits,
        language,
        publisher,
        trigger,
        job: of,
    } = wanted;
    if let (Some(_), Some((module, had))) = (publisher, &known) {
        let (module, storage) = (module.clone(), storage.unwrap_or(*had));
        let args = Args::Computed { module, url, allow_hosts, given, storage, secrets };
        return Ok(Tried { args: Some(args), ..Tried::default() });
    }
    let source = match script::locate(edge, &url, &language, publisher.is_some()).await? {
        Ok(source) => source,
        Err((code, message)) => {
            let field = if code == "LANGUAGE" { "language" } else { "dynamic_arguments_script_url" };
            faults.add(fields.path(field), code, message);
            return Ok(Tried::default());
        }
    };
    if let Some(message) = script::no_builder(edge, source.module.language) {
        faults.add(fields.path("dynamic_arguments_script_url"), "NO_BUILDER", message);
        return Ok(Tried::default());
    }
    let written = (source.module.clone(), source.bytes.len() as u64);
    let runs = match publisher {
        Some(_) => script::runnable(edge, source).await?,
        None => script::tried(edge, source).await?,
    };
    let source = match runs {
        Ok(source) => source,
        Err(refused) => return Ok(Tried::refused(refused)),
    };
    let trial = Trial {
        trigger,
        given: given.clone(),
        allow_hosts: allow_hosts.clone(),
        may_store: storage.unwrap_or(true),
        values: secrets::of_job(edge, of, &secrets).await?,
        may_compute,
        secrets: secrets.clone(),
    };
    let ran = match script::dry_run(edge, &source, limits, trial).await? {
        Ok(ran) => ran,
        Err(refused) => return Ok(Tried::refused(refused)),
    };
    let (judged, warning) = match (script::judge(&ran.report, wants), ran.missed(&secrets)) {
        (Ok(judged), None) => (judged, None),
        (Err(refused), None) => return Ok(Tried::refused(refused)),
        (_, Some(name)) => {
            let warning = format!(
                "the script was tried as far as the secret {name}, which has no value yet: set it (PUT \
                 /api/jobs/ID/secrets/{name}), and its first task shows whether it fits"
            );
            (Judged::default(), Some(warning))
        }
    };
    let plan = Plan::of_script(judged, &ran.report, wants);
    let (record, stores) = (ran.record.clone(), ran.uses_storage());
    if let Some(publisher) = publisher {
        if written.0 != source.module {
            // What it was built from is known under its own name, too.
            let (module, source_bytes) = written;
            let record = ModuleRecord { module, source_bytes, ..record.clone() };
            edge.ports.modules.put(record, publisher).await?;
        }
        edge.ports.modules.put(record, publisher).await?;
    }
    let (module, had) = known.unwrap_or((source.module, stores));
    let storage = storage.unwrap_or(had);
    let args = Some(Args::Computed { module, url, allow_hosts, given, storage, secrets });
    Ok(Tried { args, refused: None, warning, plan })
}

/// The module of a job as it is, and whether it has storage, where its script is the one that is wanted, and may use as
/// much as before.
fn known_script(job: &Job, wanted: &Wanted, wants: Wants<'_>) -> Option<(ModuleRef, bool)> {
    let Args::Computed { url, module, storage, .. } = &job.args else { return None };
    let is_same = *url == wanted.url
        && job.remarks.language == wanted.language
        && job.limits == wanted.limits
        && is_same_call(&job.action, wants);
    is_same.then(|| (module.clone(), *storage))
}

fn is_same_call(action: &Action, wants: Wants<'_>) -> bool {
    match (action, wants) {
        (Action::Script { .. }, Wants::Choice) => true,
        (Action::Call(target), Wants::Arguments(shape, contract)) => {
            contract == target.contract && target.signature == shape.function.signature()
        }
        (Action::Script { .. } | Action::Call(_), _) => false,
    }
}
