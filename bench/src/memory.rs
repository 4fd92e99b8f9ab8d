//! What a million runs leave behind in memory.

use std::sync::Arc;

use anyhow::{Context, ensure};
use argus_domain::{
    limits::Limits,
    module::Language,
    run::{RunEnd, Transcript},
};
use argus_host::{Host, default_input};
use argus_ports::ModuleRunner;
use bytes::Bytes;

use crate::{
    measure::Row,
    platform::host,
    work::{GUEST, SCRIPT},
};

/// Before the first look: pools, caches and the allocator have what they keep.
const WARM: u32 = 20_000;

/// `runs` in all: a compiled guest, a script, and a script's replay, in turns.
pub async fn run(runs: u32) -> anyhow::Result<Vec<Row>> {
    let host = host(Default::default())?;
    turns(&host, WARM).await?;
    let before = resident()?;
    let mut peak = before;
    for _ in 0..10 {
        turns(&host, runs / 10).await?;
        peak = peak.max(resident()?);
    }
    let (after, growth) = (resident()?, peak / before);
    Ok(vec![Row {
        id: "RSS".to_owned(),
        measure: format!("resident memory after {runs} runs"),
        value: after,
        unit: "MB",
        floor: Some(before),
        ratio: Some(growth),
        goal: "flat (<= 1.05)".to_owned(),
        met: Some(growth <= 1.05),
        how: format!(
            "compiled guest, JavaScript and replay in turns, one at a time, in this process; the floor is the size \
             after {WARM} runs, the ratio the largest of ten looks over it"
        ),
    }])
}

async fn turns(host: &Host, runs: u32) -> anyhow::Result<()> {
    let (input, limits) = (Arc::new(default_input()), Limits::DEFAULT);
    let (guest, script) = (Bytes::from_static(GUEST.as_bytes()), Bytes::from_static(SCRIPT.as_bytes()));
    for _ in 0..runs / 3 {
        let script = || (script.clone(), Language::JavaScript, input.clone(), limits);
        let compiled = host.run(guest.clone(), Language::Wasm, input.clone(), limits, Arc::default()).await?;
        let (source, language, given, limits) = script();
        let live = host.run(source, language, given, limits, Arc::default()).await?;
        let (source, language, given, limits) = script();
        let again = host.replay(source, language, given, limits, Arc::new(Transcript::default())).await?;
        ensure!(matches!(compiled.end, RunEnd::Value(_)) && live == again, "{compiled:?} {live:?} {again:?}");
    }
    Ok(())
}

/// Resident size of this process, MB.
fn resident() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status").context("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kilobytes: f64 = line.trim_end_matches("kB").trim().parse()?;
    Ok(kilobytes / 1024.0)
}
