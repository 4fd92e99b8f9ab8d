//! What runs leave behind in memory: nothing. `ARGUS_RUNS=1000000` asks for a million of them.

use std::sync::Arc;

use argus_guests_tests::{find, host, setting};
use argus_ports::ModuleRunner;

const RUNS: u64 = 20_000;
/// Runs after which caches, pools and the allocator have what they keep.
const WARM: u64 = 4_000;
/// What the process may grow by after that: a kilobyte left behind by each run would be twice this.
const GROWTH_MAX: u64 = 8 << 20;

/// Resident size of this process, bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    let kilobytes: u64 = line.trim_end_matches("kB").trim().parse().expect("kB");
    kilobytes * 1024
}

/// A script and a compiled guest that make calls, and the replay of each, one after the other.
#[tokio::test]
async fn runs_leave_nothing_behind() {
    let runs = setting("ARGUS_RUNS", RUNS).max(WARM * 2);
    let cases: Vec<_> = [("ts", "ts/price-feed"), ("c", "c/gas-price")]
        .map(|(language, name)| find(language).into_iter().find(|found| found.name == name).expect(name))
        .map(|found| {
            let input = found.case.input().expect(&found.name).0;
            (host(&found.case).0, Arc::new(input), found)
        })
        .into();
    let mut after_warming = None;
    for number in 0..runs / 4 {
        for (host, input, found) in &cases {
            let (source, limits) = (found.source.clone(), found.limits());
            let run = host.run(source.clone(), found.language, input.clone(), limits, Arc::default());
            let run = run.await.expect(&found.name);
            assert!(run.host_calls > 0, "{}: {:?}", found.name, run.end);
            let transcript = Arc::new(run.transcript.clone());
            let again = host.replay(source, found.language, input.clone(), limits, transcript).await;
            assert_eq!(Ok(run), again, "{}", found.name);
        }
        if number * 4 == WARM {
            after_warming = Some(resident());
        }
    }
    let before = after_warming.expect("more runs than the warming takes");
    let growth = resident().saturating_sub(before);
    eprintln!("{runs} runs: {} MB, grown by {} KB since the first {WARM}", before >> 20, growth >> 10);
    assert!(growth <= GROWTH_MAX, "{runs} runs: the process grew by {growth} bytes");
}
