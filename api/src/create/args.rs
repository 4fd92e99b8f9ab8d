//! Where a job's arguments come from: given and encoded, or a script that is run once.

use argus_domain::{
    Address, Value,
    ids::JobId,
    job::{Action, Args, Job},
    limits::Limits,
    module::ModuleRecord,
    secret::Grants,
    task::TriggerFact,
};

use crate::{
    Edge,
    create::{CallShape, Faults, Fields, target},
    errors::ApiError,
    script::{self, ScriptRefused, Trial},
    secrets,
};

/// Arguments that the client gives; that they encode is checked now.
pub fn fixed(fields: &Fields<'_>, shape: &CallShape, given: Vec<Value>, faults: &mut Faults) -> Option<Args> {
    if !shape.is_safe_match(&given) {
        let message = "the first argument of a Safe job is its safe_address";
        faults.add(fields.path("arguments[0]"), "SAFE_MISMATCH", message);
    }
    match target::converted(shape, given.clone()) {
        // As given: what a Safe's call lacks is added where the call is made.
        Ok(_) => Some(Args::Fixed(given)),
        Err(e) => {
            target::add_argument_faults(fields, &e, faults);
            None
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
    /// Whose job it is for.
    pub owner: Option<Address>,
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
}

impl Tried {
    fn fits(args: Args, warning: Option<String>) -> Self {
        Self { args: Some(args), refused: None, warning }
    }

    fn refused(refused: ScriptRefused) -> Self {
        Self { refused: Some(refused), ..Self::default() }
    }
}

/// The script of a job: fetched, admitted and run once.
pub async fn computed(
    edge: &Edge,
    fields: &Fields<'_>,
    wanted: Wanted,
    (shape, contract, keep): (Option<&CallShape>, Option<Address>, Option<&Job>),
    faults: &mut Faults,
) -> Result<Tried, ApiError> {
    let Wanted {
        url,
        given,
        allow_hosts,
        secrets,
        may_compute,
        storage,
        limits,
        language,
        owner,
        trigger,
        job: of,
    } = wanted;
    if let Some(job) = keep
        && let Args::Computed { url: old_url, .. } = &job.args
        && *old_url == url
        && job.remarks.language == language
        && is_same_call(&job.action, shape, contract)
        && let Args::Computed { module, storage: had, .. } = job.args.clone()
    {
        let storage = storage.unwrap_or(had);
        return Ok(Tried::fits(Args::Computed { module, url, allow_hosts, given, storage, secrets }, None));
    }
    let source = match script::locate(edge, &url, &language).await? {
        Ok(source) => source,
        Err((code, message)) => {
            let field = if code == "LANGUAGE" { "language" } else { "dynamic_arguments_script_url" };
            faults.add(fields.path(field), code, message);
            return Ok(Tried::default());
        }
    };
    let written = (source.module.clone(), source.bytes.len() as u64);
    let source = match script::runnable(edge, source).await? {
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
    let warning = match (script::judge(&ran.report, shape.zip(contract)), ran.missed(&secrets)) {
        (Ok(_), None) => None,
        (Err(refused), None) => return Ok(Tried::refused(refused)),
        (_, Some(name)) => Some(format!(
            "the script was tried as far as the secret {name}, which has no value yet: set it (PUT \
             /api/jobs/ID/secrets/{name}), and its first task shows whether it fits"
        )),
    };
    let (record, stores) = (ran.record.clone(), ran.uses_storage());
    if let Some(owner) = owner {
        if written.0 != source.module {
            // What it was built from is known under its own name, too.
            let (module, source_bytes) = written;
            let record = ModuleRecord { module, source_bytes, ..record.clone() };
            edge.ports.modules.put(record, owner).await?;
        }
        edge.ports.modules.put(record, owner).await?;
    }
    let (module, storage) = (source.module, storage.unwrap_or(stores));
    Ok(Tried::fits(Args::Computed { module, url, allow_hosts, given, storage, secrets }, warning))
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
