//! Guests with bytes changed, moved, doubled and left out: seeded, so that what one run finds another repeats.

use std::{
    io::{self, Write as _},
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use argus_domain::{limits::Limits, module::Language, run::RunEnd};
use argus_host::{Host, HostConfig, default_input};
use argus_ports::{ModuleRunner, RunnerError};
use bytes::Bytes;

use crate::{case::Case, world};

/// Longest time that one mutant may take, compilation included, on a busy machine too.
const EACH_MAX: Duration = Duration::from_secs(60);
/// Changes to one mutant at most.
const CHANGES_MAX: usize = 2;

/// xorshift64*: the same numbers everywhere.
pub struct Seeded(u64);

impl Seeded {
    /// From any seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Below `n`; 0 where `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16;
        usize::try_from(number).unwrap_or(0).checked_rem(n).unwrap_or(0)
    }
}

/// Some bytes, changed a little.
pub fn mutate(good: &[u8], others: &[Vec<u8>], random: &mut Seeded) -> Vec<u8> {
    /// Bytes at which encodings of numbers and types turn.
    const EDGES: [u8; 12] = [0, 1, 0x40, 0x41, 0x60, 0x6f, 0x70, 0x7b, 0x7f, 0x80, 0xfe, 0xff];
    let mut bytes = good.to_vec();
    for _ in 0..=random.below(CHANGES_MAX) {
        let at = random.below(bytes.len());
        let until = (at + 1 + random.below(16)).min(bytes.len());
        match random.below(7) {
            0 => bytes.get_mut(at).into_iter().for_each(|byte| *byte ^= 1 << random.below(8)),
            1 => bytes.get_mut(at).into_iter().for_each(|byte| *byte = EDGES[random.below(EDGES.len())]),
            2 => bytes.insert(at, u8::try_from(random.below(256)).unwrap_or(0)),
            3 => drop(bytes.drain(at..until)),
            4 => {
                let again = bytes[at..until].to_vec();
                bytes.splice(at..at, again);
            }
            5 => {
                let other = &others[random.below(others.len())];
                let from = random.below(other.len());
                let piece = other[from..(from + 8).min(other.len())].to_vec();
                bytes.splice(at..until, piece);
            }
            _ => bytes.truncate(at.max(8)),
        }
    }
    bytes
}

/// Good guests of every shape: modules as bytes, texts and scripts as they are.
pub fn good() -> Vec<(Language, Vec<u8>)> {
    let texts = [
        include_str!("../good/reactor.wat"),
        include_str!("../good/echo-command.wat"),
        include_str!("../good/sleep-command.wat"),
        include_str!("../hostile/floats.wat"),
        include_str!("../hostile/grow.wat"),
        include_str!("../hostile/table-grow.wat"),
        include_str!("../hostile/stdout.wat"),
        include_str!("../hostile/start-section.wat"),
    ];
    let binaries = texts.iter().filter_map(|text| wat::parse_str(text).ok());
    let mut good: Vec<(Language, Vec<u8>)> = binaries.map(|bytes| (Language::Wasm, bytes)).collect();
    good.extend(texts.iter().take(2).map(|text| (Language::Wasm, text.as_bytes().to_vec())));
    let script = include_str!("../real/ts/price-feed/script.ts");
    good.push((Language::TypeScript, script.into()));
    good.push((Language::JavaScript, include_str!("../hostile/fetch.js").into()));
    good
}

/// What came of mutants.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Refused before they ran.
    pub refused: u32,
    /// Ran, however they ended.
    pub ran: u32,
    /// Of these, gave a value.
    pub gave: u32,
}

/// Runs this many mutants.
///
/// # Errors
/// Where the host itself fails, or one takes longer than any limit allows; with what repeats it.
pub async fn run(host: &Host, seed: u64, count: u32) -> Result<Tally, String> {
    let good = good();
    let others: Vec<Vec<u8>> = good.iter().map(|(_, bytes)| bytes.clone()).collect();
    let mut random = Seeded::new(seed);
    let limits = Limits { fuel_max: 1_000_000, memory_bytes: 8 << 20, wall_ms: 5_000, ..Limits::DEFAULT };
    let input = Arc::new(default_input());
    let mut tally = Tally::default();
    for number in 0..count {
        let (language, bytes) = &good[random.below(good.len())];
        let mutant = Bytes::from(mutate(bytes, &others, &mut random));
        let started = Instant::now();
        match host.run(mutant, *language, input.clone(), limits, Arc::default()).await {
            Ok(report) => {
                tally.ran += 1;
                tally.gave += u32::from(matches!(report.end, RunEnd::Value(_)));
            }
            Err(RunnerError::Refused(_)) => tally.refused += 1,
            Err(other) => return Err(format!("seed {seed}, mutant {number}: {other}")),
        }
        if started.elapsed() > EACH_MAX {
            return Err(format!("seed {seed}, mutant {number} took {:?}", started.elapsed()));
        }
    }
    Ok(tally)
}

/// The program: a host whose compiler runs within it, so that what the compiler does is seen too.
pub fn main(seed: u64, count: u32) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let outcome =
        runtime.map_err(|e| e.to_string()).and_then(|runtime| runtime.block_on(watched(seed, count)));
    match outcome {
        Ok(tally) => {
            let said = format!(
                "{} ran, {} of them gave a value, {} were refused",
                tally.ran, tally.gave, tally.refused
            );
            match writeln!(io::stdout(), "{said}") {
                Ok(()) => ExitCode::SUCCESS,
                Err(_) => ExitCode::FAILURE,
            }
        }
        Err(reason) => {
            let _unheard = writeln!(io::stderr(), "{reason}");
            ExitCode::FAILURE
        }
    }
}

async fn watched(seed: u64, count: u32) -> Result<Tally, String> {
    let empty: Case = serde_json::from_str(r#"{"about":"nothing","expect":{"error":""}}"#)
        .map_err(|e| format!("an empty case: {e}"))?;
    let config = HostConfig { slots: 2, cache_dir: None, ..HostConfig::default() };
    let (host, _) = world::host_with(config, &empty);
    // Everything that is started or read once, by one good run in each language.
    for (language, bytes) in good() {
        let limits = Limits { fuel_max: 1_000_000, ..Limits::DEFAULT };
        let run = host.run(bytes.into(), language, Arc::new(default_input()), limits, Arc::default());
        run.await.map_err(|e| format!("a good guest: {e}"))?;
    }
    run(&host, seed, count).await
}
