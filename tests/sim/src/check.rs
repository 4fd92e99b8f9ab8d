//! The invariants, checked by the names that argus-machine gives them.

use std::collections::BTreeMap;

use argus_domain::{
    chain::Log,
    ids::{Occurrence, TaskId},
    job::{Agreement, JobRecord, Misfire, Mode, Trigger},
    status::TaskState,
    task::{Fact, TaskRecord, Verdict},
};
use argus_machine::{invariant, schedule::search_from};

use crate::{
    chain::FINAL,
    scenario::{self, Kind, Nature, QUIET_MS, START},
    world::World,
};

impl World {
    /// What must hold of a fact that has just become durable.
    pub fn check_fact(&mut self, fact: &Fact) {
        let Some(record) = self.store.tasks.get(&fact.task()).cloned() else { return };
        let id = record.task.id;
        let once = invariant::verdict_once(&record.facts);
        self.expect(once, invariant::VERDICT_ONCE, || {
            format!("task {id}: {:?} after its verdict", fact.key())
        });
        if matches!(fact, Fact::Attempted(_)) && self.since_ms() < QUIET_MS + 10_000 {
            self.troubled.insert(id);
        }
        if let Fact::Attempted(attempt) = fact
            && let Some(start) = attempt.state
        {
            let mut before = self.store.before(&record.task);
            before.reverse();
            let states: Vec<_> = before.iter().map(|(_, record)| record.state()).collect();
            let holds = invariant::storage_in_order(&states, start.root);
            self.expect(holds, invariant::STORAGE_IN_ORDER, || {
                format!("task {id}, number {}, begins on the state {}", record.task.number.0, start.root)
            });
        }
        let Fact::Settled(settlement) = fact else { return };
        let Verdict::Agreed(agreed) = &settlement.verdict else { return };
        let state = record.state();
        let Some(attempt) = state.attempts.iter().find(|a| a.no == agreed.attempt) else {
            return self.fail(invariant::VERDICT_ONCE, format!("task {id} agreed in an unknown attempt"));
        };
        let Some(job) = self.store.versions.get(&record.task.job).cloned() else { return };
        let digest = self.digest_once(id, agreed.attempt, &agreed.call, || agreed.claim(&job, id));
        let signed = agreed.signatures.iter().all(|(k, s)| *s == scenario::sign(*k, digest));
        let distinct = invariant::quorum_distinct(agreed, attempt.mode, &attempt.keepers) && signed;
        self.expect(distinct, invariant::QUORUM_DISTINCT, || {
            format!(
                "task {id} was agreed by {:?}",
                agreed.signatures.iter().map(|(k, _)| k).collect::<Vec<_>>()
            )
        });
        // One keeper alone says what it wants.
        let alone = match (&attempt.mode, &attempt.agreement) {
            (Mode::Solo, _) => true,
            (_, Agreement::TrustPerformer) => true,
            (Mode::Quorum { .. }, _) => false,
        };
        let honest = alone || scenario::is_honest(self.kinds[&job.id], &record.task, &agreed.call);
        self.expect(honest, invariant::HONEST_CALL, || {
            format!("task {id} agreed on {:?}", agreed.call.arguments)
        });
    }

    /// At most one call per task on the chain as it stands.
    pub fn check_calls(&mut self) {
        let mut seen: BTreeMap<TaskId, u32> = BTreeMap::new();
        for task in self.chain.calls() {
            *seen.entry(task).or_default() += 1;
        }
        if let Some((task, n)) = seen.into_iter().find(|(_, n)| *n > 1) {
            self.tally.duplicate += 1;
            self.fail(invariant::ONE_CALL_PER_TASK, format!("task {task} was called {n} times"));
        }
    }

    /// What must hold when all is over.
    pub fn check_end(&mut self) {
        self.tally.tasks = self.store.tasks.len() as u64;
        self.tally_live();
        if let Some(id) = self.store.unfinished.first().copied() {
            let record = self.store.tasks.get(&id).cloned();
            let keys: Vec<_> =
                record.iter().flat_map(|r| r.facts.iter().map(Fact::key).map(|k| k.0)).collect();
            return self.fail(invariant::EVERY_TASK_ENDS, format!("task {id} has not ended: {keys:?}"));
        }
        for record in self.store.tasks.values().cloned().collect::<Vec<_>>() {
            self.check_ended(&record);
        }
        self.check_occurrences();
        self.check_counts();
    }

    /// Of those that count, each call that ran through made known the next number.
    fn check_counts(&mut self) {
        let counts = |record: &&TaskRecord| self.kinds[&record.task.job] == Kind::Count;
        let mut made: Vec<_> = self.store.tasks.values().filter(counts).collect();
        made.sort_by_key(|record| record.task.number);
        let states = made.into_iter().map(TaskRecord::state);
        let through = states.filter(|state| state.receipt.as_ref().is_some_and(|receipt| receipt.success));
        let known: Vec<_> = through.filter_map(|state| scenario::made_known(&state.agreed()?.call)).collect();
        let expected: Vec<u64> = (1..=known.len() as u64).collect();
        self.tally.counted += known.len() as u64;
        self.expect(known == expected, invariant::STORAGE_IN_ORDER, || {
            format!("the calls counted {known:?}")
        });
    }

    fn check_ended(&mut self, record: &TaskRecord) {
        let id = record.task.id;
        let announced = self.store.announced.contains(&id);
        self.expect(announced, invariant::SETTLED_ANNOUNCED, || format!("nobody was told of task {id}"));
        let state = record.state();
        let holds = self.is_stopped_by_nobody(record, &state);
        self.expect(holds, invariant::LIARS_STOP_NOTHING, || {
            format!("task {id} came to {:?}", state.verdict)
        });
        let Some(agreed) = state.agreed() else { return };
        self.tally.agreed += 1;
        let called = self.chain.call_of(id).is_some();
        self.tally.called += u64::from(called);
        self.tally.lapsed += u64::from(state.lapsed);
        self.expect(!(called && state.lapsed), invariant::ONE_CALL_PER_TASK, || {
            format!("task {id} lapsed and was called")
        });
        // Exactly one, where some performer could act all the time.
        let able = agreed
            .performers
            .iter()
            .any(|k| self.natures.get(k).is_some_and(|nature| nature.acts() && *nature != Nature::Dead));
        let calm = state.verdict.as_ref().is_some_and(|(_, at)| at.0 > START.0 + QUIET_MS + 5_000);
        let solo = agreed.how == argus_domain::task::AgreedHow::Solo;
        let void = state.trigger_lost || self.store.is_deleted(record.task.job);
        if able && calm && !solo && !void && !called {
            self.tally.lost += 1;
            let keys: Vec<_> = record.facts.iter().map(|f| f.key().0).collect();
            let loads: Vec<_> = self.keepers.iter().map(|(k, keeper)| (k, keeper.account.load())).collect();
            let what = format!("task {id} was agreed and never called: {keys:?}; accounts {loads:?}");
            self.fail(invariant::ONE_CALL_PER_TASK, what);
        }
    }

    /// Of a task all of whose attempts were made in calm and with all the keepers that they ask for: that its median
    /// was agreed.
    fn is_stopped_by_nobody(&self, record: &TaskRecord, state: &TaskState) -> bool {
        let is_median = self.kinds[&record.task.job] == Kind::Live
            && state.attempts.first().is_some_and(|a| matches!(a.agreement, Agreement::Median { .. }));
        let wanted = 2 * usize::from(self.threshold) - 1;
        let is_calm = !self.troubled.contains(&record.task.id)
            && state.attempts.iter().all(|attempt| attempt.keepers.len() == wanted);
        let is_void = state.trigger_lost || self.store.is_deleted(record.task.job);
        !is_median || !is_calm || is_void || state.agreed().is_some()
    }

    /// The logs of blocks that an event job's cursor has passed. Not those that a reorg put there when the job may
    /// have ended: by the platform's clock, which may be fast, nothing of it was due any more, and an ended job does
    /// not search again.
    fn logs_owed(&self, record: &JobRecord) -> impl Iterator<Item = &Log> {
        let seen_to = Self::event_block(record).unwrap_or(0);
        let settled_to = if record.cursor.finished { search_from(record, FINAL) } else { u64::MAX };
        let blocks = self.chain.blocks.iter().filter(move |b| b.number <= seen_to);
        blocks.flat_map(|b| &b.logs).filter(move |log| {
            log.block_number < settled_to || !self.chain.moved_logs.contains(&log.transaction)
        })
    }

    /// Each due instant, log and crossing that was acknowledged has its task.
    fn check_occurrences(&mut self) {
        let mut missing = Vec::new();
        for record in self.store.jobs.values().filter(|r| r.deleted_at.is_none()) {
            let job = &record.job;
            match &job.trigger {
                Trigger::Time(plan) if job.policy.misfire == Misfire::CatchUp => {
                    let until = record
                        .cursor
                        .next_due
                        .map_or(job.expires_at, |at| argus_domain::time::Timestamp(at.0 - 1));
                    // A scan later than the end of its time frame opens nothing more.
                    let until = until.min(record.cursor.next_due.unwrap_or(job.expires_at));
                    let due = plan.missed(job.accepted_at, job.accepted_at, until, usize::MAX >> 1).first;
                    missing.extend(due.into_iter().map(|at| (job.id, Occurrence::Time(at))));
                }
                Trigger::Event(_) => {
                    let logs = self.logs_owed(record);
                    missing.extend(logs.map(|l| {
                        (job.id, Occurrence::Event(l.chain, l.transaction, l.index_in_transaction))
                    }));
                }
                Trigger::Condition(_) => {
                    let n = match &record.cursor.position {
                        argus_domain::job::Position::Condition { crossings, last, .. } => {
                            let open = last.as_ref().is_some_and(|c| !c.opened);
                            crossings - u64::from(open)
                        }
                        argus_domain::job::Position::Time | argus_domain::job::Position::Event { .. } => 0,
                    };
                    missing.extend((1..=n).map(|n| (job.id, Occurrence::Condition(n))));
                }
                Trigger::Time(_) => {}
            }
        }
        missing.retain(|(job, at)| !self.store.tasks.contains_key(&TaskId::of(*job, at)));
        if let Some((job, at)) = missing.first() {
            self.tally.lost += 1;
            let what = format!("job {job} has no task for {at:?}");
            self.fail(invariant::ACKNOWLEDGED_NEVER_LOST, what);
        }
    }
}
