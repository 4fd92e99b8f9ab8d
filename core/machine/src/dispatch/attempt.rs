//! Who is asked next, and with what deadlines.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use argus_domain::{
    attempt::{Attempt, Priority, TraceId},
    chain::Pin,
    ids::{AttemptNo, ChainId, KeeperId, Occurrence},
    job::{Args, Job, Mode},
    keeper::LiveKeeper,
    limits::Limits,
    module::EngineId,
    state::StateRef,
    task::Task,
    time::Timestamp,
};

use super::Config;
use crate::liveness::rank;

/// What an attempt is made from, besides its task.
pub(super) struct World<'a> {
    pub config: &'a Config,
    pub heads: &'a BTreeMap<ChainId, Pin>,
    pub keepers: &'a [LiveKeeper],
}

impl World<'_> {
    /// The attempt after these earlier ones, on this state; `Err`: why there can be none now.
    pub fn attempt(
        &self,
        now: Timestamp,
        job: &Job,
        task: &Task,
        (earlier, state): (&[Arc<Attempt>], Option<StateRef>),
    ) -> Result<Attempt, String> {
        let chain = job.target_chain();
        if !self.heads.contains_key(&chain) {
            return Err(format!("no block of chain {chain} is known yet"));
        }
        let (wanted, needed) = match job.policy.mode {
            Mode::Quorum { keepers, threshold } => (usize::from(keepers), usize::from(threshold).max(1)),
            Mode::Solo => (1, 1),
        };
        let able: Vec<_> = self.keepers.iter().filter(|k| k.hello.chains.contains(&chain)).collect();
        let engine = self.engine(&able).ok_or_else(|| format!("no keeper of chain {chain} is connected"))?;
        let able: Vec<_> = able.into_iter().filter(|k| k.hello.engines.contains(&engine)).collect();
        if able.len() < needed {
            let found = able.len();
            return Err(format!("{found} of the {needed} keepers needed on chain {chain} are connected"));
        }
        let mut ranked: Vec<KeeperId> = rank(task.id, able).into_iter().map(|k| k.hello.keeper).collect();
        // Whoever was asked before had its chance: the stable sort keeps the ranking among equals.
        ranked.sort_by_key(|k| earlier.iter().filter(|a| a.keepers.contains(k)).count());
        ranked.truncate(wanted.max(needed));
        let limits = Limits::effective(&job.limits);
        let deadline = now + self.config.agree + running(job, &limits);
        let acting = (self.config.patience + self.config.landing) * u32::try_from(ranked.len()).unwrap_or(1);
        Ok(Attempt {
            task: task.id,
            no: AttemptNo(earlier.last().map_or(1, |a| a.no.0.saturating_add(1))),
            keepers: ranked,
            mode: job.policy.mode,
            agreement: job.policy.agreement.clone(),
            pins: self.heads.clone(),
            engine,
            limits,
            begun_at: now,
            deadline,
            valid_until: Timestamp::from_secs((deadline + acting).as_secs() + 1),
            fee_cap: job.policy.fee_cap,
            gas_limit: job.policy.gas_limit,
            trace: trace(task),
            priority: priority(self.config, task),
            state,
        })
    }

    /// The first accepted engine that anyone has; without a list the one that most have.
    fn engine(&self, able: &[&LiveKeeper]) -> Option<EngineId> {
        let holders = |e: &EngineId| able.iter().filter(|k| k.hello.engines.contains(e)).count();
        if let Some(engine) = self.config.engines.iter().find(|e| holders(e) > 0) {
            return Some(*engine);
        }
        let known: BTreeSet<EngineId> = able.iter().flat_map(|k| k.hello.engines.iter().copied()).collect();
        let accepted = known.into_iter().filter(|_| self.config.engines.is_empty());
        accepted.max_by_key(|e| (holders(e), *e))
    }
}

/// A script may run twice within an attempt: once live, once as a replay in the second round.
fn running(job: &Job, limits: &Limits) -> Duration {
    match job.args {
        Args::Fixed(_) => Duration::ZERO,
        Args::Computed { .. } => Duration::from_millis(limits.wall_ms.saturating_mul(2)),
    }
}

/// The class of a task.
pub(super) fn priority(config: &Config, task: &Task) -> Priority {
    match task.occurrence {
        Occurrence::Event(..) | Occurrence::Condition(_) => Priority::Reaction,
        Occurrence::Time(due) if task.opened_at.since(due) > config.late_after => Priority::Late,
        Occurrence::Time(_) => Priority::OnTime,
    }
}

fn trace(task: &Task) -> TraceId {
    let mut head = [0u8; 16];
    head.copy_from_slice(&task.id.0[..16]);
    TraceId(u128::from_be_bytes(head))
}
