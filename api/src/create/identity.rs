//! Whose a job is, where it is registered, and what the client says beside.

use argus_domain::{
    Address,
    ids::{ChainId, JobId},
    job::{Remarks, Safe},
    schedule::Schedule,
};

use crate::{
    Edge, chain,
    config::RegistryRule,
    create::{Faults, Fields},
    errors::ApiError,
};

/// Longest life of a job: a hundred years of seconds.
pub const TIME_FRAME_MAX: u64 = 3_153_600_000;

/// Whose a job is and where.
pub struct Identity {
    /// Its id.
    pub id: Option<JobId>,
    /// Its owner.
    pub owner: Option<Address>,
    /// Its title.
    pub title: String,
    /// Seconds for which it lives.
    pub time_frame: Option<u64>,
    /// Chain of its registration.
    pub created: Option<ChainId>,
    /// Chain of its calls.
    pub target: Option<ChainId>,
    /// Its Safe.
    pub safe: Option<Safe>,
}

/// Reads them; a missing `created_chain_id` is that of the target.
pub fn identity(edge: &Edge, fields: &Fields<'_>, id: Option<JobId>, faults: &mut Faults) -> Identity {
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
    if let Err(e) = Schedule::parse_zone(&fields.text("timezone", faults)) {
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

/// What is stored for the client and not acted on.
pub fn remarks(fields: &Fields<'_>, faults: &mut Faults) -> Remarks {
    Remarks {
        custom: fields.flag("custom", false, faults),
        language: fields.text_of(["language", "execution_script_language"], faults),
        is_imua: fields.flag("is_imua", true, faults),
        cost_prediction: fields.decimal("job_cost_prediction", faults),
        timezone: fields.text("timezone", faults),
    }
}

/// Whether the chain's registry agrees that this job is this owner's.
pub async fn check_registry(
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
