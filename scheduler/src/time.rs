//! Instants: an index of what is due soon, refreshed from the store, and the pass over what is due now.

use std::{collections::BTreeSet, sync::Arc};

use argus_domain::{
    U256,
    decision::Outcome,
    ids::JobId,
    job::{JobRecord, TriggerKind},
    time::Timestamp,
};
use argus_machine::schedule::{self, Rules};
use argus_ports::StoreError;
use tracing::error;

use crate::{
    link::is_follower,
    perform::{Carried, Heard, Shell, Woken},
};

/// What the loop knows: when to wake. What is due is read from the store each time.
struct Index {
    wakes: BTreeSet<(Timestamp, JobId)>,
    /// Instants after this are left to a later scan.
    horizon: Timestamp,
    rescan_at: Timestamp,
}

pub(crate) async fn run(shell: Arc<Shell>, mut heard: Heard) {
    let mut index = Index { wakes: BTreeSet::new(), horizon: Timestamp(0), rescan_at: Timestamp(0) };
    loop {
        if let Err(error) = index.cycle(&shell).await {
            shell.failed("time", &error);
            index.rescan_at = shell.later(shell.config.retry);
            index.wakes.clear();
        }
        let until = index.wakes.first().map_or(index.rescan_at, |(at, _)| (*at).min(index.rescan_at));
        match shell.wait(until, &mut heard).await {
            Woken::Stopped => return,
            Woken::Time => {}
            Woken::Moved => index.rescan_at = Timestamp(0),
            Woken::Nudged(jobs) => {
                if let Err(error) = index.look_at(&shell, &jobs).await {
                    shell.failed("time", &error);
                    index.rescan_at = shell.later(shell.config.retry);
                }
            }
        }
    }
}

impl Index {
    async fn cycle(&mut self, shell: &Shell) -> Result<(), StoreError> {
        let now = shell.now();
        // The second test: the clock was set back.
        if now >= self.rescan_at || self.rescan_at > now + shell.config.rescan {
            self.rescan(shell, now).await?;
        }
        if self.wakes.first().is_some_and(|(at, _)| *at <= now) {
            self.pass(shell).await?;
        }
        Ok(())
    }

    async fn rescan(&mut self, shell: &Shell, now: Timestamp) -> Result<(), StoreError> {
        self.horizon = now + shell.config.rescan * 2;
        let limit = shell.config.jobs_max;
        let soon = shell.due(TriggerKind::Time, self.horizon, limit).await?;
        // The earliest come first, so a full list only moves the horizon nearer.
        if soon.len() >= limit as usize {
            self.horizon = soon.last().and_then(|r| r.cursor.next_due).unwrap_or(self.horizon);
        }
        self.wakes = soon.iter().filter_map(|r| Some((r.cursor.next_due?, r.job.id))).collect();
        self.rescan_at = now + shell.config.rescan;
        Ok(())
    }

    async fn look_at(&mut self, shell: &Shell, jobs: &[JobId]) -> Result<(), StoreError> {
        for id in jobs {
            if let Some(record) = shell.store(shell.ports.jobs.job(*id)).await? {
                // Of whatever kind: every loop hears of every job, and one of them is enough.
                if let Some(since) = record.paused_at {
                    shell.note(&record, Outcome::Paused { since });
                }
                self.remember(&record);
            }
        }
        Ok(())
    }

    fn remember(&mut self, record: &JobRecord) {
        if let (Some(due), None, None, false) =
            (record.cursor.next_due, record.paused_at, record.deleted_at, record.cursor.finished)
            && due <= self.horizon
        {
            self.wakes.insert((due, record.job.id));
        }
    }

    /// Opens what is due now, batch after batch until the store has no more.
    async fn pass(&mut self, shell: &Shell) -> Result<(), StoreError> {
        let mut limit = shell.config.batch.max(1);
        loop {
            let now = shell.now();
            let due = shell.due(TriggerKind::Time, now, limit).await?;
            let full = due.len() >= limit as usize;
            self.wakes = self.wakes.split_off(&(Timestamp(now.0.saturating_add(1)), JobId(U256::ZERO)));
            let mut work = Vec::new();
            for record in due {
                if shell.is_held(&record).await? {
                    self.wakes.insert((now + shell.config.link_poll, record.job.id));
                    continue;
                }
                // The k-th task of a follower waits for the k-th of its predecessor: one at a time.
                let batch = if is_follower(&record) { 1 } else { shell.config.rules.batch };
                let steps = schedule::time(&record, now, None, Rules { batch, ..shell.config.rules });
                if let Some(from) = schedule::passed_over(&record, &steps, now) {
                    shell.note(&record, Outcome::PassedOver { from, misfire: record.job.policy.misfire });
                }
                work.extend(shell.work(record, steps));
            }
            let idle = work.iter().all(|w| w.steps.is_empty());
            for carried in shell.carry(work).await? {
                match carried {
                    Carried::Done(record) => self.remember(&record),
                    // Read again at the next look.
                    Carried::Stale(id) => {
                        self.wakes.insert((now + shell.config.link_poll, id));
                    }
                    Carried::Lost(_) => {}
                }
            }
            match (full, idle) {
                (false, _) => return Ok(()),
                (true, false) => {}
                // Everything at the front is held: look further.
                (true, true) if limit < shell.config.jobs_max => {
                    limit = limit.saturating_mul(4).min(shell.config.jobs_max);
                }
                (true, true) => {
                    error!(limit, "more linked jobs wait for their predecessors than are looked at");
                    return Ok(());
                }
            }
        }
    }
}
