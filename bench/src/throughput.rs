//! M5, M5q: how many tasks a second one process takes from open to broadcast.

use std::{path::Path, sync::Arc, time::Duration, time::Instant};

use anyhow::{Context, bail};
use argus_domain::{
    Address,
    ids::{Serial, TaskId},
    job::{Job, Mode},
    task::{Fact, TaskRecord},
    time::Timestamp,
};
use argus_memory::SystemClock;
use argus_ports::{
    Clock, ContentStore, CreateOutcome, Dispatch, JobStore, OpenOutcome, Opening, TaskOf, TaskStore,
};
use bytes::Bytes;
use futures::{StreamExt, stream::FuturesUnordered};

use crate::{
    chain::{CHAIN, EXECUTOR, StubChain},
    counted::Counted,
    measure::{Row, Stopwatch},
    platform::{Plan, Platform, Seat, dev_signer},
    work::{GUEST, cursor, job, task},
};

/// Jobs whose tasks are opened in one write: the scheduler's batch of what is due in one instant.
const JOBS: usize = 125;
/// Batches of jobs, whose writes are under way at the same time: a scheduler that waited for each commit before it began
/// the next would be measured, and nothing else.
const BATCHES: u64 = 4;

/// How much is under way at once.
#[derive(Clone, Copy)]
pub struct Load {
    /// Tasks that are open and not broadcast yet.
    pub open: usize,
    /// Runs that a keeper takes at once: hides the commit that every claim waits for.
    pub capacity: u32,
}

/// Mode, keepers, names and goals.
pub struct Case {
    /// M5 or M5q.
    pub id: &'static str,
    mode: Mode,
    keepers: usize,
    asked: f64,
    goal: f64,
}

/// One keeper, mode `Solo`.
pub const SOLO: Case = Case { id: "M5", mode: Mode::Solo, keepers: 1, asked: 5_000.0, goal: 15_000.0 };
/// Three keepers, two of which have to agree.
pub const QUORUM: Case = Case {
    id: "M5q",
    mode: Mode::Quorum { keepers: 3, threshold: 2 },
    keepers: 3,
    asked: 2_000.0,
    goal: 8_000.0,
};

/// Opens tasks as fast as they are carried out.
struct Opener {
    jobs: Vec<(Job, Serial)>,
    round: u32,
    tasks: Arc<Counted>,
    dispatcher: argus_dispatcher::Handle,
}

impl Opener {
    async fn new(platform: &Platform, mode: Mode, batch: u64) -> anyhow::Result<Self> {
        let script = platform.content.put(Bytes::from_static(GUEST.as_bytes())).await?;
        let first = batch * JOBS as u64;
        // Far enough back that every task's instant has passed.
        let accepted_at = Timestamp(SystemClock.now().0 - 10_000_000);
        let target = Address::repeat_byte(0xcc);
        let jobs: Vec<Job> = (first + 1..=first + JOBS as u64)
            .map(|id| job(id, accepted_at, mode, CHAIN, target, script.clone()))
            .collect();
        let with_cursors = jobs.iter().map(|job| (job.clone(), cursor(job, 0, Timestamp::MAX))).collect();
        match JobStore::create(&*platform.store, with_cursors).await? {
            CreateOutcome::Created(serials) => Ok(Self {
                jobs: jobs.into_iter().zip(serials).collect(),
                round: 0,
                tasks: platform.counted.clone(),
                dispatcher: platform.dispatcher.clone(),
            }),
            other => bail!("the jobs were not stored: {other:?}"),
        }
    }

    /// One task of every job, opened in one write and submitted.
    async fn open(mut self) -> anyhow::Result<(Self, Vec<TaskId>)> {
        self.round += 1;
        let now = SystemClock.now();
        let tasks: Vec<Opening> = self
            .jobs
            .iter()
            .map(|(job, serial)| {
                let task = task(job, *serial, self.round, now);
                Opening::unfenced(task, cursor(job, self.round, Timestamp::MAX))
            })
            .collect();
        let ids: Vec<TaskId> = tasks.iter().map(|opening| opening.task.id).collect();
        let opened = self.tasks.open(tasks).await?;
        if opened.iter().any(|outcome| *outcome != OpenOutcome::Opened) {
            bail!("tasks were not opened");
        }
        let told: Vec<TaskOf> =
            ids.iter().zip(&self.jobs).map(|(id, (job, _))| TaskOf::job(job.id, *id)).collect();
        self.dispatcher.submit(&told).await?;
        Ok((self, ids))
    }
}

/// Runs one case for so many seconds.
pub async fn run(folder: &Path, case: &Case, load: Load, seconds: u64) -> anyhow::Result<Vec<Row>> {
    let Load { open, capacity } = load;
    let began = Instant::now();
    let mut chains = Vec::new();
    let mut seats = Vec::new();
    for n in 0..case.keepers {
        let chain = Arc::new(StubChain::new(began));
        seats.push(Seat { signer: dev_signer(1 + n)?, reader: chain.clone(), writer: chain.clone() });
        chains.push(chain);
    }
    let plan = Plan {
        chain: CHAIN,
        executor: EXECUTOR,
        reader: Arc::new(StubChain::new(began)),
        seats,
        capacity,
        // Blocks pass ten times a second here, and none is undone.
        fees: argus_keeper::Fees {
            look: Duration::from_millis(100),
            confirmations: 0,
            slots_max: 16_384,
            ..argus_keeper::Fees::default()
        },
        scheduler: None,
    };
    let mut platform = Platform::start(folder, plan).await?;
    let mut idle = Vec::new();
    for batch in 0..BATCHES {
        idle.push(Opener::new(&platform, case.mode, batch).await?);
    }
    let mut opened: Vec<TaskId> = Vec::new();
    let warm = Instant::now() + Duration::from_secs(2);
    let mut measured = None;
    let mut window = None;
    let end = warm + Duration::from_secs(seconds);
    let mut opening = FuturesUnordered::new();
    while Instant::now() < end {
        if measured.is_none() && Instant::now() >= warm {
            measured = Some((Stopwatch::start(), platform.counted.counts()));
        }
        platform.check()?;
        let there = opened.len() - platform.counted.counts().broadcasts;
        if there + (opening.len() + 1) * JOBS <= open
            && let Some(opener) = idle.pop()
        {
            opening.push(opener.open());
            continue;
        }
        tokio::select! {
            Some(done) = opening.next() => {
                let (opener, ids) = done?;
                idle.push(opener);
                opened.extend(ids);
            }
            () = platform.counted.more() => {}
        }
    }
    while let Some(done) = opening.next().await {
        opened.extend(done?.1);
    }
    if let Some((watch, before)) = measured {
        window = Some((watch.wall(), watch.cpu(), before, platform.counted.counts()));
    }
    let (wall, cpu, before, after) = window.context("nothing was measured: give it more seconds")?;
    // Whatever is open is carried out: nothing may be lost.
    let patience = Instant::now() + Duration::from_secs(60);
    while platform.counted.counts().broadcasts < opened.len() && Instant::now() < patience {
        platform.check()?;
        platform.counted.more().await;
    }
    let lost = opened.len() - platform.counted.counts().broadcasts;
    let taken: usize = chains.iter().map(|chain| chain.taken()).sum();
    let sample = opened.last().copied().context("no task was opened")?;
    let facts = platform.store.tasks(&[sample]).await?.first().map(kinds).unwrap_or_default();
    platform.stop().await;

    let tasks = (after.broadcasts - before.broadcasts) as f64;
    let rate = tasks / wall.as_secs_f64();
    let per_task = cpu.as_secs_f64() * 1e6 / tasks.max(1.0);
    let commits = (after.commits - before.commits).max(1) as f64;
    let new_facts = (after.facts - before.facts) as f64;
    let attempts = (after.attempts - before.attempts) as f64;
    let how = format!(
        "{} keeper(s) of capacity {capacity} in one process with dispatcher and aggregator, SQLite store and a \
         journal per keeper with an fsync per commit, secp256k1 signatures, stub chain (every transaction taken at once, \
         10 blocks a second), core WASM guest. Above the defaults: capacity, 16,384 nonces in use and a look every 100 ms \
         per keeper, a million tasks in the dispatcher's hands. {JOBS} tasks are opened per write, \
         {BATCHES} writes at once, {open} open at most; from \
         TaskStore::open to the Broadcast fact durable. {tasks:.0} tasks in {:.1} s after 2 s of warming up; {:.2} facts \
         a task ({facts}), {:.0} facts a call of record; {:.3} attempts a task. Of {} tasks opened in all {lost} had no \
         broadcast at the end; the chain took {taken} transactions",
        case.keepers,
        wall.as_secs_f64(),
        new_facts / tasks.max(1.0),
        new_facts / commits,
        attempts / tasks.max(1.0),
        opened.len(),
    );
    let name = if case.keepers == 1 { "Solo" } else { "Quorum, 2 of 3" };
    Ok(vec![
        Row {
            id: case.id.to_owned(),
            measure: format!("{name}: tasks, open to broadcast"),
            value: rate,
            unit: "tasks/s",
            floor: None,
            ratio: Some(rate / case.goal),
            goal: format!(">= {:.0} asked, >= {:.0} aimed at", case.asked, case.goal),
            met: Some(rate >= case.asked),
            how: how.clone(),
        },
        Row {
            id: case.id.to_owned(),
            measure: format!("{name}: CPU time of the process"),
            value: per_task,
            unit: "us/task",
            floor: None,
            ratio: None,
            goal: String::new(),
            met: None,
            how: format!(
                "CPU of all threads over the same tasks, the opening of tasks included; {:.2} cores busy",
                cpu.as_secs_f64() / wall.as_secs_f64()
            ),
        },
    ])
}

/// The names of a task's facts.
fn kinds(record: &TaskRecord) -> String {
    let name = |fact: &Fact| match fact {
        Fact::Attempted(_) => "Attempted",
        Fact::Observed(_) => "Observed",
        Fact::Claimed(_) => "Claimed",
        Fact::Settled(_) => "Settled",
        Fact::Announced { .. } => "Announced",
        Fact::HandedOff(_) => "HandedOff",
        Fact::Broadcast(_) => "Broadcast",
        Fact::Received(_) => "Received",
        _ => "other",
    };
    record.facts.iter().map(name).collect::<Vec<_>>().join(" ")
}
