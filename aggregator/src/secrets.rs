//! The secrets of a job on their way to a keeper: read, opened and sealed to its key at the moment of sending, so that
//! none waits anywhere in the clear.

use argus_domain::{
    attempt::Assignment,
    secret::{Grants, RunSecrets, purpose},
};
use argus_ports::ToKeeper;
use bytes::Bytes;
use tokio::time::timeout;

use crate::session::{Said, Serving};

/// A message with the secrets that go with it. A keeper that cannot be given them takes no part in the attempt.
pub async fn added(serving: &Serving, mut message: ToKeeper) -> Result<ToKeeper, Said> {
    let ToKeeper::Assign { assignment, secrets } = &mut message else { return Ok(message) };
    let assignment = assignment.assignment.as_ref();
    let Some(granted) = assignment.job.args.secrets() else { return Ok(message) };
    let sealed = timeout(serving.send_timeout, sealed(serving, assignment, granted)).await;
    match sealed.unwrap_or_else(|_| Err("the store does not answer".to_owned())) {
        Ok(sealed) => *secrets = Some(sealed),
        Err(why) => {
            let (task, attempt) = (assignment.task.id, assignment.attempt.no);
            let reason = format!("the job's secrets: {why}");
            tracing::warn!(keeper = %serving.keeper, %task, attempt = attempt.0, reason, "an assignment is not sent");
            return Err(Said::Declined { task, attempt, reason, transient: true });
        }
    }
    Ok(message)
}

/// A secret that has no value yet is left out: the script is told so where it uses it, which every keeper repeats.
async fn sealed(serving: &Serving, assignment: &Assignment, granted: &Grants) -> Result<Bytes, String> {
    let no_key = "this platform has no key for secrets: its operator sets [secrets] key_file";
    let secrets = serving.ports.secrets.as_ref().ok_or(no_key)?;
    let to = serving.box_key.ok_or("this keeper takes none")?;
    let job = assignment.job.id;
    let kept = secrets.store.of_job(job).await.map_err(|e| e.to_string())?;
    let mut values = RunSecrets::new();
    for (name, sealed) in kept.into_iter().filter(|(name, _)| granted.contains(name)) {
        let value = secrets.vault.open(job, &name, &sealed).map_err(|e| format!("{name}: {e}"))?;
        values.insert(name, value);
    }
    let attempt = &assignment.attempt;
    let purpose = purpose(attempt.task, attempt.no, serving.keeper);
    secrets.vault.post(&values, to, purpose).map_err(|e| e.to_string())
}
