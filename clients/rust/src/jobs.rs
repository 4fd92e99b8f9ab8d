//! Jobs, and what they would do and cost.

use futures::Stream;
use reqwest::Method;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::{Map, Value};

use crate::{Client, Error, Fault, NewJob, Result, Wei, pages::List};

/// What became of a creation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Created {
    /// The jobs, in the order in which they were given.
    pub job_ids: Vec<String>,
    /// Their kinds.
    pub task_definition_ids: Vec<u8>,
    /// Seconds for which each lives.
    pub time_frames: Vec<u64>,
    /// What the owner has deposited.
    pub account_balance: Wei,
    /// What was taken, and may not be what was meant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Job {
    /// Its id, a decimal number of up to 256 bits.
    pub job_id: String,
    /// Its title.
    pub job_title: String,
    /// Whose it is.
    pub user_address: String,
    /// `pending`, `running`, `paused`, `completed`, `expired` or `deleted`.
    pub status: String,
    /// Its kind, 1 to 7.
    pub task_definition_id: u8,
    /// What its tasks have cost so far.
    #[serde(rename = "job_cost_actual_wei")]
    pub cost: Wei,
    /// When it was accepted (RFC 3339).
    pub created_at: String,
    /// Everything else that the platform says of it: trigger, target, arguments, limits.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

impl<'de> Deserialize<'de> for Job {
    /// From one flat object, or from `job_data` with the object of its kind beside it.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let mut more = Map::new();
        for (name, value) in Map::deserialize(deserializer)? {
            match value {
                Value::Object(fields) if name.ends_with("job_data") => more.extend(fields),
                value => drop(more.insert(name, value)),
            }
        }
        let mut take = |name: &str| more.remove(name).unwrap_or_default();
        let text = |value: Value| value.as_str().unwrap_or_default().to_owned();
        Ok(Self {
            job_id: text(take("job_id")),
            job_title: text(take("job_title")),
            user_address: text(take("user_address")),
            status: text(take("status")),
            task_definition_id: serde_json::from_value(take("task_definition_id"))
                .map_err(D::Error::custom)?,
            cost: serde_json::from_value(take("job_cost_actual_wei")).map_err(D::Error::custom)?,
            created_at: text(take("created_at")),
            more,
        })
    }
}

/// What creation would say of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DryRun {
    /// Whether it would be taken.
    pub ok: bool,
    /// What is wrong with it.
    pub faults: Vec<Fault>,
    /// The first instants at which it would run (RFC 3339).
    pub next_runs: Vec<String>,
    /// The arguments that it would send.
    pub arguments: Option<Vec<Value>>,
    /// The contract that it would call.
    pub target: Option<String>,
    /// The call.
    pub calldata: Option<String>,
    /// Whether the call would revert, were it made now; `None`: not known.
    pub would_revert: Option<bool>,
    /// Gas of one run.
    pub gas: Option<u64>,
    /// What one run would cost.
    #[serde(rename = "cost_wei")]
    pub cost: Option<Wei>,
    /// Everything else that the platform says of it.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// What one task would cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Fees {
    /// With the margin that a deposit should have.
    #[serde(rename = "total_fee_wei")]
    pub total: Wei,
    /// At what gas costs now.
    #[serde(rename = "current_total_fee_wei")]
    pub current: Wei,
    /// What the executor contract takes at most.
    #[serde(rename = "fee_cap_wei")]
    pub cap: Wei,
    /// What it is made of.
    pub breakdown: Value,
}

/// Why a job fired, or did not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Decisions {
    /// What it waits for.
    pub now: Now,
    /// What its trigger came to, newest first.
    pub decisions: Vec<Decision>,
}

/// What a job waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Now {
    /// The job's status.
    pub status: String,
    /// A sentence.
    pub says: String,
}

/// Looks at a job's trigger that came to the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Decision {
    /// The task that was opened, or would have been.
    pub task_number: u64,
    /// A word.
    pub outcome: String,
    /// A sentence.
    pub says: String,
    /// How many looks.
    pub count: u64,
    /// Everything else.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// A job after its status was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Paused {
    /// The job.
    pub job_id: String,
    /// Its status now.
    pub status: String,
}

/// A job after its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Ended {
    /// The job.
    pub job_id: String,
    /// `deleted`.
    pub status: String,
    /// Tasks that were agreed on before, whose transaction may still come.
    pub tasks_that_may_still_land: Vec<u64>,
}

/// What a fee is asked for with, and which field of a job says it.
const FEE_FIELDS: [(&str, &str); 13] = [
    ("task_definition_id", "task_definition_id"),
    ("target_chain_id", "target_chain_id"),
    ("target_contract_address", "target_contract_address"),
    ("target_function", "target_function"),
    ("abi", "abi"),
    ("args", "arguments"),
    ("job_owner_address", "user_address"),
    ("ipfs_url", "dynamic_arguments_script_url"),
    ("language", "language"),
    ("keepers", "keepers"),
    ("threshold", "threshold"),
    ("gas_limit", "gas_limit"),
    ("fee_cap", "fee_cap"),
];

impl Client {
    /// Creates jobs, all or none; several are linked in their order. Safe to call again with the same jobs.
    ///
    /// # Errors
    /// As every call's; [`Error::Refused`] with all faults of all jobs; [`Error::Script`] where a script is refused.
    pub async fn create_jobs(&self, jobs: &[NewJob]) -> Result<Created> {
        let ask = self.ask(Method::POST, &["jobs"])?.once().body(&jobs)?;
        let reply = accepted(self.json(ask).await?)?;
        serde_json::from_value(reply).map_err(|e| Error::Answer(e.to_string()))
    }

    /// What creation would say of a job; nothing is stored.
    ///
    /// # Errors
    /// As every call's. Faults of the job are none: they are the answer.
    pub async fn dry_run(&self, job: &NewJob) -> Result<DryRun> {
        self.json(self.ask(Method::POST, &["jobs", "dry-run"])?.body(job)?).await
    }

    /// What one run of a job would cost; no key is needed.
    ///
    /// # Errors
    /// As every call's; a job that cannot work is refused.
    pub async fn fees(&self, job: &NewJob) -> Result<Fees> {
        let asked = FEE_FIELDS.iter().map(|(name, field)| (*name, job.text(field)));
        self.json(asked.fold(self.get(&["fees"])?, |ask, (name, text)| ask.query(name, text))).await
    }

    /// One job.
    ///
    /// # Errors
    /// As every call's; 404 where it is absent or another's.
    pub async fn job(&self, owner: &str, id: &str) -> Result<Job> {
        self.json(self.get(&["jobs", "user", owner, id])?).await
    }

    /// Jobs of the key's owner, newest first, in pages of as many.
    pub fn jobs(&self, page: Option<u32>) -> impl Stream<Item = Result<Job>> + use<> {
        self.listed(List::of(&["jobs", "by-apikey"], Some("jobs"), page))
    }

    /// Jobs of an address.
    pub fn jobs_of(&self, owner: &str, page: Option<u32>) -> impl Stream<Item = Result<Job>> + use<> {
        self.listed(List::of(&["jobs", "user", owner], Some("jobs"), page))
    }

    /// Changes fields of a job, by the names under which it is created.
    ///
    /// # Errors
    /// As every call's; [`Error::Script`] where a new script is refused.
    pub async fn update_job(&self, id: &str, fields: &Value) -> Result<Value> {
        accepted(self.json(self.ask(Method::PUT, &["jobs", "update", id])?.body(fields)?).await?)
    }

    /// Opens no further task of a job until it is resumed.
    ///
    /// # Errors
    /// As every call's; 409 where the job has ended.
    pub async fn pause_job(&self, id: &str) -> Result<Paused> {
        self.json(self.ask(Method::PUT, &["jobs", id, "status", "paused"])?).await
    }

    /// Goes on with a job. What was due meanwhile is not made up for.
    ///
    /// # Errors
    /// As [`Client::pause_job`].
    pub async fn resume_job(&self, id: &str) -> Result<Paused> {
        self.json(self.ask(Method::PUT, &["jobs", id, "status", "running"])?).await
    }

    /// Deletes a job for good.
    ///
    /// # Errors
    /// As every call's.
    pub async fn delete_job(&self, id: &str) -> Result<Ended> {
        self.json(self.ask(Method::PUT, &["jobs", "delete", id])?).await
    }

    /// Why a job fired, or did not.
    ///
    /// # Errors
    /// As every call's.
    pub async fn decisions(&self, job: &str, limit: Option<u32>) -> Result<Decisions> {
        self.json(self.get(&["jobs", job, "decisions"])?.query("limit", limit)).await
    }
}

/// A refused script is told with 200, because older clients expect it so.
fn accepted(reply: Value) -> Result<Value> {
    if reply["status"] != "validation_failed" {
        return Ok(reply);
    }
    let refusal = serde_json::from_value(reply).map_err(|e| Error::Answer(e.to_string()))?;
    Err(Error::Script(Box::new(refusal)))
}
