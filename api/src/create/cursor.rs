//! Where a job's trigger stands before it has been followed at all.

use argus_domain::{
    ids::{ChainId, TaskNumber},
    job::{Cursor, Job, Position, Trigger},
};
use argus_ports::chain::At;

use crate::{Edge, errors::ApiError};

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
