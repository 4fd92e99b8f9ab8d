//! Clocks, percentiles, and what the machine itself can do while we measure.

use std::{
    fs::File,
    hint::black_box,
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context;
use argus_host::cpu;
use serde::Serialize;

/// One figure beside its floor.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Which of the goals it belongs to.
    pub id: String,
    /// What was measured.
    pub measure: String,
    /// The figure.
    pub value: f64,
    /// Of the figure and its floor.
    pub unit: &'static str,
    /// The same unit, measured in the same run: what no program of this kind gets below (or above).
    pub floor: Option<f64>,
    /// Value over floor.
    pub ratio: Option<f64>,
    /// What is aimed at, in words.
    pub goal: String,
    /// Whether it is reached; `None` where a row only informs.
    pub met: Option<bool>,
    /// How it was measured.
    pub how: String,
}

/// Wall and CPU time since an instant: CPU of the whole process, all threads, user and system.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch {
    wall: Instant,
    cpu: Duration,
}

impl Stopwatch {
    /// From now on.
    pub fn start() -> Self {
        Self { wall: Instant::now(), cpu: cpu::process() }
    }

    /// Wall time since.
    pub fn wall(&self) -> Duration {
        self.wall.elapsed()
    }

    /// CPU time since.
    pub fn cpu(&self) -> Duration {
        cpu::process().saturating_sub(self.cpu)
    }
}

/// CPU time of the processes that this one has started and waited for, and of theirs.
///
/// From /proc/self/stat, user and system, to a hundredth of a second; zero where there is no /proc.
pub fn children_cpu() -> Duration {
    // Fields 16 and 17; the third is the first behind the program's name, which may hold spaces; in ticks of 10 ms on every Linux.
    let ticks = std::fs::read_to_string("/proc/self/stat").ok().and_then(|stat| {
        let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(13);
        Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
    });
    Duration::from_millis(10 * ticks.unwrap_or_default())
}

/// A percentile of what was measured; 0 where nothing was.
pub fn percentile(values: &[f64], percent: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let at = (percent / 100.0 * sorted.len().saturating_sub(1) as f64).round() as usize;
    sorted.get(at).copied().unwrap_or_default()
}

/// The middle one.
pub fn median(values: &[f64]) -> f64 {
    percentile(values, 50.0)
}

/// The machine during this run.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// Wall over CPU time of a loop that only computes: above 1 somebody else had the core.
    pub spin: f64,
    /// Middle time of a write of 4 KiB with fdatasync, µs.
    pub fdatasync_us: f64,
    /// Load averages over 1, 5 and 15 minutes.
    pub load: String,
    /// Cores.
    pub cores: usize,
    /// Whether wall times of this run say little.
    pub contended: bool,
}

/// Above this, wall times are not to be trusted.
const CONTENDED_ABOVE: f64 = 1.5;

/// Measures the machine; `folder` is on the disk that matters.
pub fn machine(folder: &Path) -> anyhow::Result<Machine> {
    let spins: Vec<f64> = (0..7).map(|_| spin(Duration::from_millis(100))).collect();
    let spin = median(&spins);
    Ok(Machine {
        spin,
        fdatasync_us: median(&fdatasyncs(folder, 200)?),
        load: std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim().to_owned(),
        cores: std::thread::available_parallelism().map_or(1, Into::into),
        contended: spin > CONTENDED_ABOVE,
    })
}

fn spin(for_wall: Duration) -> f64 {
    let began = Instant::now();
    let before = cpu::thread();
    let mut x = 0u64;
    while began.elapsed() < for_wall {
        for n in 0..20_000u64 {
            x = black_box(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(n));
        }
    }
    began.elapsed().as_secs_f64() / cpu::thread().saturating_sub(before).as_secs_f64()
}

/// Times of a write of 4 KiB at the end of a file, made durable, µs.
pub fn fdatasyncs(folder: &Path, count: usize) -> anyhow::Result<Vec<f64>> {
    let path = folder.join("fdatasync");
    let mut file = File::create(&path).with_context(|| path.display().to_string())?;
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let began = Instant::now();
        file.write_all(&[0x5a; 4096])?;
        file.sync_data()?;
        times.push(began.elapsed().as_secs_f64() * 1e6);
    }
    std::fs::remove_file(&path)?;
    Ok(times)
}
