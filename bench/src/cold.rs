//! M13: modules that an earlier process compiled: what a start costs that knows a thousand of them, and the first use
//! of each.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Instant};

use argus_domain::{limits::Limits, module::Language};
use argus_host::{Host, HostConfig};
use argus_http::HttpEgress;
use argus_ports::ModuleRunner;
use bytes::Bytes;

use crate::{
    measure::{Row, percentile},
    work::GUEST,
};

const MODULES: usize = 1_000;

/// Compiles them into `folder`, then starts anew beside them.
pub async fn run(folder: &Path) -> anyhow::Result<Vec<Row>> {
    let compiled = folder.join("compiled");
    let modules: Vec<Bytes> =
        (0..MODULES).map(|n| GUEST.replace("4096", &format!("{}", 4096 + 8 * n)).into()).collect();
    let first = host(&compiled)?;
    first.warm_up().await?;
    for module in &modules {
        first.admit(module.clone(), Language::Wasm, Limits::DEFAULT).await?;
    }
    drop(first);

    let started = Instant::now();
    let host = host(&compiled)?;
    host.warm_up().await?;
    let start_ms = started.elapsed().as_secs_f64() * 1e3;
    let mut uses = Vec::with_capacity(MODULES);
    for module in &modules {
        let used = Instant::now();
        host.admit(module.clone(), Language::Wasm, Limits::DEFAULT).await?;
        uses.push(used.elapsed().as_secs_f64() * 1e3);
    }
    let (p50, p99) = (percentile(&uses, 50.0), percentile(&uses, 99.0));
    let row = |measure: &str, value: f64, goal: &str, goal_ms: f64, how: String| Row {
        id: "M13".to_owned(),
        measure: measure.to_owned(),
        value,
        unit: "ms",
        floor: None,
        ratio: None,
        goal: goal.to_owned(),
        met: Some(value <= goal_ms),
        how,
    };
    Ok(vec![
        row(
            "start beside 1,000 compiled modules",
            start_ms,
            "<= 2,000",
            2_000.0,
            "a host made anew and its JavaScript engine mapped; modules are looked for when they are first used".to_owned(),
        ),
        row(
            "first use of a compiled module, p99",
            p99,
            "<= 1",
            1.0,
            format!(
                "text assembled and admitted, machine code read and authenticated in full, mapped and linked, {MODULES} \
                 modules one after another, in the page cache; p50 {p50:.2} ms"
            ),
        ),
    ])
}

fn host(compiled: &Path) -> anyhow::Result<Host> {
    let config =
        HostConfig { cache_dir: Some(compiled.to_owned()), ready_modules: MODULES, ..HostConfig::default() };
    Ok(Host::new(config, Arc::new(HttpEgress::new()?), BTreeMap::new())?)
}
