//! The second round: replay the run that was taken, and sign its call.

use std::sync::Arc;

use argus_domain::{
    attempt::{Assignment, Observation, Output, SecondRound, SignedAssignment, SignedClaim},
    ids::Round,
    quorum,
};

use crate::{
    Inner,
    run::{Decline, execute},
    sign, verify,
};

/// Checks that the rule takes the chosen run, replays it bit for bit, and signs what it comes to.
///
/// The assignment is verified here, too: a keeper may be asked to replay what it was not asked to run.
pub async fn answer(
    keeper: &Inner,
    signed: &SignedAssignment,
    round: SecondRound,
) -> Result<SignedClaim, Decline> {
    verify::check(&keeper.config, &keeper.ports, &keeper.known, signed).await?;
    let assignment = &signed.assignment;
    let SecondRound { observations, chosen, transcript, .. } = round;
    let refuse = |why: &str| Decline::Round(why.to_owned());
    for observation in &observations {
        check(keeper, assignment, observation)?;
    }
    let taken = observations
        .iter()
        .find(|o| o.keeper == chosen)
        .ok_or_else(|| refuse("the chosen keeper is not among the observations"))?;
    if transcript.root() != taken.transcript_root {
        return Err(refuse("the transcript is not the chosen run's"));
    }
    if quorum::second_round(&assignment.attempt, &observations).map(|(taken, _)| taken) != Some(chosen) {
        return Err(refuse("by the job's rule another run is taken, or none"));
    }
    let transcript = Arc::new(transcript);
    let again = execute(keeper, assignment, Some(transcript.clone())).await?;
    let Some(report) = &again.report else {
        return Err(refuse("there is no script to replay"));
    };
    if report.transcript.root() != taken.transcript_root {
        return Err(refuse("the replay asked for something else"));
    }
    if report.fuel != taken.fuel {
        return Err(refuse("the replay used another amount of fuel"));
    }
    let Output::Call(call) = &again.output else {
        return Err(refuse("the replay makes no call"));
    };
    if again.output != taken.output {
        return Err(refuse("the replay comes to another call"));
    }
    let claim = sign::claim(&keeper.config, &keeper.ports, assignment, call, Round(2)).await?;
    claim.ok_or_else(|| refuse("mode `Solo` has no second round"))
}

/// Whether an observation is of this attempt, and of the keeper that it names.
fn check(keeper: &Inner, assignment: &Assignment, observation: &Observation) -> Result<(), Decline> {
    let attempt = &assignment.attempt;
    let is_ours = observation.task == attempt.task
        && observation.attempt == attempt.no
        && attempt.keepers.contains(&observation.keeper);
    let signer = &keeper.ports.signer;
    if !is_ours || !signer.is_sealed_by(observation.keeper.0, observation.digest(), &observation.seal) {
        return Err(Decline::Round(
            "an observation is not of this attempt, or not signed by its keeper".to_owned(),
        ));
    }
    Ok(())
}
