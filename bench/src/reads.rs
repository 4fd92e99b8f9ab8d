//! M7r: reading jobs, and what a store full of them changes.

use std::path::Path;

use anyhow::bail;
use argus_domain::{Address, job::Mode, module::Cid, time::Timestamp};
use argus_memory::SystemClock;
use argus_ports::{Clock, CreateOutcome, JobStore};

use crate::{
    chain::CHAIN,
    edge::Edge,
    measure::{Row, median},
    work::{cursor, job, owner},
};

const ROUNDS: usize = 9;
/// Requests of one kind in a round.
const REQUESTS: u64 = 100;
/// Jobs of the store that is compared with.
const FEW: u64 = 100;
/// Jobs of a page.
const PAGE: u64 = 50;
/// Jobs that are stored at once.
const BATCH: u64 = 1_000;
/// Ids of stored jobs begin here, far from those of created ones.
const FIRST: u64 = 1 << 40;

/// What is asked for.
#[derive(Clone, Copy)]
enum Ask {
    /// POST /api/jobs.
    Create,
    /// GET one job.
    One,
    /// GET a full page of the owner's jobs.
    Page,
}

impl Ask {
    fn name(self) -> &'static str {
        match self {
            Self::Create => "POST /api/jobs",
            Self::One => "GET a job by id",
            Self::Page => "GET a page of 50 jobs",
        }
    }

    /// Asks for the `n`th time, of a store of so many jobs, µs.
    async fn of(self, edge: &Edge, jobs: u64, n: u64) -> anyhow::Result<f64> {
        // Everywhere in the store, and nowhere twice in a row.
        let id = FIRST + n * 7_919 % jobs;
        match self {
            Self::Create => edge.job().await,
            Self::One => edge.read(&format!("/jobs/user/{}/{id}", owner())).await,
            Self::Page => {
                let before = FIRST + PAGE + n * 7_919 % (jobs - PAGE);
                edge.read(&format!("/jobs/user/{}?limit={PAGE}&before={before}", owner())).await
            }
        }
    }
}

/// Measures with `many` jobs beside few.
pub async fn run(folder: &Path, many: u64) -> anyhow::Result<Vec<Row>> {
    let (few_folder, many_folder) = (folder.join("few"), folder.join("many"));
    for folder in [&few_folder, &many_folder] {
        std::fs::create_dir(folder)?;
    }
    let few = filled(&few_folder, FEW).await?;
    let full = filled(&many_folder, many).await?;
    let mut rows = vec![beside_hello(&few).await?];
    for ask in [Ask::Create, Ask::One, Ask::Page] {
        rows.push(beside_few(ask, &few, &full, many).await?);
    }
    Ok(rows)
}

/// The API over so many jobs of one owner.
async fn filled(folder: &Path, jobs: u64) -> anyhow::Result<Edge> {
    let edge = Edge::serve(folder).await?;
    let (now, target, script) = (SystemClock.now(), Address::repeat_byte(0xcc), Cid("measured".to_owned()));
    for first in (0..jobs).step_by(BATCH as usize) {
        let batch = (first..jobs.min(first + BATCH)).map(|n| {
            let job = job(FIRST + n, now, Mode::Solo, CHAIN, target, script.clone());
            let cursor = cursor(&job, 0, Timestamp::MAX);
            (job, cursor)
        });
        match JobStore::create(&*edge.store, batch.collect()).await? {
            CreateOutcome::Created(_) => {}
            other => bail!("the jobs were not stored: {other:?}"),
        }
    }
    Ok(edge)
}

async fn beside_hello(edge: &Edge) -> anyhow::Result<Row> {
    let (mut ratios, mut values, mut floors) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let (mut hello, mut one) = (Vec::new(), Vec::new());
        for n in 0..REQUESTS {
            hello.push(edge.greeting().await?);
            one.push(Ask::One.of(edge, FEW, n).await?);
        }
        if round > 0 {
            ratios.push(median(&one) / median(&hello));
            values.push(median(&one));
            floors.push(median(&hello));
        }
    }
    let ratio = median(&ratios);
    Ok(Row {
        id: "M7r".to_owned(),
        measure: format!("{}, p50, one client", Ask::One.name()),
        value: median(&values),
        unit: "us",
        floor: Some(median(&floors)),
        ratio: Some(ratio),
        goal: "<= 2x hello".to_owned(),
        met: Some(ratio <= 2.0),
        how: format!(
            "{ROUNDS} rounds of {REQUESTS} requests after one of warming up, over kept-alive loopback, in turns with a GET \
             of the word hello from an axum server; median of the rounds' ratios. Real API (key, rate, ownership, answer), \
             SQLite store of {FEW} jobs"
        ),
    })
}

async fn beside_few(ask: Ask, few: &Edge, full: &Edge, many: u64) -> anyhow::Result<Row> {
    let (mut ratios, mut values, mut floors) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let (mut of_few, mut of_many) = (Vec::new(), Vec::new());
        for n in 0..REQUESTS {
            of_few.push(ask.of(few, FEW, n).await?);
            of_many.push(ask.of(full, many, n).await?);
        }
        if round > 0 {
            ratios.push(median(&of_many) / median(&of_few));
            values.push(median(&of_many));
            floors.push(median(&of_few));
        }
    }
    let ratio = median(&ratios);
    Ok(Row {
        id: "M7r".to_owned(),
        measure: format!("{}, of {many} stored, p50", ask.name()),
        value: median(&values),
        unit: "us",
        floor: Some(median(&floors)),
        ratio: Some(ratio),
        goal: format!("<= 1.3x of {FEW} stored"),
        met: Some(ratio <= 1.3),
        how: format!(
            "{ROUNDS} rounds of {REQUESTS} requests after one of warming up, in turns with the same of an API over a store \
             of {FEW} jobs; all jobs have one owner; median of the rounds' ratios"
        ),
    })
}
