//! What services and adapters keep of themselves, read whenever somebody asks.

use std::{collections::BTreeMap, future::Future, sync::Arc, time::Duration};

use argus_domain::{
    job::TriggerKind,
    lease::{ServiceKind, ShardSet},
};
use argus_lease::Handle;
use argus_metrics::{Figures, Metric, Sample, Unregistered, Value, table};
use argus_otlp::Tracer;
use argus_oversight::health::Report;
use argus_ports::{Clock, JobStore, RegistrationCounts, count::Queue};
use argus_redis::{Redis, Use};
use argus_sqlite::{SqliteStore, Writes};
use tokio::{sync::watch, time::sleep};

type Registered = Result<(), Unregistered>;

/// A number that somebody keeps.
fn number<F>(figures: &Figures, metric: &'static Metric, read: F) -> Registered
where
    F: Fn() -> u64 + Send + Sync + 'static,
{
    figures.read(metric, move || vec![Sample::count(read())])
}

/// Numbers with one label.
fn labelled<F, I>(figures: &Figures, metric: &'static Metric, read: F) -> Registered
where
    F: Fn() -> I + Send + Sync + 'static,
    I: IntoIterator<Item = (&'static str, u64)>,
{
    let samples =
        move || read().into_iter().map(|(label, n)| Sample::of(&[label], Value::Count(n))).collect();
    figures.read(metric, samples)
}

/// Whether Redis answers, and how often this process did without it.
pub fn register_redis(redis: &Redis, figures: &Figures) -> Registered {
    let r = redis.clone();
    number(figures, &table::REDIS_UP, move || u64::from(r.is_up()))?;
    let r = redis.clone();
    number(figures, &table::REDIS_LOSSES, move || r.losses())?;
    let r = redis.clone();
    labelled(figures, &table::REDIS_FALLBACKS, move || Use::ALL.map(|of| (of.name(), r.fallbacks(of))))
}

/// What becomes of spans.
pub fn register_traces(tracer: &Tracer, figures: &Figures) -> Registered {
    let counts = tracer.clone();
    let read = move || {
        let counts = counts.counts();
        [("sent", counts.sent()), ("lost", counts.lost())]
    };
    labelled(figures, &table::SPANS, read)
}

/// A queue: what waits, and how much at most.
fn queue<F>(figures: &Figures, name: &'static str, read: F) -> Registered
where
    F: Fn() -> Queue + Clone + Send + Sync + 'static,
{
    let bound = read.clone();
    labelled(figures, &table::QUEUE_LENGTH, move || [(name, read().length as u64)])?;
    labelled(figures, &table::QUEUE_BOUND, move || [(name, bound().bound as u64)])
}

/// The scheduler's own counters.
pub fn register_scheduler(scheduler: &argus_scheduler::Handle, figures: &Figures) -> Registered {
    type Read = fn(&argus_scheduler::Metrics) -> u64;
    let counters: [(&'static Metric, Read); 9] = [
        (&table::SCHEDULER_REPEATED, |m| m.repeated.get()),
        (&table::SCHEDULER_STALE, |m| m.stale.get()),
        (&table::SCHEDULER_FENCED, |m| m.fenced.get()),
        (&table::SCHEDULER_SUBMIT_FAILED, |m| m.submit_failed.get()),
        (&table::SCHEDULER_FAILED_CYCLES, |m| m.failed_cycles.get()),
        (&table::SCHEDULER_READINGS, |m| m.readings.get()),
        (&table::SCHEDULER_FAILED_READINGS, |m| m.failed_readings.get()),
        (&table::SCHEDULER_DECISIONS_DROPPED, |m| m.decisions_dropped.get()),
        (&table::SCHEDULER_REORGS, |m| m.reorgs.get()),
    ];
    for (metric, read) in counters {
        let scheduler = scheduler.clone();
        number(figures, metric, move || read(scheduler.metrics()))?;
    }
    let scheduler = scheduler.clone();
    queue(figures, "scheduler_nudges", move || scheduler.nudges())
}

/// What a service's member holds.
pub fn register_lease(kind: ServiceKind, lease: &Handle, figures: &Figures) -> Registered {
    let l = lease.clone();
    labelled(figures, &table::LEASE_SHARDS, move || [(kind.name(), l.held().len() as u64)])?;
    let l = lease.clone();
    labelled(figures, &table::LEASE_LOSSES, move || [(kind.name(), l.losses())])
}

/// Between two looks at what is due.
const DUE_LOOK: Duration = Duration::from_secs(10);
/// Jobs that are read in one look: past them it is a backlog, whatever its length.
const DUE_MAX: u32 = 1000;

/// Looks again and again at how many jobs' instants have come.
pub fn watch_due(
    jobs: Arc<dyn JobStore>,
    clock: Arc<dyn Clock>,
    figures: &Figures,
) -> Result<impl Future<Output = anyhow::Result<()>> + Send + 'static, Unregistered> {
    let due = figures.gauge(&table::SCHEDULER_DUE)?;
    Ok(async move {
        loop {
            // A store that fails is counted where it is called; the figure stays as it was.
            if let Ok(found) = jobs.due(TriggerKind::Time, ShardSet::ALL, clock.now(), DUE_MAX).await {
                due.set(found.len() as u64);
            }
            sleep(DUE_LOOK).await;
        }
    })
}

/// What the dispatcher has in hand.
pub fn register_dispatcher(
    dispatcher: &argus_dispatcher::Handle,
    clock: Arc<dyn Clock>,
    figures: &Figures,
) -> Registered {
    let d = dispatcher.clone();
    number(figures, &table::DISPATCHER_TASKS, move || d.metrics().tasks.get())?;
    let d = dispatcher.clone();
    number(figures, &table::DISPATCHER_FENCED, move || d.metrics().fenced.get())?;
    let d = dispatcher.clone();
    labelled(figures, &table::DISPATCHER_ATTEMPTS, move || {
        [("under_way", d.metrics().attempts.get()), ("waiting", d.metrics().waiting.get())]
    })?;
    let d = dispatcher.clone();
    figures.read(&table::DISPATCHER_OLDEST, move || {
        let age = match d.metrics().oldest_ms.get() {
            0 => 0,
            opened => clock.now().0.saturating_sub(opened),
        };
        vec![Sample::of(&[], Value::Time(Duration::from_millis(age)))]
    })?;
    let d = dispatcher.clone();
    queue(figures, "dispatcher_inbox", move || d.inbox())?;
    let d = dispatcher.clone();
    queue(figures, "dispatcher_effects", move || d.effects())
}

/// The aggregator's sessions and what it dropped.
pub fn register_aggregator(aggregator: &argus_aggregator::Handle, figures: &Figures) -> Registered {
    let a = aggregator.clone();
    number(figures, &table::AGGREGATOR_SESSIONS, move || a.keepers().len() as u64)?;
    let a = aggregator.clone();
    number(figures, &table::AGGREGATOR_RUNS, move || a.keepers().iter().map(|k| u64::from(k.load)).sum())?;
    let a = aggregator.clone();
    number(figures, &table::AGGREGATOR_CAPACITY, move || {
        a.keepers().iter().map(|k| u64::from(k.hello.capacity)).sum()
    })?;
    let a = aggregator.clone();
    number(figures, &table::AGGREGATOR_FULL, move || a.metrics().full.get())?;
    let a = aggregator.clone();
    number(figures, &table::AGGREGATOR_FAULTS, move || a.metrics().faults.get())?;
    let a = aggregator.clone();
    labelled(figures, &table::AGGREGATOR_DROPPED, move || {
        let m = a.metrics();
        [("to_keeper", m.dropped_to_keeper.get()), ("to_dispatcher", m.dropped_to_dispatcher.get())]
    })?;
    let a = aggregator.clone();
    queue(figures, "aggregator_inbox", move || a.inbox())?;
    let a = aggregator.clone();
    queue(figures, "aggregator_errands", move || a.errands())
}

/// The keepers of this process, together. Their intents are counted at their journals.
pub fn register_operators(keepers: Vec<argus_keeper::Handle>, figures: &Figures) -> Registered {
    let keepers: Arc<[argus_keeper::Handle]> = keepers.into();
    let sum = |metric, read: fn(&argus_keeper::Handle) -> u64| {
        let keepers = keepers.clone();
        number(figures, metric, move || keepers.iter().map(read).sum())
    };
    sum(&table::KEEPER_KEYS, |_| 1)?;
    sum(&table::KEEPER_CONNECTED, |k| u64::from(k.is_connected()))?;
    sum(&table::KEEPER_DIALS_FAILED, |k| k.metrics().dials_failed.get())?;
    sum(&table::KEEPER_RUNS, |k| k.runs().length as u64)?;
    sum(&table::KEEPER_CAPACITY, |k| k.runs().bound as u64)?;
    sum(&table::KEEPER_ANSWERS, |k| k.metrics().answers.get())?;
    sum(&table::KEEPER_DROPPED, |k| k.metrics().dropped.get())?;
    let all = |tally: fn(&argus_keeper::Metrics) -> &argus_ports::count::Tally| {
        let keepers = keepers.clone();
        move || keepers.iter().flat_map(|k| tally(k.metrics()).get()).collect::<Vec<_>>()
    };
    labelled(figures, &table::KEEPER_DECLINES, all(|m| &m.declines))?;
    labelled(figures, &table::KEEPER_ORDERS, all(|m| &m.orders))?;
    for keeper in &*keepers {
        let k = keeper.clone();
        queue(figures, "keeper_outbox", move || k.outbox())?;
        let k = keeper.clone();
        queue(figures, "keeper_orders", move || k.orders())?;
    }
    Ok(())
}

/// Jobs that registries know otherwise than they are stored, as the reconciler last saw them; nothing while another
/// process has it.
pub fn register_registrations(
    counts: watch::Receiver<RegistrationCounts>,
    lease: Handle,
    figures: &Figures,
) -> Registered {
    labelled(figures, &table::REGISTRATIONS, move || {
        let counts = leads(&lease).then(|| *counts.borrow());
        let shown = |counts: RegistrationCounts| {
            [
                ("orphan", counts.orphans),
                ("deleted_on_chain", counts.deleted_on_chain),
                ("owner_differs", counts.owner_differs),
            ]
        };
        counts.into_iter().flat_map(shown)
    })
}

/// The keepers, as health last saw them; nothing while another process has it.
pub fn register_keepers(report: watch::Receiver<Report>, lease: Handle, figures: &Figures) -> Registered {
    let number = |metric: &'static Metric, read: fn(&Report) -> u64| {
        let (report, lease) = (report.clone(), lease.clone());
        figures.read(metric, move || {
            leads(&lease).then(|| Sample::of(&[], Value::Count(read(&report.borrow())))).into_iter().collect()
        })
    };
    number(&table::KEEPERS_REGISTERED, |report| report.keepers.len() as u64)?;
    number(&table::KEEPERS_CONNECTED, |report| report.live() as u64)?;
    number(&table::KEEPERS_RUNS, |report| {
        report.keepers.values().filter_map(|k| k.live.as_ref()).map(|live| u64::from(live.load)).sum()
    })
}

/// Whether this process is the one that has a service whose work is one shard.
fn leads(lease: &Handle) -> bool {
    !lease.held().is_empty()
}

/// How the store's file is written.
pub fn register_writes(store: &SqliteStore, figures: &Figures) -> Registered {
    let s = store.clone();
    queue(figures, "store_writes", move || s.writes().queue)?;
    let by_how = |read: fn(Writes) -> (u64, u64)| {
        let store = store.clone();
        move || {
            let (in_place, group) = read(store.writes());
            BTreeMap::from([("in_place", in_place), ("group", group)])
        }
    };
    labelled(figures, &table::STORE_COMMITS, by_how(|w| (w.in_place, w.groups)))?;
    labelled(figures, &table::STORE_OPERATIONS, by_how(|w| (w.in_place, w.grouped)))?;
    let s = store.clone();
    number(figures, &table::STORE_REDONE, move || s.writes().redone)
}
