//! One try at a task: who runs it, on what, and what each keeper said.

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::{B256, U256, keccak256};
use serde::{Deserialize, Serialize};

use crate::{
    call::{Call, Claim, Signature},
    chain::Pin,
    digest::digest_of,
    ids::{AttemptNo, ChainId, JobId, KeeperId, Round, TaskId},
    job::{Agreement, Args, Job, Mode},
    limits::Limits,
    module::EngineId,
    run::{RunInput, Transcript},
    seal::Seal,
    state::{State, StateRef},
    task::Task,
    time::Timestamp,
};

/// One try at a task. It carries everything on which a result may depend, so that all chosen keepers run the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The task.
    pub task: TaskId,
    /// Which try.
    pub no: AttemptNo,
    /// Who runs it, best first: the order in which they may act.
    pub keepers: Vec<KeeperId>,
    /// How many must agree.
    pub mode: Mode,
    /// How differing values become one.
    pub agreement: Agreement,
    /// The block at which each chain is read.
    pub pins: BTreeMap<ChainId, Pin>,
    /// The engine that every keeper must use.
    pub engine: EngineId,
    /// Budgets of the run, already effective.
    pub limits: Limits,
    /// When it began.
    pub begun_at: Timestamp,
    /// Agree by then, or another attempt with other keepers follows.
    pub deadline: Timestamp,
    /// The chain refuses later; whole seconds.
    pub valid_until: Timestamp,
    /// Most that the owner is charged, wei.
    pub fee_cap: U256,
    /// Gas of the inner call.
    pub gas_limit: u64,
    /// Joins the records of all services for one task.
    pub trace: TraceId,
    /// Which of two waiting attempts goes first.
    pub priority: Priority,
    /// The job's state that every keeper runs on; `None`: the job has no storage.
    pub state: Option<StateRef>,
}

impl Attempt {
    /// What each keeper of this attempt signs for a call: equal calls give equal claims.
    pub fn claim(&self, job: &Job, call: &Call) -> Claim {
        Claim {
            task: self.task,
            job: job.id,
            owner: job.owner,
            target: call.target,
            value: call.value,
            calldata_hash: keccak256(&call.calldata),
            gas_limit: self.gas_limit,
            fee_cap: self.fee_cap,
            valid_until: self.valid_until,
        }
    }
}

/// A W3C trace id (16 bytes).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TraceId(pub u128);

/// Classes of work, most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Priority {
    /// Events and crossings: someone waits for the reaction.
    Reaction,
    /// Instants that are due now.
    OnTime,
    /// Instants that are made up for.
    Late,
}

/// What a keeper is told to run. The platform seals its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// The job, in the version of the task.
    pub job: Arc<Job>,
    /// The task with what set it off.
    pub task: Arc<Task>,
    /// The attempt.
    pub attempt: Arc<Attempt>,
}

impl Assignment {
    /// What the platform seals and each keeper checks. `job` is the digest of its job ([`Job::digest`]), which many
    /// assignments share.
    pub fn digest(&self, job: B256) -> B256 {
        digest_of("argus/assignment/1", &(job, &self.task, &self.attempt))
    }
}

/// The digests of jobs met lately: most assignments are of a job that was met before.
#[derive(Debug, Default)]
pub struct JobDigests(BTreeMap<(JobId, u32), (Arc<Job>, B256)>);

impl JobDigests {
    /// Jobs kept. Past this all are hashed anew: as rare as it is cheap.
    const KEPT: usize = 10_000;

    /// [`Job::digest`].
    pub fn of(&mut self, job: &Arc<Job>) -> B256 {
        let key = (job.id, job.version);
        if let Some((known, digest)) = self.0.get(&key)
            && (Arc::ptr_eq(known, job) || known == job)
        {
            return *digest;
        }
        if self.0.len() >= Self::KEPT {
            self.0.clear();
        }
        let digest = job.digest();
        self.0.insert(key, (Arc::clone(job), digest));
        digest
    }
}

/// What the script of an attempt is told: everything that a result may depend on, and nothing else. `state` is the one
/// that the attempt names, where it names one.
pub fn run_input(job: &Job, task: &Task, attempt: &Attempt, state: Option<Arc<State>>) -> RunInput {
    let (arguments, allow_hosts) = match &job.args {
        Args::Fixed(values) => (values.clone(), Vec::new()),
        Args::Computed { given, allow_hosts, .. } => (given.clone(), allow_hosts.clone()),
    };
    let secrets = job.args.secrets().cloned().unwrap_or_default();
    RunInput {
        job: job.id,
        task: task.id,
        due: task.due,
        attempt: attempt.no,
        trigger: task.trigger.clone(),
        arguments,
        pins: attempt.pins.clone(),
        allow_hosts,
        state,
        may_compute: attempt.agreement == Agreement::TrustPerformer && !secrets.is_empty(),
        secrets,
    }
}

/// An assignment with the platform's seal over its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedAssignment {
    /// What to run.
    pub assignment: Arc<Assignment>,
    /// The platform's seal over [`Assignment::digest`].
    pub seal: Seal,
    /// The state that the attempt names by its root, where it names one. The seal covers the root.
    pub state: Option<Arc<State>>,
}

/// What a run came to, as far as it can be compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Output {
    /// Make this call.
    Call(Call),
    /// Not now.
    Skip(String),
    /// The script failed, deterministically.
    Fail(String),
}

/// One keeper's signed report of its own run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// The task.
    pub task: TaskId,
    /// Which attempt.
    pub attempt: AttemptNo,
    /// Who ran.
    pub keeper: KeeperId,
    /// [`crate::module::ModuleRef::digest`]; zero where no script ran.
    pub module: B256,
    /// On what engine.
    pub engine: EngineId,
    /// [`crate::run::RunInput::digest`]; zero where no script ran.
    pub input: B256,
    /// [`Transcript::root`].
    pub transcript_root: B256,
    /// Fuel used.
    pub fuel: u64,
    /// What came out.
    pub output: Output,
    /// Root of the job's state if the output's call is made, and of the one before where there is none; `None`: the
    /// job has no storage.
    pub state: Option<B256>,
    /// The keeper's seal over [`Observation::digest`].
    pub seal: Seal,
}

impl Observation {
    /// What the keeper seals: every field but the seal.
    pub fn digest(&self) -> B256 {
        digest_of(
            "argus/observation/1",
            &(
                self.task,
                self.attempt,
                self.keeper,
                self.module,
                self.engine,
                self.input,
                self.transcript_root,
                self.fuel,
                &self.output,
                self.state,
            ),
        )
    }
}

/// One keeper's signature over the call itself, for one attempt and round: what the executor checks. In mode `Solo`
/// nobody checks one, and the sealed observation is the keeper's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedClaim {
    /// The task.
    pub task: TaskId,
    /// Which attempt.
    pub attempt: AttemptNo,
    /// Which round.
    pub round: Round,
    /// Who signs.
    pub keeper: KeeperId,
    /// [`crate::call::Claim::digest`] of what is signed.
    pub digest: B256,
    /// Its signature.
    pub signature: Signature,
}

/// What a keeper sends back for an assignment: its observation, its claim where there is a call, and the transcript
/// for the platform's private store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Its report.
    pub observation: Arc<Observation>,
    /// Its signature over the call, where the output is one and a quorum has to sign it.
    pub claim: Option<SignedClaim>,
    /// What its script asked and was told.
    pub transcript: Transcript,
    /// The script's log.
    pub log: String,
    /// The state that the observation commits to, where it is another one than the attempt's.
    pub state: Option<Arc<State>>,
}

/// The second round: sign this run's call after replaying it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecondRound {
    /// The task.
    pub task: TaskId,
    /// Which attempt.
    pub attempt: AttemptNo,
    /// All signed observations of the first round: the order of their arguments is checked by each keeper.
    pub observations: Vec<Arc<Observation>>,
    /// Whose run was taken.
    pub chosen: KeeperId,
    /// Its transcript, to be replayed bit for bit.
    pub transcript: Transcript,
    /// Whose runs were chosen before it and refuted by a threshold of keepers.
    pub refuted: Vec<KeeperId>,
}

/// The name under which the platform's seal over an attempt's assignment is archived.
pub fn seal_name(task: TaskId, attempt: AttemptNo) -> B256 {
    digest_of("argus/assignment-seal/1", &(task, attempt))
}

/// The name under which a keeper's script log of an attempt is archived.
pub fn log_name(task: TaskId, attempt: AttemptNo, keeper: KeeperId) -> B256 {
    digest_of("argus/log/1", &(task, attempt, keeper))
}
