//! Figures: a real Prometheus reads every process of a platform.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

use argus_e2e::{
    Platform, Source, Start, Topology, jobs,
    process::{Process, leashed},
    story, until,
};
use argus_metrics::{Kind, Metric, Role, Values, table};
use serde_json::Value;

use crate::on;

#[test]
fn prometheus_reads_every_process() {
    let Some(prometheus) = argus_e2e::prometheus() else { return };
    on(&[Topology::Processes], async |topology| is_scraped(&prometheus, topology).await);
}

const SCRIPT: &str = r#"
export default async function () {
  const reply = await (await fetch("__SOURCE__")).json();
  return ["scraped", BigInt(reply.price)];
}
"#;

async fn is_scraped(prometheus: &Path, topology: Topology) {
    let folder = tempfile::tempdir().expect("a folder");
    let source = Source::serve(r#"{"price":"7"}"#).await;
    let start = Start::on(folder.path(), topology).allow(source.address);
    let platform = start.set("metrics.listen = \"127.0.0.1:0\"").run().await;
    let scraper = Scraper::start(prometheus, folder.path(), &platform).await;
    let script = platform.publish(&SCRIPT.replace("__SOURCE__", &source.url())).await;
    let job = platform.create(&jobs::scripted(&platform, &script, 2, 5)).await;
    let tasks = story::completed(&platform, &job, 2, 30).await;
    assert_eq!(tasks.len(), 2);

    // Each of them is up: five roles and three keepers, and the API at its own address besides.
    let up = until("every process is up", 30, async || {
        let up = scraper.ask("up").await;
        (up.len() == 9 && up.iter().all(|(_, value)| value == "1")).then_some(up)
    })
    .await;
    let names: BTreeSet<_> = up.iter().filter_map(|(labels, _)| labels["process"].as_str()).collect();
    let shown = scraper.ask("argus_role_info").await;
    let roles: BTreeSet<_> = shown.iter().filter_map(|(labels, _)| labels["role"].as_str()).collect();
    for role in ["api", "scheduler", "dispatcher", "aggregator", "oversight", "keeper"] {
        assert!(roles.contains(role), "{role}: {roles:?}");
    }
    for number in 1..=3 {
        assert!(names.contains(format!("keeper {number}").as_str()), "{names:?}");
    }

    // The tasks are counted where each step was taken, and nowhere twice.
    for (query, least) in [
        ("sum(argus_tasks_opened_total)", 2),
        ("sum(argus_task_lateness_seconds_count{trigger=\"time\"})", 2),
        ("sum(argus_verdicts_total{verdict=\"agreed\"})", 2),
        ("sum(argus_receipts_total{success=\"true\"})", 2),
        ("sum(argus_tasks_confirmed_total)", 2),
        ("sum(argus_aggregator_messages_total{message=\"answer\"})", 4),
        ("sum(argus_runs_total{kind=\"run\", outcome=\"value\"})", 4),
        ("sum(argus_keeper_orders_total{outcome=\"taken\"})", 2),
        ("sum(argus_keeper_connected)", 3),
        ("sum(argus_aggregator_sessions)", 3),
        ("sum(argus_chain_calls_total{method=\"send\", result=\"ok\"})", 2),
        ("sum(argus_store_calls_total{port=\"tasks\", verb=\"open\", result=\"ok\"})", 1),
        ("sum(argus_link_calls_total{link=\"dispatch\", result=\"ok\"})", 1),
        ("count(count by (instance) (process_resident_memory_bytes > 1000000))", 8),
    ] {
        until(query, 20, async || {
            let answer = scraper.ask(query).await;
            let value = answer.first().and_then(|(_, value)| value.parse::<u64>().ok());
            value.filter(|value| *value >= least)
        })
        .await;
    }
    let opened = scraper.ask("sum(argus_tasks_opened_total)").await;
    assert_eq!(opened.first().map(|(_, value)| value.as_str()), Some("2"), "{opened:?}");

    holds_to_the_table(folder.path()).await;
    drop(scraper);
    platform.stop().await;
}

/// Each process shows what its roles have in the table, and nothing else.
async fn holds_to_the_table(folder: &Path) {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let mut shown_by_any = BTreeSet::new();
    for (name, address) in targets(folder) {
        let text = client.get(format!("http://{address}/metrics")).send().await;
        let text = text.expect("an answer").text().await.expect("text");
        let families = families(&text);
        let roles: Vec<Role> = Role::ALL
            .iter()
            .copied()
            .filter(|role| text.contains(&format!("argus_role_info{{role=\"{}\"}} 1\n", role.name())))
            .collect();
        assert!(!roles.is_empty(), "{name} runs something: {text}");
        for (family, kind) in &families {
            let row =
                table::all().find(|row| row.name == family).unwrap_or_else(|| panic!("{name}: {family}"));
            assert_eq!(row.kind.name(), kind, "{name}: {family}");
            assert!(text.contains(&format!("# HELP {family} {}\n", row.help)), "{name}: {family}");
            assert!(
                row.roles.iter().any(|role| roles.contains(role)),
                "{name} runs {roles:?} and shows {family}"
            );
            shown_by_any.insert(family.clone());
        }
        for row in table::all().filter(|row| row.roles.iter().any(|role| roles.contains(role))) {
            assert!(
                families.contains_key(row.name) || may_be_silent(row),
                "{name} runs {roles:?} and lacks {}",
                row.name
            );
        }
        check_values(&name, &text);
    }
    let missing: Vec<_> = table::all()
        .filter(|row| !of_nothing_here(row) && !shown_by_any.contains(row.name))
        .map(|row| row.name)
        .collect();
    assert_eq!(missing, [""; 0], "nobody shows them");
}

/// Whether a row may have no series where nothing of its kind has happened: its labels' values are not all listed, or
/// it is read from what a process of this role need not have.
fn may_be_silent(row: &Metric) -> bool {
    let of_something = row.labels.iter().any(|label| matches!(label.values, Values::Of(_)));
    of_something
        || of_nothing_here(row)
        || row.name.starts_with("argus_queue_")
        || row.name == "argus_role_info"
}

/// Here is no Redis, no remote signer and no collector of traces, and so nothing is told of one.
fn of_nothing_here(row: &Metric) -> bool {
    ["argus_redis_", "argus_signer_", "argus_spans_total"].iter().any(|of| row.name.starts_with(of))
}

fn families(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    lines.map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect()
}

/// No label has a value that its row does not list, none looks like an id, and no process has too many series.
fn check_values(name: &str, text: &str) {
    let mut series = 0;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        series += 1;
        let Some((family, labels)) = line.split_once('{') else { continue };
        let labels = labels.rsplit_once('}').expect("its end").0;
        let is_row = |row: &&Metric| {
            let part = family.strip_prefix(row.name);
            part == Some("") || matches!(row.kind, Kind::Histogram(_)) && part.is_some()
        };
        let row = table::all().find(is_row).unwrap_or_else(|| panic!("{name}: {line}"));
        for (label, value) in labels.split("\",").filter_map(|pair| pair.split_once("=\"")) {
            let value = value.trim_end_matches('"');
            assert!(!value.contains("0x") && value.len() < 60, "{name}: {line}");
            let known = row.labels.iter().find(|known| known.name == label);
            match known.map(|known| &known.values) {
                Some(Values::Listed(listed)) => assert!(listed.contains(&value), "{name}: {line}"),
                Some(Values::Of(_)) => {}
                None => assert_eq!(label, "le", "{name}: {line}"),
            }
        }
    }
    assert!(series < 3000, "{name} shows {series} series");
}

/// Where each process of the platform shows its figures, by the process's name.
fn targets(folder: &Path) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(folder.join("metrics-targets.json")).expect("the targets");
    let rows: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    rows.iter().map(|row| (text(&row["labels"]["process"]), text(&row["targets"][0]))).collect()
}

/// A Prometheus that reads a platform, and its API.
struct Scraper {
    _process: Process,
    url: String,
    client: reqwest::Client,
}

impl Scraper {
    /// Starts it on a folder of the platform and waits until it answers.
    async fn start(program: &Path, folder: &Path, platform: &Platform) -> Self {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        drop(listener);
        let api = platform.said("/api").trim_start_matches("http://").to_owned();
        let targets: PathBuf = folder.join("metrics-targets.json");
        let settings = format!(
            "global: {{ scrape_interval: 1s, scrape_timeout: 1s }}\n\
             scrape_configs:\n\
             - job_name: argus\n\
             \x20 file_sd_configs: [{{ files: [{targets:?}] }}]\n\
             - job_name: api\n\
             \x20 static_configs: [{{ targets: [{api:?}] }}]\n\
             \x20 metric_relabel_configs: [{{ action: drop, regex: argus_.*, source_labels: [__name__] }}]\n"
        );
        let file = folder.join("prometheus.yml");
        std::fs::write(&file, settings).expect("its settings");
        let mut command = leashed(program);
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("prometheus").display()))
            .arg(format!("--web.listen-address={address}"));
        let (process, _out) = Process::start(&mut command);
        let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).no_proxy().build();
        let this =
            Self { _process: process, url: format!("http://{address}"), client: client.expect("a client") };
        until("Prometheus is ready", 30, async || {
            let answer = this.client.get(format!("{}/-/ready", this.url)).send().await;
            answer.is_ok_and(|answer| answer.status().is_success()).then_some(())
        })
        .await;
        this
    }

    /// What a query gives now: labels and value of each series.
    async fn ask(&self, query: &str) -> Vec<(Value, String)> {
        let url = format!("{}/api/v1/query", self.url);
        let url = reqwest::Url::parse_with_params(&url, [("query", query)]).expect("a URL");
        let text = self.client.get(url).send().await.expect("an answer").text().await.expect("text");
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        let series = answer["data"]["result"].as_array().expect("series");
        let of = |row: &Value| (row["metric"].clone(), row["value"][1].as_str().expect("a value").to_owned());
        series.iter().map(of).collect()
    }
}
