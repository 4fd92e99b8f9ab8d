//! The order of linked jobs.
//!
//! A job at position n > 0 opens its k-th task only after its predecessor's k-th task has finished, however it ended.
//! A predecessor that will open no k-th task (deleted, expired or finished before) holds nobody back; a paused one
//! does. While a job is held, its instants wait: they become one run under "run once", logs are read when it goes on,
//! and values are not observed, so that a crossing counts from then.

use argus_domain::{
    decision::Outcome,
    ids::{JobId, TaskNumber, public_task_id},
    job::JobRecord,
};
use argus_ports::StoreError;

use crate::perform::Shell;

/// Whether the job has a predecessor at all.
pub(crate) fn is_follower(record: &JobRecord) -> bool {
    record.job.link.is_some_and(|link| link.previous.is_some())
}

impl Shell {
    /// Whether the job has to wait for its predecessor, which is noted.
    pub async fn is_held(&self, record: &JobRecord) -> Result<bool, StoreError> {
        let Some(by) = record.job.link.and_then(|link| link.previous) else { return Ok(false) };
        let is_held = self.has_to_wait(record, by).await?;
        if is_held {
            self.note(record, Outcome::Held { by });
        }
        Ok(is_held)
    }

    async fn has_to_wait(&self, record: &JobRecord, previous: JobId) -> Result<bool, StoreError> {
        let Some(previous) = self.store(self.ports.jobs.job(previous)).await? else { return Ok(false) };
        let number = record.cursor.opened.0 + 1;
        let id = public_task_id(previous.job.serial, TaskNumber(number));
        if let Some(task) = self.store(self.ports.tasks.by_public_id(id)).await? {
            return Ok(!task.state().is_finished());
        }
        let opens_more = previous.deleted_at.is_none()
            && !previous.cursor.finished
            && self.now() <= previous.job.expires_at
            && previous.cursor.opened.0 < number;
        Ok(opens_more)
    }
}
