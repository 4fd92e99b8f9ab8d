//! From an assignment to an answer.

use std::sync::Arc;

use argus_domain::{
    answer,
    attempt::{Answer, Assignment, Output, SignedAssignment, run_input},
    difference::{CallDifference, Refutation},
    ids::{KeeperId, Round},
    job::Args,
    run::{RunEnd, RunInput, RunReport, Transcript},
    secret::{self, RunSecrets},
    state::State,
};
use argus_ports::RunnerError;

use crate::{
    Inner,
    deposit::{self, Short},
    sign,
    verify::{self, Objection},
};

/// Why a keeper takes no part in an attempt. It says so, so that nobody waits for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Decline {
    /// It does not accept the assignment.
    #[error(transparent)]
    Objection(#[from] Objection),
    /// All its slots are taken.
    #[error("all {0} run slots are taken")]
    Busy(u32),
    /// The script could not be fetched.
    #[error("the script could not be fetched: {0}")]
    Content(String),
    /// The job's secrets did not come, or do not open.
    #[error("the job's secrets: {0}")]
    Secrets(String),
    /// Nobody would pay for the call.
    #[error(transparent)]
    Short(#[from] Short),
    /// The run says nothing that another keeper could repeat.
    #[error("the run was inconclusive: {0}")]
    Inconclusive(String),
    /// It signed another call in this attempt and round before it was restarted.
    #[error("another call was signed in this attempt before")]
    Signed,
    /// The second round does not hold.
    #[error("second round refused: {0}")]
    Round(String),
    /// A replay met another call than was recorded.
    #[error("the replay made another call: {0}")]
    Diverged(Box<CallDifference>),
    /// The second round's run does not come to what its keeper signed: no matter who replays it.
    #[error("the run of keeper {keeper} is refuted: {}", .found.finding)]
    Refuted {
        /// Whose run.
        keeper: KeeperId,
        /// What differs.
        found: Box<Refutation>,
    },
    /// Its own key or journal failed.
    #[error("this keeper failed: {0}")]
    Own(String),
}

impl Decline {
    /// Whether it is for nothing in the job: what is lacking may be there later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Busy(_) | Self::Content(_) | Self::Secrets(_) | Self::Own(_) => true,
            Self::Objection(_)
            | Self::Short(_)
            | Self::Inconclusive(_)
            | Self::Signed
            | Self::Round(_)
            | Self::Diverged(_)
            | Self::Refuted { .. } => false,
        }
    }
}

/// What a run came to, before it is signed.
pub struct Outcome {
    /// What the script was told.
    pub input: RunInput,
    /// What it left behind; `None` where no script ran.
    pub report: Option<RunReport>,
    /// What follows.
    pub output: Output,
    /// The job's state if that call is made; `None`: it has no storage.
    pub state: Option<Arc<State>>,
}

/// Verifies, runs, signs. The caller holds the deadline.
pub async fn answer(
    keeper: &Inner,
    signed: &SignedAssignment,
    posted: Option<&[u8]>,
) -> Result<Answer, Decline> {
    verify::check(&keeper.config, &keeper.ports, &keeper.known, signed).await?;
    let assignment = &signed.assignment;
    let secrets = opened(keeper, assignment, posted)?;
    let outcome = execute(keeper, signed, Answers::World(secrets)).await?;
    let Outcome { input, report, output, state } = outcome;
    let claim = match &output {
        Output::Call(call) => {
            deposit::covers(keeper, assignment, call).await?;
            sign::claim(keeper, assignment, call, Round(1)).await?
        }
        Output::Skip(_) | Output::Fail(_) => None,
    };
    let came = sign::Came { output, state: state.as_ref().map(|state| state.root()) };
    let observation = sign::observation(keeper, assignment, &input, report.as_ref(), came).await?;
    let (transcript, log) = report.map(|r| (r.transcript, r.log)).unwrap_or_default();
    let before = assignment.attempt.state.map(|state| state.root);
    let state = state.filter(|_| observation.state != before);
    Ok(Answer { observation: Arc::new(observation), claim, transcript, log, state })
}

/// Where a run's answers come from.
pub enum Answers {
    /// The world, which is sent these secrets.
    World(Arc<RunSecrets>),
    /// A transcript.
    Transcript(Arc<Transcript>),
}

/// The secrets of an assignment, as they came.
fn opened(
    keeper: &Inner,
    assignment: &Assignment,
    posted: Option<&[u8]>,
) -> Result<Arc<RunSecrets>, Decline> {
    if assignment.job.args.secrets().is_none() {
        return Ok(Arc::default());
    }
    let missing = |what: &str| Decline::Secrets(what.to_owned());
    let letterbox = keeper.ports.letterbox.as_ref().ok_or_else(|| missing("this keeper takes none"))?;
    let posted = posted.ok_or_else(|| missing("the platform sent none"))?;
    let attempt = &assignment.attempt;
    let purpose = secret::purpose(attempt.task, attempt.no, keeper.id);
    let secrets = letterbox.open(posted, purpose).map_err(|e| Decline::Secrets(e.to_string()))?;
    Ok(Arc::new(secrets))
}

/// Runs the assignment.
pub async fn execute(
    keeper: &Inner,
    signed: &SignedAssignment,
    answers: Answers,
) -> Result<Outcome, Decline> {
    let (assignment, before) = (&signed.assignment, &signed.state);
    let input = run_input(&assignment.job, &assignment.task, &assignment.attempt, before.clone());
    let Args::Computed { module, .. } = &assignment.job.args else {
        let output = answer::fixed_call(&assignment.job)
            .map_or_else(|fault| Output::Fail(fault.to_string()), Output::Call);
        return Ok(Outcome { input, report: None, output, state: None });
    };
    let source = keeper.modules.get(&module.source).await.map_err(|e| Decline::Content(e.to_string()))?;
    let (runner, limits) = (&keeper.ports.runner, assignment.attempt.limits);
    let shared = Arc::new(input.clone());
    let report = match answers {
        Answers::World(secrets) => runner.run(source, module.language, shared, limits, secrets).await,
        Answers::Transcript(transcript) => {
            runner.replay(source, module.language, shared, limits, transcript).await
        }
    };
    let report = match report {
        Ok(report) => report,
        // The same bytes are refused by every keeper with this engine.
        Err(RunnerError::Refused(refusal)) => {
            let (output, state) = (Output::Fail(refusal.to_string()), before.clone());
            return Ok(Outcome { input, report: None, output, state });
        }
        Err(error @ (RunnerError::Uncompiled(_) | RunnerError::Busy { .. })) => {
            return Err(Decline::Inconclusive(error.to_string()));
        }
        Err(RunnerError::Diverged(call)) => return Err(Decline::Diverged(call)),
        Err(error @ RunnerError::Host(_)) => return Err(Decline::Inconclusive(error.to_string())),
    };
    let came =
        answer::outcome_of_run(&assignment.job, report.end.clone(), before.as_ref(), report.state.clone());
    let answer::Outcome { output, state } = came.ok_or_else(|| Decline::Inconclusive(reason(&report.end)))?;
    Ok(Outcome { input, report: Some(report), output, state })
}

fn reason(end: &RunEnd) -> String {
    match end {
        RunEnd::Failed(failure) => failure.message.clone(),
        RunEnd::Skipped(reason) => reason.clone(),
        RunEnd::Value(_) => String::new(),
    }
}
