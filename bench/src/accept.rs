//! M7: POST /api/jobs to durable, beside HTTP alone and fdatasync alone.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use tokio::task::JoinSet;

use crate::{
    edge::{Edge, body},
    measure::{Row, Stopwatch, fdatasyncs, median, percentile},
};

const ROUNDS: usize = 9;
/// Requests of one kind in a round.
const REQUESTS: usize = 100;
/// Clients that send at once where it is about rates.
const CLIENTS: usize = 64;
/// Seconds after which the store's log should have stopped growing.
const LOG_MAX: usize = 30;

/// Requests a second and CPU time per request of `CLIENTS` clients at once.
async fn rate(edge: &Arc<Edge>, seconds: u64, is_job: bool) -> anyhow::Result<(f64, f64)> {
    let watch = Stopwatch::start();
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let edge = Arc::clone(edge);
        clients.spawn(async move {
            let mut count = 0u64;
            while Instant::now() < end {
                if is_job {
                    edge.job().await?
                } else {
                    edge.hello().await?
                };
                count += 1;
            }
            anyhow::Ok(count)
        });
    }
    let mut count = 0;
    while let Some(one) = clients.join_next().await {
        count += one??;
    }
    let count = count as f64;
    Ok((count / watch.wall().as_secs_f64(), watch.cpu().as_secs_f64() * 1e6 / count.max(1.0)))
}

/// Sends requests until the store's log has its size: a commit that makes a file longer takes twice as long, and a
/// platform that has run for a minute makes none.
async fn settle(edge: &Arc<Edge>, folder: &Path) -> anyhow::Result<()> {
    let log = folder.join("argus.db-wal");
    let mut length = 0;
    for _ in 0..LOG_MAX {
        rate(edge, 1, true).await.context("the API refuses the job that is measured with")?;
        let now = std::fs::metadata(&log)?.len();
        if now == length {
            for _ in 0..REQUESTS {
                edge.job().await?;
                edge.hello().await?;
            }
            return Ok(());
        }
        length = now;
    }
    bail!("the store's log still grows after {LOG_MAX} s of writing")
}

/// Measures for about so many seconds per kind of request.
pub async fn run(folder: &Path, seconds: u64) -> anyhow::Result<Vec<Row>> {
    let edge = Arc::new(Edge::serve(folder).await?);
    settle(&edge, folder).await?;
    let (mut ratios, mut values, mut floors, mut all) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut hellos, mut syncs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (mut hello, mut job) = (Vec::new(), Vec::new());
        let sync = tokio::task::block_in_place(|| fdatasyncs(folder, REQUESTS))?;
        for _ in 0..REQUESTS {
            hello.push(edge.hello().await?);
            job.push(edge.job().await?);
        }
        let floor = median(&hello) + median(&sync);
        ratios.push(median(&job) / floor);
        values.push(median(&job));
        floors.push(floor);
        hellos.push(median(&hello));
        syncs.push(median(&sync));
        all.extend(job);
    }
    let (hello_rate, hello_cpu) = rate(&edge, seconds.min(5), false).await?;
    let (job_rate, job_cpu) = rate(&edge, seconds.min(5), true).await?;
    let ratio = median(&ratios);
    Ok(vec![
        Row {
            id: "M7".to_owned(),
            measure: "POST /api/jobs to durable, p50, one client".to_owned(),
            value: median(&values),
            unit: "us",
            floor: Some(median(&floors)),
            ratio: Some(ratio),
            goal: "<= 1.5x (HTTP + fdatasync)".to_owned(),
            met: Some(ratio <= 1.5),
            how: format!(
                "{ROUNDS} rounds of {REQUESTS} requests over kept-alive loopback, hello and job in turns, once the \
                 store's log has its size; the floor is the \
                 p50 of the same body sent to a server that says its length ({:.0} us) plus the p50 of a 4 KiB write with \
                 fdatasync on the same disk ({:.0} us), each of the same round; median of the rounds' ratios; job p99 {:.0} \
                 us. Real API (key, rate, validation, answer), SQLite store, one job of {} bytes a request",
                median(&hellos),
                median(&syncs),
                percentile(&all, 99.0),
                body(1).len(),
            ),
        },
        Row {
            id: "M7".to_owned(),
            measure: format!("POST /api/jobs, {CLIENTS} clients at once"),
            value: job_rate,
            unit: "jobs/s",
            floor: Some(hello_rate),
            ratio: Some(job_rate / hello_rate),
            goal: ">= 0.2x hello".to_owned(),
            met: Some(job_rate >= 0.2 * hello_rate),
            how: format!(
                "clients and servers in this process, {} s each; CPU {job_cpu:.0} us a job and {hello_cpu:.0} us a hello, \
                 the client's part included",
                seconds.min(5)
            ),
        },
    ])
}
