//! The table: every metric that any process shows.

mod edge;
mod keepers;
mod process;
mod store;
mod tasks;
mod world;

pub use edge::*;
pub use keepers::*;
pub use process::*;
pub use store::*;
pub use tasks::*;
pub use world::*;

use crate::metric::{Label, Metric, Role, Values};

/// Makes the rows of one part of the table, and a list of them.
macro_rules! rows {
    ($list:ident: $($name:ident = $kind:expr, $unit:ident, $text:literal, [$($label:expr),*], $roles:expr, $help:literal;)*) => {
        $(
            #[doc = $help]
            pub static $name: crate::metric::Metric = crate::metric::Metric {
                name: $text,
                kind: $kind,
                unit: crate::metric::Unit::$unit,
                labels: &[$($label),*],
                help: $help,
                roles: $roles,
            };
        )*
        pub(super) static $list: &[&crate::metric::Metric] = &[$(&$name),*];
    };
}
pub(crate) use rows;

/// All rows, with a heading for each part.
pub fn parts() -> [(&'static str, &'static [&'static Metric]); 6] {
    [
        ("Process, queues and links", PROCESS_ROWS),
        ("API", EDGE_ROWS),
        ("Tasks", TASKS_ROWS),
        ("Runs and keepers", KEEPERS_ROWS),
        ("Chains, sources and other hosts", WORLD_ROWS),
        ("Store", STORE_ROWS),
    ]
}

/// All rows.
pub fn all() -> impl Iterator<Item = &'static Metric> {
    parts().into_iter().flat_map(|(_, rows)| rows.iter().copied())
}

/// Roles whose processes have the platform's store.
const PLATFORM: &[Role] =
    &[Role::Api, Role::Scheduler, Role::Dispatcher, Role::Aggregator, Role::Oversight, Role::Builder];

/// Roles that write facts of tasks.
const WRITERS: &[Role] = &[Role::Scheduler, Role::Dispatcher, Role::Aggregator, Role::Oversight];

/// Roles that run scripts.
const RUNNERS: &[Role] = &[Role::Api, Role::Oversight, Role::Keeper];

const fn listed(name: &'static str, values: &'static [&'static str]) -> Label {
    Label { name, values: Values::Listed(values) }
}

const CHAIN: Label = Label { name: "chain", values: Values::Of("the ids of the configured chains") };

/// Microseconds: work in memory, on a disk, on a network nearby.
const QUICK: &[u64] = &[100, 500, 1_000, 5_000, 20_000, 100_000, 500_000, 2_000_000, 10_000_000];

/// Microseconds: work that waits for others.
const SLOW: &[u64] = &[1_000, 5_000, 20_000, 100_000, 500_000, 2_000_000, 10_000_000, 60_000_000];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{Kind, Unit};

    #[test]
    fn names_follow_the_conventions() {
        let mut seen = BTreeSet::new();
        for Metric { name, kind, unit, labels, help, roles } in all() {
            assert!(seen.insert(*name), "{name} is there twice");
            assert!(name.starts_with("argus_") || name.starts_with("process_"), "{name}");
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
            let base = name.strip_suffix("_total").unwrap_or(name);
            let is_seconds = matches!(unit, Unit::Seconds | Unit::Instant);
            assert_eq!(base.ends_with("_seconds"), is_seconds, "{name} in {unit:?}");
            assert_eq!(
                base.ends_with("_timestamp_seconds") || base.ends_with("start_time_seconds"),
                *unit == Unit::Instant,
                "{name}"
            );
            assert_eq!(base.ends_with("_bytes"), *unit == Unit::Bytes, "{name}");
            assert_eq!(
                matches!(kind, Kind::Histogram(_)),
                is_seconds && *kind != Kind::Counter && *kind != Kind::Gauge
            );
            if let Kind::Histogram(bounds) = kind {
                assert!(bounds.is_sorted() && !bounds.is_empty(), "{name}");
            }
            assert!(help.ends_with('.') && !help[..help.len() - 1].contains(". "), "one sentence: {help}");
            assert!(!roles.is_empty() && roles.is_sorted(), "{name}: {roles:?}");
            let names: BTreeSet<_> = labels.iter().map(|label| label.name).collect();
            assert_eq!(names.len(), labels.len(), "{name}");
        }
    }

    /// No label is an id of a job, a task or an account, whatever a row says of its values.
    #[test]
    fn labels_are_few_and_bounded() {
        const NAMES: &[&str] = &[
            "answer", "chain", "endpoint", "how", "kind", "link", "message", "method", "outcome", "port",
            "queue", "reason", "result", "role", "route", "service", "state", "status", "success", "trigger",
            "use", "verb", "verdict", "version",
        ];
        for metric in all() {
            let listed = metric.labels.iter().map(|label| match label.values {
                Values::Listed(values) => values.len(),
                Values::Of(_) => 1,
            });
            assert!(listed.product::<usize>() <= 150, "{} has too many series", metric.name);
            for label in metric.labels {
                assert!(NAMES.contains(&label.name), "{}: is {} bounded?", metric.name, label.name);
            }
        }
    }
}
