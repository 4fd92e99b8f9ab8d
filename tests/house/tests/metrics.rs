//! What is made from the table of metrics is what the table says, and promtool takes the alerts.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use argus_house_tests::{Faults, metrics, repo};

fn hold(rule: &str, faults: Faults) {
    assert!(faults.is_empty(), "{rule}:\n  {}\n", faults.join("\n  "));
}

/// What is committed against what was made, which is written where it can be copied from.
fn compare(path: &str, fresh: &str) -> Option<String> {
    let committed = fs::read_to_string(repo::root().join(path)).unwrap_or_default();
    if committed == fresh {
        return None;
    }
    let name = Path::new(path).file_name().expect("a name");
    let written = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&written, fresh).expect("it can be written");
    Some(format!("it is behind the table of metrics: cp {} {path}", written.display()))
}

#[test]
fn the_document_is_what_the_table_says() {
    hold("docs/metrics.md", compare("docs/metrics.md", &metrics::document()).into_iter().collect());
}

#[test]
fn the_dashboards_are_what_the_table_says() {
    let compared = |(name, fresh): (String, String)| compare(&format!("deploy/grafana/{name}"), &fresh);
    hold("deploy/grafana", metrics::dashboards().into_iter().filter_map(compared).collect());
}

#[test]
fn alerts_and_dashboards_name_metrics_of_the_table() {
    hold("every name is in the table", metrics::check_names(&repo::tracked_files()));
}

#[test]
fn every_row_is_registered() {
    hold("every row has a user", metrics::check_registered(&repo::tracked_files()));
}

#[test]
fn promtool_takes_configuration_and_alerts() {
    let Some(promtool) = promtool() else { return };
    let folder = repo::root().join("deploy/prometheus");
    // In its container the other configuration has the alerts beside it.
    let mounted = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compose-prometheus");
    fs::create_dir_all(&mounted).expect("a folder");
    for file in ["compose/prometheus.yml", "prometheus/alerts.yml"].map(Path::new) {
        let name = file.file_name().expect("a name");
        fs::copy(repo::root().join("deploy").join(file), mounted.join(name)).expect("copied");
    }
    for (folder, arguments) in [
        (&folder, ["check", "config", "prometheus.yml"]),
        (&folder, ["check", "rules", "alerts.yml"]),
        (&folder, ["test", "rules", "alerts_test.yml"]),
        (&mounted, ["check", "config", "prometheus.yml"]),
    ] {
        let done = Command::new(&promtool).current_dir(folder).args(arguments).output().expect("it runs");
        let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert!(done.status.success(), "promtool {}:\n{out}{err}", arguments.join(" "));
    }
}

/// An alert that nobody tests, or that tells nobody what to do, is none.
#[test]
fn every_alert_is_tested_and_says_what_to_do() {
    let folder = repo::root().join("deploy/prometheus");
    let alerts = fs::read_to_string(folder.join("alerts.yml")).expect("alerts.yml");
    let tests = fs::read_to_string(folder.join("alerts_test.yml")).expect("alerts_test.yml");
    let rules: Vec<&str> = alerts.split("- alert: ").skip(1).collect();
    assert!(!rules.is_empty());
    for rule in rules {
        let name = rule.lines().next().unwrap_or_default();
        assert!(tests.contains(&format!("alertname: {name}\n")), "{name} has no test");
        for part in ["severity: ", "summary: ", "meaning: ", "remedy: "] {
            assert!(rule.contains(part), "{name} has no {part}");
        }
    }
}

/// promtool of this machine, or the one that `scripts/setup test` installs. Where CI runs, its absence is a failure;
/// elsewhere it is said loudly.
fn promtool() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    places.extend(cache.map(|cache| cache.join("argus/tools/prometheus/usr/bin")));
    let found = places.into_iter().map(|place| place.join("promtool")).find(|file| file.is_file());
    if found.is_none() {
        let missing = "no promtool: run scripts/setup test";
        assert!(std::env::var_os("CI").is_none(), "{missing}");
        eprintln!("\n*** SKIPPED, no alert was tested: {missing} ***\n");
    }
    found
}
