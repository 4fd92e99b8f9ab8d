//! Why jobs did not fire.

use std::cmp::Reverse;

use argus_domain::{decision::Decision, ids::JobId};
use argus_ports::{DecisionStore, Look, StoreError};
use async_trait::async_trait;

use crate::state::MemoryStore;

#[async_trait]
impl DecisionStore for MemoryStore {
    async fn note(&self, looks: Vec<Look>, keep: u32) -> Result<(), StoreError> {
        let mut state = self.write()?;
        for Look { job, serial, fence, decision } in looks {
            if !state.may_write(job, fence) {
                continue;
            }
            if state.jobs.get(&job).is_some_and(|entry| entry.record.job.serial != serial) {
                continue;
            }
            let rows = state.decisions.entry(job).or_default();
            match rows.iter_mut().find(|row| row.is_like(&decision)) {
                Some(row) => row.fold(decision),
                None => rows.push(decision),
            }
            rows.sort_by_key(|row| Reverse((row.last_at, row.task)));
            rows.truncate(keep as usize);
        }
        Ok(())
    }

    async fn of_job(&self, job: JobId, limit: u32) -> Result<Vec<Decision>, StoreError> {
        let state = self.read();
        Ok(state.decisions.get(&job).into_iter().flatten().take(limit as usize).cloned().collect())
    }
}
