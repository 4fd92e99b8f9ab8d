//! Whether the chain lets a job act through the Safe that it names. All of that may still change before the job is due.

use argus_domain::{
    Address, Bytes, U256,
    answer::SAFE_FUNCTION,
    contracts::{decode_bool, decode_uint, encode_is_module_enabled, encode_is_owner, encode_threshold},
    job::{Action, Job},
};
use argus_ports::{ChainError, chain::At};

use crate::{Edge, create::Fields, ports::Chain};

/// What the owner of a job should know whose Safe would not do what the job asks, as far as the chain says so now.
pub async fn doubts(edge: &Edge, fields: &Fields<'_>, job: &Job, safe: Address) -> Vec<String> {
    let id = job.target_chain();
    let Some(chain) = edge.ports.chains.get(&id) else { return Vec::new() };
    let path = fields.path("safe_address");
    match chain.reader.code(safe).await {
        Ok(code) if code.is_empty() => {
            return vec![format!("{path} has no code on chain {id}: create the Safe before the job is due")];
        }
        Ok(_) => {}
        Err(_) => return Vec::new(),
    }
    let module = match &job.action {
        Action::Call(target) if target.signature.starts_with(SAFE_FUNCTION) => Some(target.contract),
        Action::Call(_) | Action::Script { .. } => None,
    };
    let enabled = async {
        match module {
            Some(module) => ask(chain, safe, encode_is_module_enabled(module)).await,
            None => Answer::Yes,
        }
    };
    let threshold = chain.reader.call(None, safe, encode_threshold(), At::Head);
    let owned = ask(chain, safe, encode_is_owner(job.owner));
    let (owned, enabled, threshold) = tokio::join!(owned, enabled, threshold);
    if owned == Answer::NoSafe || enabled == Answer::NoSafe {
        return vec![format!("{path} is no Safe on chain {id}: it does not answer as one")];
    }
    let mut doubts = Vec::new();
    if owned == Answer::No {
        let owner = fields.path("user_address");
        doubts.push(format!("{owner} does not own the Safe on chain {id}: its calls will be refused"));
    }
    if let Some(owners) = threshold.ok().as_ref().and_then(decode_uint).filter(|owners| *owners > U256::ONE) {
        doubts.push(format!(
            "{path}: {owners} owners of the Safe on chain {id} have to agree, and a job has one: its calls will be refused"
        ));
    }
    if let (Some(module), Answer::No) = (module, enabled) {
        let target = fields.path("target_contract_address");
        doubts.push(format!(
            "{target}: the module {module} is not enabled in the Safe on chain {id}: enable it before the job is due"
        ));
    }
    doubts
}

#[derive(PartialEq, Eq)]
enum Answer {
    Yes,
    No,
    NoSafe,
    Unknown,
}

async fn ask(chain: &Chain, safe: Address, question: Bytes) -> Answer {
    match chain.reader.call(None, safe, question, At::Head).await {
        Ok(answer) => match decode_bool(&answer) {
            Some(true) => Answer::Yes,
            Some(false) => Answer::No,
            None => Answer::NoSafe,
        },
        Err(ChainError::Reverted { .. }) => Answer::NoSafe,
        Err(_) => Answer::Unknown,
    }
}
