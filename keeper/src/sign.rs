//! What a keeper puts its name to: observations and claims.

use argus_domain::{
    B256,
    attempt::{Assignment, Observation, Output, SignedClaim},
    call::{Call, Signature},
    ids::{KeeperId, Round},
    job::Args,
    run::{RunInput, RunReport, Transcript},
};
use argus_ports::{Step, StoreError};

use crate::{config::Config, ports::Ports, run::Decline};

/// The signed report of a run; `report` is `None` where no script ran.
pub fn observation(
    ports: &Ports,
    assignment: &Assignment,
    input: &RunInput,
    report: Option<&RunReport>,
    output: Output,
) -> Result<Observation, Decline> {
    let mut observation = Observation {
        task: assignment.task.id,
        attempt: assignment.attempt.no,
        keeper: KeeperId(ports.signer.address()),
        module: B256::ZERO,
        engine: assignment.attempt.engine,
        input: B256::ZERO,
        transcript_root: Transcript::default().root(),
        fuel: 0,
        output,
        signature: Signature([0; 65]),
    };
    if let (Some(report), Args::Computed { module, .. }) = (report, &assignment.job.args) {
        observation.module = module.digest();
        observation.engine = report.engine;
        observation.input = input.digest(&assignment.attempt.limits);
        observation.transcript_root = report.transcript.root();
        observation.fuel = report.fuel;
    }
    observation.signature =
        ports.signer.sign(observation.digest()).map_err(|e| Decline::Own(e.to_string()))?;
    Ok(observation)
}

/// The one claim of this attempt and round: durable before anyone sees it. A keeper that was restarted in between
/// and now comes to another call signs nothing.
pub async fn claim(
    config: &Config,
    ports: &Ports,
    assignment: &Assignment,
    call: &Call,
    round: Round,
) -> Result<SignedClaim, Decline> {
    let attempt = &assignment.attempt;
    let digest = attempt.claim(&assignment.job, call).digest(&config.domain(call.chain));
    let signature = ports.signer.sign(digest).map_err(|e| Decline::Own(e.to_string()))?;
    let keeper = KeeperId(ports.signer.address());
    let claim = SignedClaim { task: attempt.task, attempt: attempt.no, round, keeper, digest, signature };
    let kept = ports.journal.claim(claim).await.map_err(|e: StoreError| Decline::Own(e.to_string()))?;
    if kept.digest != digest {
        return Err(Decline::Signed);
    }
    config.failpoint.reach(Step::Claimed);
    Ok(kept)
}
