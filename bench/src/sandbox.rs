//! M2: what the sandbox costs over bare wasmtime.

use argus_domain::module::Language;
use argus_host::overhead;
use bytes::Bytes;

use crate::{
    measure::{Row, median},
    platform::host,
    work::GUEST,
};

const ROUNDS: usize = 9;
/// Enough that a turn lasts several ticks of the clock by which the kernel counts CPU time.
const RUNS: u32 = 20_000;

/// Runs on a current-thread runtime: the host reads its thread's CPU time.
pub async fn run() -> anyhow::Result<Vec<Row>> {
    let host = host(Default::default())?;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push(
            overhead::measure(&host, Bytes::from_static(GUEST.as_bytes()), Language::Wasm, RUNS).await?,
        );
    }
    let ratios: Vec<f64> = rounds.iter().map(|round| round.ratio()).collect();
    let of =
        |part: fn(&overhead::Overhead) -> f64| median(&rounds.iter().map(part).collect::<Vec<_>>()) / 1e3;
    let ratio = median(&ratios);
    let (low, high) = ratios.iter().fold((f64::MAX, 0.0f64), |(l, h), r| (l.min(*r), h.max(*r)));
    Ok(vec![Row {
        id: "M2".to_owned(),
        measure: "sandbox: a whole run over bare pooled wasmtime".to_owned(),
        value: of(|round| round.full_ns),
        unit: "us CPU",
        floor: Some(of(|round| round.bare_ns)),
        ratio: Some(ratio),
        goal: "<= 3 asked, <= 1.5 aimed at".to_owned(),
        met: Some(ratio <= 3.0),
        how: format!(
            "the same module on both sides (a core reactor that answers 11 bytes), thread CPU, {ROUNDS} rounds of \
             {RUNS} runs a side in turns of {}, median of the rounds' ratios ({low:.2} to {high:.2}); the whole run has \
             look-up, slot, budgets, context, transcript and report besides",
            RUNS / 20
        ),
    }])
}
