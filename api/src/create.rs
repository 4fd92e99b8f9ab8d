//! From what a client sends to a stored job: one validation that reports every fault of every job at once.
//!
//! Nothing is stored unless everything holds. A repeat with equal content gets the same answer, because what depends
//! on time is computed from the instant of the first acceptance.

mod args;
mod condition;
mod cursor;
mod event;
mod faults;
mod fields;
mod identity;
mod ignored;
mod job;
mod plan;
mod policy;
mod safe;
mod schedule;
mod target;

use std::{collections::BTreeSet, time::Duration};

use argus_domain::{
    Address,
    access::ApiKey,
    ids::JobId,
    job::{Cursor, Job, Link},
    time::Timestamp,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

pub use condition::COOLDOWN_MAX;
pub use cursor::{first_cursor, head};
pub use event::CONFIRMATIONS_MAX;
pub use faults::{Fault, Faults};
pub use fields::Fields;
pub use identity::TIME_FRAME_MAX;
use job::check;
pub use job::{Basis, Checked, One, Sketch, check_on, taken};
pub use plan::Plan;
pub use policy::{GAS_LIMIT, HOSTS_MAX, KEEPERS_MAX, allow_hosts, limits, parse as parse_policy, usual_cap};
pub use target::{CallShape, converted, find_function};

use crate::{Edge, errors::ApiError, script::ScriptRefused};

/// Jobs that passed, in the order in which they were sent.
pub struct Batch {
    /// Jobs with their first cursors.
    pub jobs: Vec<(Job, Cursor)>,
    /// What a client should know though it is no fault.
    pub warnings: Vec<String>,
}

/// What validation came to.
pub enum Validated {
    /// All hold.
    Good(Batch),
    /// Everything holds but a script.
    ScriptRefused(ScriptRefused),
}

/// Longest that a job's anchor may lie before its acceptance.
const LAG_MAX: Duration = Duration::from_secs(1);

/// Checks a batch. Its order is the order of linked jobs, the first one being the head.
pub async fn check_all(
    edge: &Edge,
    key: &ApiKey,
    bodies: &[Value],
    now: Timestamp,
) -> Result<Validated, ApiError> {
    let validated = check_at(edge, key, bodies, now).await?;
    let after = edge.ports.clock.now();
    match validated {
        // A script was built or compiled, which takes longer than some jobs last: they begin now that it is there.
        Validated::Good(_) if after.since(now) > LAG_MAX => check_at(edge, key, bodies, after).await,
        validated => Ok(validated),
    }
}

async fn check_at(
    edge: &Edge,
    key: &ApiKey,
    bodies: &[Value],
    now: Timestamp,
) -> Result<Validated, ApiError> {
    let mut faults = Faults::default();
    let (mut checked, mut refused) = (Vec::new(), None);
    for (found, one) in check_each(edge, key, bodies, now, Purpose::Creation).await? {
        faults.extend(found);
        refused = refused.or(one.refused);
        checked.extend(one.checked);
    }
    match refused {
        Some(refused) if faults.is_empty() => return Ok(Validated::ScriptRefused(refused)),
        Some(refused) => faults.add_script(&refused),
        None => {}
    }
    if faults.is_empty() { Ok(Validated::Good(linked(checked))) } else { Err(faults.into_error()) }
}

/// What jobs are checked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// They are stored if all hold. Faults are placed in the array.
    Creation,
    /// Nothing is stored. Faults are placed in their own job.
    DryRun,
}

/// Checks each job of a request, and what has to hold between them; each with its own faults.
pub async fn check_each(
    edge: &Edge,
    key: &ApiKey,
    bodies: &[Value],
    now: Timestamp,
    purpose: Purpose,
) -> Result<Vec<(Faults, One)>, ApiError> {
    let max = edge.config.jobs_per_create_max;
    if bodies.is_empty() || bodies.len() > max {
        let message = format!("send an array of 1 to {max} jobs, not {}", bodies.len());
        return Err(ApiError::unprocessable("BAD_BATCH", message));
    }
    if let Some(other) = owners(bodies).find(|owner| !key.may_act_for(*owner)) {
        tracing::info!(%other, "a job for an address that the key may not act for");
        return Err(ApiError::not_yours());
    }
    let (head, mut seen, mut each) =
        (owners(bodies).next(), BTreeSet::new(), Vec::with_capacity(bodies.len()));
    for (index, body) in bodies.iter().enumerate() {
        let mut faults = Faults::default();
        let path = if purpose == Purpose::Creation { format!("[{index}]") } else { String::new() };
        let Some(map) = body.as_object() else {
            faults.add(&path, "TYPE", "a job is a JSON object");
            each.push((faults, One::default()));
            continue;
        };
        let fields = Fields::new(map, &path);
        let one = check(edge, &fields, now, purpose == Purpose::Creation, &mut faults).await?;
        if one.id.is_some_and(|id| !seen.insert(id)) {
            faults.add(fields.path("job_id"), "DUPLICATE", "this job_id occurs twice in the request");
        }
        if fields.owner().is_some_and(|owner| Some(owner) != head) {
            let message = "all jobs of one request have the same user_address";
            faults.add(fields.path("user_address"), "OWNER", message);
        }
        each.push((faults, one));
    }
    Ok(each)
}

fn owners(bodies: &[Value]) -> impl Iterator<Item = Address> {
    bodies.iter().filter_map(|body| Fields::new(body.as_object()?, "").owner())
}

fn linked(checked: Vec<Checked>) -> Batch {
    let ids: Vec<JobId> = checked.iter().map(|one| one.job.id).collect();
    let mut batch = Batch { jobs: Vec::with_capacity(ids.len()), warnings: Vec::new() };
    for (index, one) in checked.into_iter().enumerate() {
        let Checked { mut job, cursor, warnings } = one;
        if ids.len() > 1 {
            let previous = index.checked_sub(1).and_then(|i| ids.get(i)).copied();
            let position = index.try_into().unwrap_or(u32::MAX);
            job.link = Some(Link { position, previous, next: ids.get(index + 1).copied() });
        }
        batch.warnings.extend(warnings);
        batch.jobs.push((job, cursor));
    }
    batch
}

/// The answer where nothing is wrong but a script: 200, because existing clients look at `status`.
#[derive(Serialize, JsonSchema)]
pub struct Refusal {
    #[schemars(extend("const" = "validation_failed"))]
    status: &'static str,
    message: String,
    validation_executable: bool,
    validation_safe_match: bool,
    /// What the script gave.
    validation_output: String,
    validation_log: String,
    /// The line of the script that its fault names.
    validation_line: Option<u64>,
}

impl Refusal {
    /// Says why a script was refused.
    pub fn of(refused: ScriptRefused) -> Self {
        Self {
            status: "validation_failed",
            validation_executable: refused.is_executable,
            validation_safe_match: refused.is_safe_match,
            validation_line: refused.line(),
            message: refused.message,
            validation_output: refused.output,
            validation_log: refused.log,
        }
    }
}
