//! The second round: replay the run that was taken, and sign its call.

use std::{collections::BTreeSet, sync::Arc};

use argus_domain::{
    attempt::{Assignment, Observation, Output, SecondRound, SignedAssignment, SignedClaim},
    call::Call,
    ids::Round,
    job::Args,
    quorum,
    run::Transcript,
};

use crate::{
    Inner,
    run::{Answers, Decline, execute},
    sign, verify,
};

/// Checks that the rule takes the chosen run, replays it bit for bit, and signs what it comes to. A run that comes to
/// something else than its keeper signed is refuted, and remembered so: that another one is taken in its place this
/// keeper believes only then.
///
/// The assignment is verified here, too: a keeper may be asked to replay what it was not asked to run.
pub async fn answer(
    keeper: &Inner,
    signed: &SignedAssignment,
    round: SecondRound,
) -> Result<SignedClaim, Decline> {
    verify::check(&keeper.config, &keeper.ports, &keeper.known, signed).await?;
    let assignment = &signed.assignment;
    let attempt = &assignment.attempt;
    let SecondRound { observations, chosen, transcript, refuted, .. } = round;
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
    let key = (attempt.task, attempt.no);
    let mut known = keeper.refuted.get(&key).unwrap_or_default();
    let refuted: BTreeSet<_> = refuted.into_iter().collect();
    if !refuted.is_subset(&known) {
        return Err(refuse("a run is said to be refuted that this keeper did not find so"));
    }
    if quorum::second_round(attempt, &observations, &refuted).map(|(taken, _)| taken) != Some(chosen) {
        return Err(refuse("by the job's rule another run is taken, or none"));
    }
    match replay(keeper, signed, taken, Arc::new(transcript)).await? {
        Ok(call) => {
            let claim = sign::claim(&keeper.config, &keeper.ports, assignment, call, Round(2)).await?;
            claim.ok_or_else(|| refuse("mode `Solo` has no second round"))
        }
        Err(why) => {
            known.insert(chosen);
            keeper.refuted.put(key, attempt.deadline, known, keeper.ports.clock.now());
            Err(Decline::Refuted { keeper: chosen, why })
        }
    }
}

/// The call that the run comes to in a replay, or how it differs from what its keeper signed.
async fn replay<'a>(
    keeper: &Inner,
    signed: &SignedAssignment,
    taken: &'a Observation,
    transcript: Arc<Transcript>,
) -> Result<Result<&'a Call, String>, Decline> {
    let again = match execute(keeper, signed, Answers::Transcript(transcript)).await {
        Ok(again) => again,
        Err(Decline::Diverged(why)) => return Ok(Err(why)),
        Err(own) => return Err(own),
    };
    let (root, fuel) = match (again.report, &signed.assignment.job.args) {
        (Some(report), _) => (report.transcript.root(), report.fuel),
        // Where no script runs there is nothing to record and no fuel to use.
        (None, Args::Fixed(_)) => (Transcript::default().root(), 0),
        // It ran elsewhere: whoever is to blame, it is not who ran it.
        (None, Args::Computed { .. }) => {
            return Err(Decline::Inconclusive("this keeper's sandbox does not admit the script".to_owned()));
        }
    };
    let differs = |what: &str| Ok(Err(format!("the replay {what}")));
    match &taken.output {
        _ if root != taken.transcript_root => differs("asks for something else"),
        _ if fuel != taken.fuel => differs("uses another amount of fuel"),
        output if again.output != *output => differs("comes to another call"),
        _ if again.state.map(|state| state.root()) != taken.state => differs("comes to another state"),
        Output::Call(call) => Ok(Ok(call)),
        Output::Skip(_) | Output::Fail(_) => Err(Decline::Round("the chosen run makes no call".to_owned())),
    }
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
