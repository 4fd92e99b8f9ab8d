//! What is made from the table of metrics: docs/metrics.md and the dashboards, and what else names metrics.

use std::fmt::Write as _;

use argus_metrics::{Kind, Label, Metric, Role, Unit, Values, table};
use serde_json::{Value, json};

use crate::{Faults, text::File};

/// docs/metrics.md.
pub fn document() -> String {
    let mut text = String::from(HEAD);
    for (part, rows) in table::parts() {
        let _ = write!(
            text,
            "\n## {part}\n\n| metric | kind | in | labels | roles | |\n| --- | --- | --- | --- | --- | --- |\n"
        );
        for Metric { name, kind, unit, labels, help, roles } in rows {
            let labels: Vec<_> = labels.iter().map(told).collect();
            let _ = writeln!(
                text,
                "| `{name}` | {} | {} | {} | {} | {help} |",
                kind.name(),
                unit.name(),
                labels.join("; "),
                spoken(roles)
            );
        }
    }
    text
}

const HEAD: &str = "# Metrics

Written by tests/house from the table in `metrics/src/table`. Every process shows what its roles have: with the API at its `/metrics`, besides or without it where `[metrics] listen` says. Nobody is asked for a key there, and no figure names a job, a task, an account or a secret.

`deploy/prometheus` has alerts for them and their tests, `deploy/grafana` a dashboard for each part below. Counters begin at nothing when a process starts. A label whose values are listed has all of them from the start, unless what it counts is kept by something that this process lacks.
";

fn told(label: &Label) -> String {
    match label.values {
        Values::Listed(values) => format!("`{}`: {}", label.name, values.join(", ")),
        Values::Of(what) => format!("`{}`: {what}", label.name),
    }
}

fn spoken(roles: &[Role]) -> String {
    if roles == Role::ALL {
        return "all".to_owned();
    }
    roles.iter().map(|role| role.name()).collect::<Vec<_>>().join(", ")
}

/// The dashboards, by file name: one for each part of the table, with a panel for each of its rows.
pub fn dashboards() -> Vec<(String, String)> {
    let file = |(part, rows): (&str, &[&Metric])| {
        let first: String = part.chars().take_while(|c| c.is_ascii_alphabetic()).collect();
        let name = format!("argus-{}", first.to_lowercase());
        let panels: Vec<_> = rows.iter().enumerate().map(|(place, metric)| panel(place, metric)).collect();
        let dashboard = json!({
            "uid": name,
            "title": format!("Argus: {part}"),
            "tags": ["argus"],
            "editable": true,
            "schemaVersion": 38,
            "time": { "from": "now-3h", "to": "now" },
            "refresh": "30s",
            "templating": { "list": [
                { "name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source" },
                {
                    "name": "instance",
                    "type": "query",
                    "label": "Process",
                    "datasource": source(),
                    "query": { "query": "label_values(argus_build_info, instance)", "refId": "instances" },
                    "multi": true,
                    "includeAll": true,
                    "allValue": ".*",
                    "current": { "text": "All", "value": "$__all" },
                    "refresh": 2,
                },
            ] },
            "panels": panels,
        });
        (format!("{name}.json"), format!("{dashboard:#}\n"))
    };
    table::parts().into_iter().map(file).collect()
}

fn source() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}

fn panel(place: usize, metric: &Metric) -> Value {
    let target = |(id, (expr, legend)): (&str, (String, String))| json!({ "refId": id, "datasource": source(), "expr": expr, "legendFormat": legend });
    let targets: Vec<_> = ["A", "B"].into_iter().zip(expressions(metric)).map(target).collect();
    let unit = match metric.unit {
        Unit::Count | Unit::Blocks | Unit::Fuel | Unit::Info if metric.kind == Kind::Counter => "ops",
        Unit::Count | Unit::Blocks | Unit::Fuel | Unit::Info => "short",
        Unit::Seconds => "s",
        // Shown as an age.
        Unit::Instant => "s",
        Unit::Bytes => "bytes",
    };
    json!({
        "id": place + 1,
        "type": "timeseries",
        "title": metric.name,
        "description": metric.help,
        "datasource": source(),
        "gridPos": { "x": place % 3 * 8, "y": place / 3 * 8, "w": 8, "h": 8 },
        "fieldConfig": { "defaults": { "unit": unit, "min": 0 }, "overrides": [] },
        "targets": targets,
    })
}

/// What a panel asks, and how its lines are called.
fn expressions(Metric { name, kind, unit, labels, .. }: &Metric) -> Vec<(String, String)> {
    let mut by: Vec<_> = labels.iter().map(|label| label.name).collect();
    let legend =
        |by: &[&str]| by.iter().map(|label| format!("{{{{{label}}}}}")).collect::<Vec<_>>().join(" ");
    let chosen = "{instance=~\"$instance\"}";
    match kind {
        Kind::Counter => {
            by.push("instance");
            let sum = format!("sum by ({}) (rate({name}{chosen}[$__rate_interval]))", by.join(", "));
            vec![(sum, legend(&by))]
        }
        Kind::Gauge => {
            by.push("instance");
            let value = format!("{name}{chosen}");
            let value = if *unit == Unit::Instant { format!("time() - {value}") } else { value };
            vec![(value, legend(&by))]
        }
        Kind::Histogram(_) => {
            let quantile = |q: &str| {
                let sum_by = [&["le"], by.as_slice()].concat().join(", ");
                let rate = format!("rate({name}_bucket{chosen}[$__rate_interval])");
                let lines = format!("p{} {}", q.trim_start_matches("0."), legend(&by));
                (format!("histogram_quantile({q}, sum by ({sum_by}) ({rate}))"), lines.trim().to_owned())
            };
            vec![quantile("0.50"), quantile("0.99")]
        }
    }
}

/// Names of metrics in alerts and dashboards that the table does not have.
pub fn check_names(files: &[File]) -> Faults {
    let is_known = |word: &str| {
        table::all().any(|metric| {
            let is_histogram = matches!(metric.kind, Kind::Histogram(_));
            let part = word.strip_prefix(metric.name);
            part == Some("") || (is_histogram && matches!(part, Some("_bucket" | "_sum" | "_count")))
        })
    };
    files
        .iter()
        .filter(|file| {
            file.path.starts_with("deploy/prometheus/") || file.path.starts_with("deploy/grafana/")
        })
        .flat_map(|file| {
            file.faults_by_line(|line| {
                let words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                let mut named =
                    words.filter(|w| ["argus_", "process_"].iter().any(|begin| w.starts_with(begin)));
                let unknown = named.find(|word| !is_known(word))?;
                Some(format!("names {unknown}, which is no metric of the table"))
            })
        })
        .collect()
}

/// Rows of the table that no shipped code outside the table names: nobody registers them.
pub fn check_registered(files: &[File]) -> Faults {
    let rows = files.iter().filter(|file| file.path.starts_with("metrics/src/table/"));
    let names = rows.flat_map(|file| file.text.lines()).filter_map(|line| {
        let (name, rest) = line.trim().split_once(" = ")?;
        let is_row = ["Counter,", "Gauge,", "Histogram("].iter().any(|kind| rest.starts_with(kind));
        is_row.then_some(name)
    });
    let shipped: Vec<_> = files
        .iter()
        .filter(|file| file.path.ends_with(".rs") && file.path.contains("/src/"))
        .filter(|file| !file.path.starts_with("metrics/") && !file.path.starts_with("tests/"))
        .collect();
    let is_used = |name: &str| {
        let word = format!("table::{name}");
        shipped.iter().any(|file| {
            file.text.match_indices(&word).any(|(at, _)| {
                let next = file.text[at + word.len()..].chars().next();
                !next.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_')
            })
        })
    };
    names
        .filter(|name| !is_used(name))
        .map(|name| format!("{name} is in the table of metrics, and nobody registers it"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn names_as_a_table() {
        let cases = [
            ("rate(argus_tasks_opened_total[5m])", true),
            ("argus_task_lateness_seconds_bucket{le=\"10\"}", true),
            ("argus_tasks_opened_total_bucket", false),
            ("argus_tasks_open_total", false),
            ("process_open_fds / process_max_fds", true),
            ("process_virtual_memory_bytes", false),
        ];
        for (text, holds) in cases {
            let faults = check_names(&[file("deploy/prometheus/alerts.yml", text)]);
            assert_eq!(faults.is_empty(), holds, "{text}: {faults:?}");
        }
    }

    #[test]
    fn rows_without_a_user_are_found() {
        let row = file("metrics/src/table/x.rs", "    A_B = Counter, Count, \"argus_a_b_total\", [],");
        for (text, holds) in [("table::A_B)", true), ("table::A_B_C)", false), ("A_B", false)] {
            let faults =
                check_registered(&[file("metrics/src/table/x.rs", &row.text), file("argus/src/m.rs", text)]);
            assert_eq!(faults.is_empty(), holds, "{text}: {faults:?}");
        }
    }
}
