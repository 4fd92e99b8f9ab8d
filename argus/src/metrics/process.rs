//! What the system knows of this process.

use std::{fs, time::Duration};

use argus_domain::time::Timestamp;
use argus_metrics::{Figures, Role, Sample, Unregistered, Value, table};
use rustix::{
    param::{clock_ticks_per_second, page_size},
    process::{Resource, getrlimit},
};

/// What it is, and what it uses. What the system does not tell is not shown.
pub fn register_process(
    figures: &Figures,
    roles: impl IntoIterator<Item = Role>,
    began: Timestamp,
) -> Result<(), Unregistered> {
    figures.gauges(&table::BUILD_INFO)?.of(&[env!("CARGO_PKG_VERSION")]).set(1);
    let running = figures.gauges(&table::ROLE_INFO)?;
    for role in roles {
        running.of(&[role.name()]).set(1);
    }
    figures.gauge(&table::PROCESS_START)?.set(began.0 / 1000);
    let single = |value: Option<Value>| value.into_iter().map(|value| Sample::of(&[], value)).collect();
    figures.read(&table::PROCESS_CPU, move || single(cpu().map(Value::Time)))?;
    figures.read(&table::PROCESS_MEMORY, move || single(resident().map(Value::Count)))?;
    figures.read(&table::PROCESS_FILES, move || {
        let open = fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count() as u64);
        single(open.map(Value::Count))
    })?;
    figures.read(&table::PROCESS_FILES_MAX, move || {
        single(getrlimit(Resource::Nofile).current.map(Value::Count))
    })
}

/// Processor time: fields 14 and 15 of proc(5)'s `stat`, counted after the name, which may hold anything.
fn cpu() -> Option<Duration> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = text.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 1000 / clock_ticks_per_second().max(1)))
}

/// Resident memory: the second field of `statm`, in pages.
fn resident() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * page_size() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn the_system_tells_all_of_it() {
        let figures = Figures::default();
        register_process(&figures, [Role::Api], Timestamp(1_700_000_000_000)).expect("in the table");
        let text = figures.text().expect("text");
        for name in ["process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"] {
            assert!(text.lines().any(|line| line.starts_with(&format!("{name} "))), "{name}: {text}");
        }
        assert!(resident().is_some_and(|bytes| bytes > 1 << 20), "{:?}", resident());
        assert!(text.contains("process_start_time_seconds 1700000000\n"), "{text}");
    }
}
