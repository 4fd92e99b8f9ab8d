//! The second round: replay the run that was taken, and sign its call.

use std::{collections::BTreeSet, sync::Arc};

use argus_domain::{
    attempt::{Assignment, Observation, Output, SecondRound, SignedAssignment, SignedClaim},
    difference::Refutation,
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
        None => {
            let Output::Call(call) = &taken.output else {
                return Err(refuse("the chosen run makes no call"));
            };
            let claim = sign::claim(keeper, assignment, call, Round(2)).await?;
            claim.ok_or_else(|| refuse("mode `Solo` has no second round"))
        }
        Some(found) => {
            known.insert(chosen);
            keeper.refuted.put(key, attempt.deadline, known, keeper.ports.clock.now());
            Err(Decline::Refuted { keeper: chosen, found: Box::new(found) })
        }
    }
}

/// How the run differs from what its keeper signed, by a replay; `None`: in nothing.
async fn replay(
    keeper: &Inner,
    signed: &SignedAssignment,
    taken: &Observation,
    recorded: Arc<Transcript>,
) -> Result<Option<Refutation>, Decline> {
    let again = match execute(keeper, signed, Answers::Transcript(recorded.clone())).await {
        Ok(again) => again,
        Err(Decline::Diverged(call)) => return Ok(Some(Refutation::diverged(*call))),
        Err(own) => return Err(own),
    };
    let (replayed, fuel) = match (again.report, &signed.assignment.job.args) {
        (Some(report), _) => (report.transcript, report.fuel),
        // Where no script runs there is nothing to record and no fuel to use.
        (None, Args::Fixed(_)) => (Transcript::default(), 0),
        // It ran elsewhere: whoever is to blame, it is not who ran it.
        (None, Args::Computed { .. }) => {
            return Err(Decline::Inconclusive("this keeper's sandbox does not admit the script".to_owned()));
        }
    };
    let again = Observation {
        transcript_root: replayed.root(),
        fuel,
        output: again.output,
        state: again.state.map(|state| state.root()),
        ..taken.clone()
    };
    Ok(Refutation::between((taken, &recorded), (&again, &replayed)))
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
