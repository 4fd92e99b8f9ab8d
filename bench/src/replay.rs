//! M15: a replay beside the live run that it repeats, and how many live runs one thread carries.

use std::{
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use argus_domain::{limits::Limits, module::Language, run::RunEnd};
use argus_host::{Host, HostConfig, default_input};
use argus_ports::{Egress, EgressError, EgressRequest, EgressResponse, ModuleRunner, Reach};
use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::sync::oneshot;

use crate::measure::{Row, Stopwatch};

/// One call, and something made of its answer.
const SCRIPT: &str =
    "const r = await fetch('https://a.example/price'); console.log(JSON.stringify([(await r.json()).price]))";
const ANSWER: Duration = Duration::from_millis(5);
const RUNS: u32 = 400;
const IN_FLIGHT: u32 = 64;
const FLIGHTS: u32 = 20_000;

/// Every answer takes its time and little more: it comes from a thread of its own, as it would from elsewhere, because
/// the runtime's timer counts whole milliseconds, and 5 of them became 6.4.
struct Slow(mpsc::SyncSender<(Instant, oneshot::Sender<()>)>);

impl Slow {
    fn start() -> Self {
        // All wait equally long, so they are due in the order in which they came.
        let (sender, asked) = mpsc::sync_channel::<(Instant, oneshot::Sender<()>)>(IN_FLIGHT as usize);
        std::thread::spawn(move || {
            for (due, answer) in asked {
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                let _ = answer.send(());
            }
        });
        Self(sender)
    }
}

#[async_trait]
impl Egress for Slow {
    async fn fetch(&self, _: EgressRequest) -> Result<EgressResponse, EgressError> {
        let (answer, answered) = oneshot::channel();
        let gone = || EgressError::Transport("nobody answers any more".to_owned());
        self.0.send((Instant::now() + ANSWER, answer)).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?;
        let body = Bytes::from_static(br#"{"price":"1234.5"}"#);
        Ok(EgressResponse { status: 200, headers: Vec::new(), body })
    }

    fn check(&self, _: &str, _: &Reach) -> Result<(), EgressError> {
        Ok(())
    }
}

/// Runs on a current-thread runtime: all runs are on one thread.
pub async fn run() -> anyhow::Result<Vec<Row>> {
    let config = HostConfig { slots: IN_FLIGHT, ..HostConfig::default() };
    let host = Host::new(config, Arc::new(Slow::start()), Default::default())?;
    let (source, input) = (Bytes::from_static(SCRIPT.as_bytes()), Arc::new(default_input()));
    let live =
        || host.run(source.clone(), Language::JavaScript, input.clone(), Limits::DEFAULT, Arc::default());
    let first = live().await?;
    anyhow::ensure!(matches!(first.end, RunEnd::Value(_)), "the script failed: {:?}", first.end);

    let watch = Stopwatch::start();
    for _ in 0..RUNS {
        live().await?;
    }
    let live_us = watch.wall().as_secs_f64() * 1e6 / f64::from(RUNS);
    let transcript = Arc::new(first.transcript.clone());
    let watch = Stopwatch::start();
    for _ in 0..RUNS {
        let again = host.replay(
            source.clone(),
            Language::JavaScript,
            input.clone(),
            Limits::DEFAULT,
            transcript.clone(),
        );
        anyhow::ensure!(again.await?.fuel == first.fuel, "a replay is another run");
    }
    let replay_us = watch.wall().as_secs_f64() * 1e6 / f64::from(RUNS);

    let watch = Stopwatch::start();
    stream::iter(0..FLIGHTS)
        .map(|_| live())
        .buffer_unordered(IN_FLIGHT as usize)
        .try_for_each(|_| async { Ok(()) })
        .await?;
    let per_second = f64::from(FLIGHTS) / watch.wall().as_secs_f64();
    let most = f64::from(IN_FLIGHT) / ANSWER.as_secs_f64();
    let cpu_us = watch.cpu().as_secs_f64() * 1e6 / f64::from(FLIGHTS);
    let ratio = live_us / replay_us;
    Ok(vec![
        Row {
            id: "M15".to_owned(),
            measure: "replay of a script with one HTTP call of 5 ms".to_owned(),
            value: replay_us,
            unit: "us",
            floor: Some(live_us),
            ratio: Some(ratio),
            goal: ">= 20 times the live run".to_owned(),
            met: Some(ratio >= 20.0),
            how: format!(
                "JavaScript, {RUNS} runs each, one after another; the floor is the live run, the ratio live over replay"
            ),
        },
        Row {
            id: "M15".to_owned(),
            measure: format!("{IN_FLIGHT} runs in flight on one thread, HTTP 5 ms each"),
            value: per_second,
            unit: "runs/s",
            floor: Some(most),
            ratio: Some(per_second / most),
            goal: ">= 8,000 runs/s".to_owned(),
            met: Some(per_second >= 8_000.0),
            how: format!(
                "{FLIGHTS} runs of the same script, transcript on; {cpu_us:.0} us CPU a run. The floor is what the \
                 waiting alone allows"
            ),
        },
    ])
}
