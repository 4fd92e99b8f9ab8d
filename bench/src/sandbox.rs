//! M2: what the sandbox costs over bare wasmtime, and what a whole run of a script in JavaScript takes.

use std::{sync::Arc, time::Instant};

use argus_domain::{limits::Limits, module::Language};
use argus_host::{Host, default_input, overhead};
use argus_ports::ModuleRunner;
use bytes::Bytes;

use crate::{
    measure::{Row, median, percentile},
    platform::host,
    work::{GUEST, SCRIPT},
};

const ROUNDS: usize = 9;
/// Enough that a turn lasts several ticks of the clock by which the kernel counts CPU time.
const RUNS: u32 = 20_000;

/// Runs on a current-thread runtime: the host reads its thread's CPU time.
pub async fn run() -> anyhow::Result<Vec<Row>> {
    let host = host(Default::default())?;
    let compiled = Sides::measure(&host, GUEST, Language::Wasm).await?;
    let script = Sides::measure(&host, SCRIPT, Language::JavaScript).await?;
    let p50 = p50_us(&host, SCRIPT, Language::JavaScript).await?;
    Ok(vec![
        Row {
            id: "M2".to_owned(),
            measure: "sandbox: a whole run over bare pooled wasmtime".to_owned(),
            value: compiled.full_us,
            unit: "us CPU",
            floor: Some(compiled.bare_us),
            ratio: Some(compiled.ratio),
            goal: "<= 1.5".to_owned(),
            met: Some(compiled.ratio <= 1.5),
            how: format!(
                "the same module on both sides (a core reactor that answers 11 bytes), {}; the whole run has \
                 look-up, slot, budgets, context, transcript and report besides",
                compiled.how
            ),
        },
        Row {
            id: "M2".to_owned(),
            measure: "sandbox: a whole run in JavaScript, p50".to_owned(),
            value: p50,
            unit: "us",
            floor: Some(script.bare_us),
            ratio: Some(script.ratio),
            goal: "<= 60".to_owned(),
            met: Some(p50 <= 60.0),
            how: format!(
                "wall time of {RUNS} runs, one after another, of a script that prints 11 bytes; {:.1} us CPU a run. \
                 The floor and the ratio are CPU: the same modules without the host, {}",
                script.full_us, script.how
            ),
        },
    ])
}

/// CPU of a run on both sides.
struct Sides {
    bare_us: f64,
    full_us: f64,
    ratio: f64,
    how: String,
}

impl Sides {
    async fn measure(host: &Host, source: &'static str, language: Language) -> anyhow::Result<Self> {
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            rounds
                .push(overhead::measure(host, Bytes::from_static(source.as_bytes()), language, RUNS).await?);
        }
        let of = |part: fn(&overhead::Overhead) -> f64| median(&rounds.iter().map(part).collect::<Vec<_>>());
        let ratios = rounds.iter().map(|round| round.ratio());
        let (low, high) = ratios.fold((f64::MAX, 0.0f64), |(low, high), r| (low.min(r), high.max(r)));
        Ok(Self {
            bare_us: of(|round| round.bare_ns) / 1e3,
            full_us: of(|round| round.full_ns) / 1e3,
            ratio: of(overhead::Overhead::ratio),
            how: format!(
                "thread CPU, {ROUNDS} rounds of {RUNS} runs a side in turns of {}, median of the rounds' ratios \
                 ({low:.2} to {high:.2})",
                RUNS / 20
            ),
        })
    }
}

async fn p50_us(host: &Host, source: &'static str, language: Language) -> anyhow::Result<f64> {
    let (source, input) = (Bytes::from_static(source.as_bytes()), Arc::new(default_input()));
    let mut times = Vec::with_capacity(RUNS as usize);
    for _ in 0..RUNS {
        let started = Instant::now();
        host.run(source.clone(), language, input.clone(), Limits::DEFAULT, Arc::default()).await?;
        times.push(started.elapsed().as_secs_f64() * 1e6);
    }
    Ok(percentile(&times, 50.0))
}
