//! What this process counts, for `/metrics`: at the seams where everything passes, so that no service knows of it.

use std::sync::Arc;

use argus_domain::{
    ids::TaskId,
    job::Cursor,
    task::{Fact, Task, TaskRecord, Verdict},
};
use argus_oversight::health::Report;
use argus_ports::{OpenOutcome, Recorded, RegistrationCounts, StoreError, TaskQuery, TaskStore};
use argus_redis::{Redis, Use};
use async_trait::async_trait;
use prometheus::{
    IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    core::{Collector, Desc},
    proto::MetricFamily,
};
use tokio::sync::watch;

/// A store that counts what becomes of tasks. It counts what its own process wrote, and each fact once: what was
/// there before is not counted again.
pub struct CountedTasks {
    inner: Arc<dyn TaskStore>,
    opened: IntCounter,
    attempts: IntCounter,
    verdicts: IntCounterVec,
    handoffs: IntCounter,
    broadcasts: IntCounter,
    receipts: IntCounterVec,
    revoked: IntCounter,
    confirmed: IntCounter,
    lapsed: IntCounter,
    challenges: IntCounter,
    disagreements: IntCounter,
}

impl CountedTasks {
    /// Registers the figures.
    pub fn register(inner: Arc<dyn TaskStore>, registry: &Registry) -> Result<Self, prometheus::Error> {
        let one = |name: &str, help: &str| -> Result<IntCounter, prometheus::Error> {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let many = |name: &str, help: &str, label: &str, values: &[&str]| {
            let counters = IntCounterVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(counters.clone()))?;
            // A value that has not been met yet is shown as zero.
            values.iter().for_each(|value| counters.with_label_values(&[value]).inc_by(0));
            Ok::<_, prometheus::Error>(counters)
        };
        Ok(Self {
            inner,
            opened: one("argus_tasks_opened_total", "Tasks opened")?,
            attempts: one("argus_attempts_total", "Tries at a task that were begun")?,
            verdicts: many("argus_verdicts_total", "Tasks decided, by verdict", "verdict", &VERDICTS)?,
            handoffs: one("argus_handoffs_total", "Permissions to act that were given to a keeper")?,
            broadcasts: one("argus_broadcasts_total", "Transactions that a keeper said it sent")?,
            receipts: many(
                "argus_receipts_total",
                "Calls that the chain showed, by whether the target took them",
                "success",
                &["true", "false"],
            )?,
            revoked: one("argus_receipts_revoked_total", "Calls that a reorg took back")?,
            confirmed: one("argus_tasks_confirmed_total", "Tasks whose call is as deep as its job asks")?,
            lapsed: one("argus_tasks_lapsed_total", "Agreed tasks whose time passed without a call")?,
            challenges: one("argus_challenges_total", "Replays that disagreed with what a keeper signed")?,
            disagreements: one(
                "argus_disagreements_total",
                "Attempts whose keepers did not agree, and runs that other keepers refuted",
            )?,
        })
    }

    fn counter(&self, fact: &Fact) -> Option<IntCounter> {
        match fact {
            Fact::Attempted(_) => Some(self.attempts.clone()),
            Fact::Settled(s) => Some(self.verdicts.with_label_values(&[verdict_name(&s.verdict)])),
            Fact::HandedOff(_) => Some(self.handoffs.clone()),
            Fact::Broadcast(_) => Some(self.broadcasts.clone()),
            Fact::Received(r) => Some(self.receipts.with_label_values(&[&r.success.to_string()])),
            Fact::Revoked { .. } => Some(self.revoked.clone()),
            Fact::Confirmed { .. } => Some(self.confirmed.clone()),
            Fact::Lapsed { .. } => Some(self.lapsed.clone()),
            Fact::Challenged(_) => Some(self.challenges.clone()),
            Fact::Disagreed(_) => Some(self.disagreements.clone()),
            Fact::Observed(_) | Fact::Claimed(_) | Fact::Announced { .. } | Fact::TriggerLost { .. } => None,
        }
    }
}

const VERDICTS: [&str; 5] = ["agreed", "skipped", "failed", "withdrawn", "exhausted"];

fn verdict_name(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Agreed(_) => "agreed",
        Verdict::Skipped(_) => "skipped",
        Verdict::Failed(_) => "failed",
        Verdict::Withdrawn(_) => "withdrawn",
        Verdict::Exhausted(_) => "exhausted",
    }
}

#[async_trait]
impl TaskStore for CountedTasks {
    async fn open(&self, tasks: Vec<(Task, Cursor)>) -> Result<Vec<OpenOutcome>, StoreError> {
        let outcomes = self.inner.open(tasks).await?;
        let opened = outcomes.iter().filter(|outcome| matches!(outcome, OpenOutcome::Opened)).count();
        self.opened.inc_by(opened as u64);
        Ok(outcomes)
    }

    async fn record(&self, facts: Vec<Fact>) -> Result<Vec<Recorded>, StoreError> {
        let counters: Vec<_> = facts.iter().map(|fact| self.counter(fact)).collect();
        let outcomes = self.inner.record(facts).await?;
        for (outcome, counter) in outcomes.iter().zip(counters) {
            if let (Recorded::New, Some(counter)) = (outcome, counter) {
                counter.inc();
            }
        }
        Ok(outcomes)
    }

    async fn tasks(&self, ids: &[TaskId]) -> Result<Vec<TaskRecord>, StoreError> {
        self.inner.tasks(ids).await
    }

    async fn unfinished(&self, after: Option<TaskId>, limit: u32) -> Result<Vec<TaskRecord>, StoreError> {
        self.inner.unfinished(after, limit).await
    }

    async fn list(
        &self,
        query: TaskQuery,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<TaskRecord>, StoreError> {
        self.inner.list(query, before, limit).await
    }

    async fn by_public_id(&self, id: u64) -> Result<Option<TaskRecord>, StoreError> {
        self.inner.by_public_id(id).await
    }
}

/// Figures that a service keeps itself, read whenever somebody asks.
struct Kept<F> {
    names: Vec<Desc>,
    read: F,
}

impl<F: Fn() -> Vec<Box<dyn Collector>> + Send + Sync> Collector for Kept<F> {
    fn desc(&self) -> Vec<&Desc> {
        self.names.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        (self.read)().iter().flat_map(|figure| figure.collect()).collect()
    }
}

fn register_kept<F>(registry: &Registry, read: F) -> Result<(), prometheus::Error>
where
    F: Fn() -> Vec<Box<dyn Collector>> + Send + Sync + 'static,
{
    let names = read().iter().flat_map(|figure| figure.desc().into_iter().cloned()).collect();
    registry.register(Box::new(Kept { names, read }))
}

/// The scheduler's own counters.
pub fn register_scheduler(
    scheduler: argus_scheduler::Handle,
    registry: &Registry,
) -> Result<(), prometheus::Error> {
    register_kept(registry, move || {
        let m = scheduler.metrics();
        let counter = |name: &str, help: &str, value: u64| {
            let counter = IntCounter::new(name, help).ok()?;
            counter.inc_by(value);
            Some(Box::new(counter) as Box<dyn Collector>)
        };
        [
            ("argus_scheduler_repeated_total", "Openings of tasks that were open", &m.repeated),
            ("argus_scheduler_stale_total", "Openings that another write forestalled", &m.stale),
            (
                "argus_scheduler_submit_failed_total",
                "Tasks that the dispatcher did not take at once",
                &m.submit_failed,
            ),
            (
                "argus_scheduler_failed_cycles_total",
                "Cycles given up: a store or a chain failed",
                &m.failed_cycles,
            ),
            ("argus_scheduler_readings_total", "Readings of value sources", &m.readings),
            ("argus_scheduler_failed_readings_total", "Readings that gave no value", &m.failed_readings),
            (
                "argus_scheduler_decisions_dropped_total",
                "Looks at triggers that opened no task and of which nothing is kept",
                &m.decisions_dropped,
            ),
            ("argus_scheduler_reorgs_total", "Reorgs seen", &m.reorgs),
        ]
        .into_iter()
        .filter_map(|(name, help, value)| counter(name, help, value.get()))
        .collect()
    })
}

/// Jobs that registries know otherwise than they are stored, as the reconciler last saw them.
pub fn register_registrations(
    counts: watch::Receiver<RegistrationCounts>,
    registry: &Registry,
) -> Result<(), prometheus::Error> {
    register_kept(registry, move || {
        let counts = *counts.borrow();
        let name = "argus_registrations";
        let help = "Jobs that a chain's registry knows otherwise than they are stored, by how";
        let gauges = IntGaugeVec::new(Opts::new(name, help), &["reason"]).ok();
        if let Some(gauges) = &gauges {
            for (reason, count) in [
                ("orphan", counts.orphans),
                ("deleted_on_chain", counts.deleted_on_chain),
                ("owner_differs", counts.owner_differs),
            ] {
                gauges.with_label_values(&[reason]).set(i64::try_from(count).unwrap_or(i64::MAX));
            }
        }
        gauges.into_iter().map(|gauges| Box::new(gauges) as Box<dyn Collector>).collect()
    })
}

/// Whether Redis answers, and how often this process did without it; nothing where there is none.
pub fn register_redis(redis: Option<Redis>, registry: &Registry) -> Result<(), prometheus::Error> {
    let Some(redis) = redis else { return Ok(()) };
    register_kept(registry, move || {
        let up = IntGauge::new("argus_redis_up", "Whether Redis answers: 1, or 0").ok();
        let lost = IntCounter::new("argus_redis_losses_total", "How often Redis went away").ok();
        let opts =
            Opts::new("argus_redis_fallbacks_total", "Questions that went on without Redis, by their use");
        let fallbacks = IntCounterVec::new(opts, &["use"]).ok();
        if let (Some(up), Some(lost), Some(fallbacks)) = (&up, &lost, &fallbacks) {
            up.set(i64::from(redis.is_up()));
            lost.inc_by(redis.losses());
            for of in Use::ALL {
                fallbacks.with_label_values(&[of.name()]).inc_by(redis.fallbacks(of));
            }
        }
        let figures = [up.map(boxed), lost.map(boxed), fallbacks.map(boxed)];
        figures.into_iter().flatten().collect()
    })
}

fn boxed(figure: impl Collector + 'static) -> Box<dyn Collector> {
    Box::new(figure)
}

/// The keepers, as health last saw them.
pub fn register_keepers(
    report: watch::Receiver<Report>,
    registry: &Registry,
) -> Result<(), prometheus::Error> {
    register_kept(registry, move || {
        let report = report.borrow();
        let in_hand =
            report.keepers.values().filter_map(|k| k.live.as_ref()).map(|live| i64::from(live.load));
        let gauge = |name: &str, help: &str, value: usize| {
            let gauge = IntGauge::new(name, help).ok()?;
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
            Some(Box::new(gauge) as Box<dyn Collector>)
        };
        [
            gauge("argus_keepers_registered", "Keepers in the registries", report.keepers.len()),
            gauge("argus_keepers_connected", "Registered keepers that were heard lately", report.live()),
            gauge(
                "argus_keepers_runs_in_hand",
                "Runs that connected keepers say they have in hand",
                in_hand.sum::<i64>() as usize,
            ),
        ]
        .into_iter()
        .flatten()
        .collect()
    })
}
