//! M14: from the instant that a job is due to the Broadcast fact, on a local chain, three keepers agreeing.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use argus_domain::{
    U256,
    ids::{ChainId, JobId, TaskId},
    job::{Cursor, Job, Mode},
    time::Timestamp,
};
use argus_evm::{
    ChainConfig, EvmChain,
    anvil::{Anvil, AnvilConfig},
    deploy,
};
use argus_memory::SystemClock;
use argus_ports::{Clock, ContentStore, CreateOutcome, JobStore, Nudge, Signer, TaskQuery, TaskStore};
use bytes::Bytes;

use crate::{
    measure::{Row, Stopwatch, percentile},
    platform::{Plan, Platform, Seat, dev_signer},
    work::{GUEST, cursor, job, owner},
};

/// Jobs that are due every second, each at another point of it: an arrival every 40 ms.
const JOBS: u64 = 25;
/// Tasks at least.
const TASKS_MIN: usize = 100;

/// Runs on an anvil of its own.
pub async fn run(folder: &Path, anvil: PathBuf, seconds: u64) -> anyhow::Result<Vec<Row>> {
    let anvil = Anvil::start(&AnvilConfig::new(anvil)).await?;
    let rows = on_chain(folder, &anvil, seconds).await;
    anvil.stop().await;
    rows
}

async fn on_chain(folder: &Path, anvil: &Anvil, seconds: u64) -> anyhow::Result<Vec<Row>> {
    let chain = ChainId(anvil.chain_id());
    let connect = || async { EvmChain::connect(&ChainConfig::new(chain, vec![anvil.http_url()])).await };
    let evm = Arc::new(connect().await?);
    let signers = [dev_signer(1)?, dev_signer(2)?, dev_signer(3)?];
    let plan = deploy::Plan {
        keepers: signers.iter().map(|signer| (signer.address(), 1_000)).collect(),
        quorum: 2,
        fee: U256::ZERO,
        deposits: vec![(owner(), U256::from(10).pow(U256::from(20)))],
        demo: true,
        safes: false,
    };
    let deployed = deploy::ensure(&*evm, &*dev_signer(9)?, &plan).await?;
    let mut seats = Vec::new();
    for signer in signers {
        let own = Arc::new(connect().await?);
        seats.push(Seat { signer, reader: own.clone(), writer: own });
    }
    let plan = Plan {
        chain,
        executor: deployed.contracts.executor,
        reader: evm,
        seats,
        capacity: 8,
        fees: argus_keeper::Fees::default(),
        scheduler: Some(argus_scheduler::Config::default()),
    };
    let mut platform = Platform::start(folder, plan).await?;
    let script = platform.content.put(Bytes::from_static(GUEST.as_bytes())).await?;
    let start = SystemClock.now().0 + 500;
    let target = deployed.target.context("no target was deployed")?;
    let mode = Mode::Quorum { keepers: 3, threshold: 2 };
    let jobs: Vec<(Job, Cursor)> = (0..JOBS)
        .map(|n| {
            let job = job(1 + n, Timestamp(start + n * 1000 / JOBS), mode, chain, target, script.clone());
            let first = cursor(&job, 0, Timestamp(job.accepted_at.0 + 1000));
            (job, first)
        })
        .collect();
    let ids: Vec<JobId> = jobs.iter().map(|(job, _)| job.id).collect();
    match JobStore::create(&*platform.store, jobs).await? {
        CreateOutcome::Created(_) => {}
        other => bail!("the jobs were not stored: {other:?}"),
    }
    platform.scheduler.as_ref().context("no scheduler")?.jobs_changed(&ids).await?;
    let needed = TASKS_MIN.max(JOBS as usize * seconds as usize);
    let give_up = Instant::now() + Duration::from_secs(60 + seconds);
    let watch = Stopwatch::start();
    while platform.counted.counts().broadcasts < needed && Instant::now() < give_up {
        platform.check()?;
        platform.counted.more().await;
    }
    let (wall, cpu) = (watch.wall(), watch.cpu());
    let end = SystemClock.now();
    let broadcasts: HashMap<TaskId, Timestamp> = platform.counted.broadcasts().into_iter().collect();
    let mut late = Vec::new();
    let mut missing = 0usize;
    // The first second warms up what is cold: the module's compilation and the connections.
    let from = Timestamp(start + 2_000);
    let mut stages: [Vec<f64>; 2] = [Vec::new(), Vec::new()];
    for id in ids {
        let tasks = TaskStore::list(&*platform.store, TaskQuery::Job(id), None, 10_000).await?;
        for record in tasks.iter().filter(|r| r.task.due >= from) {
            match broadcasts.get(&record.task.id) {
                Some(at) => {
                    late.push(at.0.saturating_sub(record.task.due.0) as f64);
                    stages[0].push(record.task.opened_at.0.saturating_sub(record.task.due.0) as f64);
                    let settled = record.state().agreed().is_some().then(|| settled_at(record)).flatten();
                    stages[1].extend(settled.map(|s| s.0.saturating_sub(record.task.due.0) as f64));
                }
                // Those of the last moment were still on their way.
                None if end.since(record.task.due) > Duration::from_secs(2) => missing += 1,
                None => {}
            }
        }
    }
    platform.stop().await;
    if late.is_empty() {
        bail!("no task was broadcast");
    }
    let (p50, p99) = (percentile(&late, 50.0), percentile(&late, 99.0));
    let how = format!(
        "{JOBS} jobs due every second, one every {} ms (open loop, timed from the due instant by the clock in ms), real \
         scheduler, dispatcher, aggregator and three keepers in one process, SQLite store and journals with an fsync per \
         commit, anvil with a block per transaction over HTTP, core WASM guest; {} tasks in {:.1} s, {missing} without a \
         broadcast after 2 s; opened p50 {:.0} ms, settled p50 {:.0} ms after due; slowest {:.0} ms; CPU {:.0} us a task \
         without anvil's",
        1000 / JOBS,
        late.len(),
        wall.as_secs_f64(),
        percentile(&stages[0], 50.0),
        percentile(&stages[1], 50.0),
        percentile(&late, 100.0),
        cpu.as_secs_f64() * 1e6 / late.len() as f64,
    );
    let row = |percent: &str, value: f64, asked: f64, goal: f64| Row {
        id: "M14".to_owned(),
        measure: format!("due to broadcast, three keepers, local chain, {percent}"),
        value,
        unit: "ms",
        floor: None,
        ratio: Some(value / goal),
        goal: format!("<= {asked:.0} asked, <= {goal:.0} aimed at"),
        met: Some(value <= asked),
        how: how.clone(),
    };
    Ok(vec![row("p50", p50, 100.0, 50.0), row("p99", p99, 500.0, 250.0)])
}

fn settled_at(record: &argus_domain::task::TaskRecord) -> Option<Timestamp> {
    record.facts.iter().find_map(|fact| match fact {
        argus_domain::task::Fact::Settled(settlement) => Some(settlement.at),
        _ => None,
    })
}
