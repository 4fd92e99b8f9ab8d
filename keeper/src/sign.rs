//! What a keeper puts its name to: observations and claims.

use argus_domain::{
    B256,
    attempt::{Assignment, Observation, Output, SignedClaim},
    call::{Call, Signature},
    ids::Round,
    job::{Args, Mode},
    keccak256,
    run::{RunInput, RunReport, Transcript},
    seal::Seal,
};
use argus_ports::{KeptClaim, SignerError, Step, StoreError};

use crate::{Inner, run::Decline};

/// What a run came to, as far as it is signed.
pub struct Came {
    /// What follows.
    pub output: Output,
    /// Root of the state that goes with it.
    pub state: Option<B256>,
}

/// The sealed report of a run; `report` is `None` where no script ran.
pub async fn observation(
    keeper: &Inner,
    assignment: &Assignment,
    input: &RunInput,
    report: Option<&RunReport>,
    came: Came,
) -> Result<Observation, Decline> {
    let mut observation = Observation {
        task: assignment.task.id,
        attempt: assignment.attempt.no,
        keeper: keeper.id,
        module: B256::ZERO,
        engine: assignment.attempt.engine,
        input: B256::ZERO,
        transcript_root: Transcript::default().root(),
        fuel: 0,
        output: came.output,
        state: came.state,
        seal: Seal::alone(Signature([0; 65])),
    };
    if let (Some(report), Args::Computed { module, .. }) = (report, &assignment.job.args) {
        observation.module = module.digest();
        observation.engine = report.engine;
        observation.input = input.digest(&assignment.attempt.limits);
        observation.transcript_root = report.transcript.root();
        observation.fuel = report.fuel;
    }
    let sealed = keeper.sealer.seal(&keeper.ports.signer, observation.digest()).await;
    observation.seal = sealed.map_err(|error| unsigned(keeper, &error))?;
    Ok(observation)
}

/// The one claim of this attempt and round: durable before anyone sees it. A keeper that was restarted in between
/// and now comes to another call signs nothing. `None` in mode `Solo`, where nobody checks a signature.
pub async fn claim(
    keeper: &Inner,
    assignment: &Assignment,
    call: &Call,
    round: Round,
) -> Result<Option<SignedClaim>, Decline> {
    let (config, ports, attempt) = (&keeper.config, &keeper.ports, &assignment.attempt);
    let preimage = attempt.claim(&assignment.job, call).preimage(&config.domain(call.chain));
    let digest = keccak256(preimage);
    let claim = KeptClaim { task: attempt.task, attempt: attempt.no, round, digest };
    let kept = ports.journal.claim(claim).await.map_err(|e: StoreError| Decline::Own(e.to_string()))?;
    if kept.digest != digest {
        return Err(Decline::Signed);
    }
    config.failpoint.reach(Step::Claimed);
    if attempt.mode == Mode::Solo {
        return Ok(None);
    }
    let signature = ports.signer.sign(&preimage).await.map_err(|error| unsigned(keeper, &error))?;
    let keeper = keeper.id;
    Ok(Some(SignedClaim { task: attempt.task, attempt: attempt.no, round, keeper, digest, signature }))
}

fn unsigned(keeper: &Inner, error: &SignerError) -> Decline {
    keeper.not_signed(error);
    Decline::Own(error.to_string())
}
