//! M1: a run beside a process per run, as keepers without a sandbox start one: the same script, by node and `go run`.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use anyhow::{Context, ensure};
use argus_domain::{limits::Limits, module::Language, run::RunEnd};
use argus_host::{Host, default_input};
use argus_ports::ModuleRunner;
use bytes::Bytes;
use serde_json::Value;

use crate::{
    measure::{Row, Stopwatch, children_cpu, median},
    platform::host,
};

/// Parses three recorded answers, converts, sorts: a price feed without its network. Three languages, one result.
const RUST: &[u8] = include_bytes!("../../tests/guests/real/rust/quotes/module.wasm");
const JAVASCRIPT: &str = include_str!("../../tests/guests/real/js/quotes/script.js");
const GIVES: &str = r#"["312457",3]"#;

const ROUNDS: usize = 5;
/// Enough of both that a round lasts many ticks of the clock by which the kernel counts CPU time.
const PROCESSES: u32 = 10;
const RUNS: u32 = 20_000;

/// Where programs are looked for: node and go. What is absent is said, and its rows are left out.
pub async fn run(folders: &[PathBuf]) -> anyhow::Result<Vec<Row>> {
    let find = |name: &str| {
        let found = folders.iter().map(|folder| folder.join(name)).find(|program| program.is_file());
        if found.is_none() {
            println!("M1: NO {name} IS ON THE PATH: nothing was compared with it\n");
        }
        found
    };
    let real = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/guests/real");
    let peer = |program: Option<PathBuf>, script: &str| {
        program.map(|program| (program, real.join(script))).map(|(program, script)| {
            let mut command = Command::new(program);
            if script.extension().is_some_and(|ending| ending == "go") {
                command.arg("run");
            }
            command.arg(script);
            command
        })
    };
    let mut node = peer(find("node"), "js/quotes/script.js");
    let mut go = peer(find("go"), "go/quotes/script.go");
    let host = host(Default::default())?;
    let rust = Guest { host: &host, source: Bytes::from_static(RUST), language: Language::Wasm };
    let javascript =
        Guest { source: Bytes::from_static(JAVASCRIPT.as_bytes()), language: Language::JavaScript, ..rust };
    // Compilers, caches and pools are warm on every side.
    rust.cpu_us(RUNS / 10).await?;
    javascript.cpu_us(RUNS / 10).await?;
    node.iter_mut().chain(&mut go).try_for_each(|peer| cpu_us(peer, 1).map(drop))?;

    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let of = |peer: &mut Option<Command>| peer.as_mut().map(|peer| cpu_us(peer, PROCESSES)).transpose();
        rounds.push(Round {
            rust: rust.cpu_us(RUNS).await?,
            javascript: javascript.cpu_us(RUNS).await?,
            node: of(&mut node)?,
            go: of(&mut go)?,
        });
    }
    let rows = [
        row("compiled Rust guest, beside `node script.js`", 1_000.0, &rounds, |r| (r.rust, r.node)),
        row("compiled Rust guest, beside `go run`", 5_000.0, &rounds, |r| (r.rust, r.go)),
        row("JavaScript guest, beside `node script.js`", 1_000.0, &rounds, |r| (r.javascript, r.node)),
    ];
    Ok(rows.into_iter().flatten().collect())
}

/// CPU of one run or process on each side, µs.
struct Round {
    rust: f64,
    javascript: f64,
    node: Option<f64>,
    go: Option<f64>,
}

fn row(measure: &str, goal: f64, rounds: &[Round], sides: fn(&Round) -> (f64, Option<f64>)) -> Option<Row> {
    let (ours, peers): (Vec<f64>, Vec<f64>) =
        rounds.iter().map(sides).filter_map(|(ours, peer)| Some((ours, peer?))).unzip();
    let ratios: Vec<f64> = peers.iter().zip(&ours).map(|(peer, ours)| peer / ours).collect();
    let (low, high) = ratios.iter().fold((f64::MAX, 0.0f64), |(low, high), r| (low.min(*r), high.max(*r)));
    let ratio = median(&ratios);
    (!ratios.is_empty()).then(|| Row {
        id: "M1".to_owned(),
        measure: measure.to_owned(),
        value: median(&ours),
        unit: "us CPU",
        floor: Some(median(&peers)),
        ratio: Some(ratio),
        goal: format!(">= {goal:.0} times less"),
        met: Some(ratio >= goal),
        how: format!(
            "a script that parses three recorded answers, without network, the same in Rust, JavaScript and Go \
             (tests/guests/real/*/quotes), the same result on every side. The floor is the process, everything that \
             it starts included, user and system, build cache warm; the ratio is process over run. {ROUNDS} rounds of \
             {RUNS} runs and {PROCESSES} processes, median of the rounds' ratios ({low:.0} to {high:.0})"
        ),
    })
}

/// What one side runs.
struct Guest<'a> {
    host: &'a Host,
    source: Bytes,
    language: Language,
}

impl Guest<'_> {
    /// CPU of a run, µs: all of this process's threads.
    async fn cpu_us(&self, runs: u32) -> anyhow::Result<f64> {
        let (input, expected) = (Arc::new(default_input()), serde_json::from_str::<Value>(GIVES)?);
        let watch = Stopwatch::start();
        for _ in 0..runs {
            let run = self.host.run(
                self.source.clone(),
                self.language,
                input.clone(),
                Limits::DEFAULT,
                Arc::default(),
            );
            let end = run.await?.end;
            ensure!(matches!(&end, RunEnd::Value(value) if *value == expected), "it came to {end:?}");
        }
        Ok(watch.cpu().as_secs_f64() * 1e6 / f64::from(runs))
    }
}

/// CPU of a process that runs the script, µs.
fn cpu_us(command: &mut Command, processes: u32) -> anyhow::Result<f64> {
    let before = children_cpu();
    for _ in 0..processes {
        let output = command.output().with_context(|| format!("{command:?}"))?;
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(
            said.trim() == GIVES,
            "{command:?} gave {said:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(children_cpu().saturating_sub(before).as_secs_f64() * 1e6 / f64::from(processes))
}
