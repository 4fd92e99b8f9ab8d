//! Which crate of ours may depend on which: an explicit row for every crate.
//!
//! Higher layers see lower ones, never the other way and never sideways, so that a service can be tested with
//! simulated ports, and an adapter replaced in one place. Dev-dependencies are wider: see `DEV_ONLY`.

use crate::Faults;

const DOMAIN: &str = "argus-domain";
const MACHINE: &str = "argus-machine";
const PORTS: &str = "argus-ports";
const PROTO: &str = "argus-proto";
const TLS: &str = "argus-tls";
const METRICS: &str = "argus-metrics";
const LEASE: &str = "argus-lease";

/// Every crate of the workspace, lowest layer first, with the crates of ours that it may depend on.
const ALLOWED: &[(&str, &[&str])] = &[
    // 1: values and rules
    (DOMAIN, &[]),
    // 2: state over time, what we need from the world, and the wire
    (MACHINE, &[DOMAIN]),
    (PORTS, &[DOMAIN]),
    (PROTO, &[DOMAIN]),
    // Certificates, for whoever listens or connects
    (TLS, &[]),
    // What is counted: a table, known to whoever shows figures; services that keep plain numbers need it not
    (METRICS, &[]),
    // 3: what speaks to the world; sqlite and scylla store, redis caches and grpc sends the protobuf form
    ("argus-memory", &[DOMAIN, PORTS]),
    ("argus-sqlite", &[DOMAIN, PORTS, PROTO]),
    ("argus-scylla", &[DOMAIN, PORTS, PROTO]),
    ("argus-redis", &[DOMAIN, PORTS, PROTO]),
    ("argus-evm", &[DOMAIN, PORTS]),
    ("argus-otlp", &[DOMAIN]),
    ("argus-ipfs", &[DOMAIN, PORTS]),
    ("argus-http", &[DOMAIN, PORTS]),
    ("argus-vault", &[DOMAIN, PORTS]),
    ("argus-grpc", &[DOMAIN, PORTS, PROTO, TLS]),
    ("argus-host", &[DOMAIN, PORTS, PROTO]),
    ("argus-builder", &[DOMAIN, PORTS]),
    // How replicas of a service share its work: the shell of a machine that several services have
    (LEASE, &[DOMAIN, MACHINE, PORTS]),
    // What people outside build on, and our own command line like them: the API as it is on the wire
    ("argus-client", &[]),
    // 4: services; they reach scripts, chains and stores through ports alone
    ("argus-api", &[DOMAIN, MACHINE, PORTS, TLS, METRICS]),
    ("argus-scheduler", &[DOMAIN, MACHINE, PORTS, LEASE]),
    ("argus-dispatcher", &[DOMAIN, MACHINE, PORTS, LEASE]),
    ("argus-aggregator", &[DOMAIN, MACHINE, PORTS, LEASE]),
    ("argus-keeper", &[DOMAIN, MACHINE, PORTS]),
    ("argus-oversight", &[DOMAIN, MACHINE, PORTS]),
    // From one store to another; what it compares is the stored form
    ("argus-transfer", &[DOMAIN, PORTS, PROTO]),
];

/// The binary: it wires, so it sees everything of the layers below, and nothing sees it but tests.
const WIRING: &str = "argus";

/// Crates that only test or measure: they see everything, and only as dev-dependencies does anyone see them.
const OBSERVERS: &[&str] = &[
    "argus-conformance",
    "argus-sim",
    "argus-e2e",
    "argus-bench",
    "argus-contracts-tests",
    "argus-guests-tests",
    "argus-services-tests",
    "argus-house-tests",
];

/// What any crate may use in its own tests beside its row above: the in-memory ports, the vault, which needs no world
/// and so has no stand-in, and the contract suites.
const DEV_ONLY: &[&str] = &["argus-memory", "argus-vault", "argus-conformance"];

/// Names that say nothing about what is inside, and so attract everything.
const VAGUE: &[&str] = &["utils", "util", "common", "types", "shared", "helpers", "misc", "lib"];

/// When a dependency is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// In the shipped crate, or in its build script.
    Shipped,
    /// In its tests alone.
    Tests,
}

/// One crate of ours that depends on another.
#[derive(Clone, Debug)]
pub struct Edge {
    /// The dependent.
    pub from: String,
    /// What it depends on.
    pub to: String,
    /// When.
    pub used: Use,
}

/// One crate of ours and where it lives.
#[derive(Clone, Debug)]
pub struct Member {
    /// The package's name.
    pub name: String,
    /// Its folder, relative to the root, with `/` between the parts.
    pub dir: String,
}

/// Edges that no row allows, and crates that have no row.
pub fn check_edges(members: &[Member], edges: &[Edge]) -> Faults {
    let mut faults: Faults = members
        .iter()
        .filter(|member| !is_known(&member.name))
        .map(|member| {
            format!("{} has no row in tests/house/src/edges.rs: decide its layer and add one", member.name)
        })
        .collect();
    faults.extend(edges.iter().filter(|edge| is_known(&edge.from) && !is_allowed(edge)).map(|edge| {
        let when = match edge.used {
            Use::Shipped => "",
            Use::Tests => " even in its tests",
        };
        format!("{} may not depend on {}{when}: {}", edge.from, edge.to, reason(edge))
    }));
    faults
}

/// Crates whose name is vague, or is not the name of their folder.
pub fn check_names(members: &[Member]) -> Faults {
    let mut faults = Faults::new();
    for Member { name, dir } in members {
        let last = dir.rsplit('/').next().unwrap_or(dir);
        let of_dir = match dir.as_str() {
            "argus" => vec!["argus".to_owned()],
            // Beside those of other languages.
            "clients/rust" => vec!["argus-client".to_owned()],
            _ => vec![format!("argus-{last}"), format!("argus-{last}-tests")],
        };
        if !of_dir.contains(name) {
            faults.push(format!("{dir} holds the crate {name}: call it {}", of_dir[0]));
        }
        if name.split('-').chain([last]).any(|part| VAGUE.contains(&part)) {
            faults.push(format!("{name} in {dir}: a vague name; say what it owns"));
        }
    }
    faults
}

fn row(name: &str) -> Option<&'static [&'static str]> {
    ALLOWED.iter().find(|(crate_name, _)| *crate_name == name).map(|(_, row)| *row)
}

fn is_known(name: &str) -> bool {
    row(name).is_some() || name == WIRING || OBSERVERS.contains(&name)
}

fn is_allowed(Edge { from, to, used }: &Edge) -> bool {
    let to = to.as_str();
    if OBSERVERS.contains(&from.as_str()) {
        return true;
    }
    if *used == Use::Tests && DEV_ONLY.contains(&to) {
        return true;
    }
    if from == WIRING {
        return row(to).is_some();
    }
    row(from).is_some_and(|row| row.contains(&to))
}

fn reason(edge: &Edge) -> String {
    if OBSERVERS.contains(&edge.to.as_str()) {
        return "it only tests or measures".to_owned();
    }
    if edge.to == WIRING {
        return "the binary wires the others, nothing builds on it".to_owned();
    }
    match row(&edge.from) {
        Some([]) => "it depends on none of ours".to_owned(),
        Some(row) => format!("its row allows {}", row.join(", ")),
        None => "the binary sees layers 1 to 4 alone".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, dir: &str) -> Member {
        Member { name: name.to_owned(), dir: dir.to_owned() }
    }

    fn edge(from: &str, to: &str, used: Use) -> Edge {
        Edge { from: from.to_owned(), to: to.to_owned(), used }
    }

    #[test]
    fn rows_only_point_down() {
        for (position, (name, row)) in ALLOWED.iter().enumerate() {
            for to in *row {
                let below = ALLOWED.iter().position(|(other, _)| other == to);
                assert!(below.is_some_and(|below| below < position), "{name} -> {to} does not point down");
                assert!(
                    [DOMAIN, MACHINE, PORTS, PROTO, TLS, METRICS, LEASE].contains(to),
                    "{name} -> {to} is sideways"
                );
            }
        }
    }

    #[test]
    fn edges_as_a_table() {
        let cases = [
            ("argus-machine", DOMAIN, Use::Shipped, true),
            (DOMAIN, MACHINE, Use::Shipped, false),
            (MACHINE, PORTS, Use::Shipped, false),
            ("argus-api", PORTS, Use::Shipped, true),
            ("argus-api", "argus-host", Use::Shipped, false),
            ("argus-grpc", TLS, Use::Shipped, true),
            ("argus-scheduler", TLS, Use::Shipped, false),
            ("argus-client", DOMAIN, Use::Shipped, false),
            ("argus-keeper", "argus-scheduler", Use::Shipped, false),
            ("argus-scheduler", "argus-sqlite", Use::Shipped, false),
            ("argus-sqlite", "argus-memory", Use::Shipped, false),
            ("argus-scheduler", "argus-memory", Use::Shipped, false),
            ("argus-scheduler", "argus-memory", Use::Tests, true),
            ("argus-sqlite", "argus-conformance", Use::Tests, true),
            ("argus-sqlite", "argus-conformance", Use::Shipped, false),
            ("argus-api", "argus-sqlite", Use::Tests, false),
            ("argus", "argus-sqlite", Use::Shipped, true),
            ("argus", "argus-e2e", Use::Shipped, false),
            ("argus-api", "argus", Use::Shipped, false),
            ("argus-e2e", "argus", Use::Shipped, true),
        ];
        for (from, to, used, allowed) in cases {
            let faults = check_edges(&[], &[edge(from, to, used)]);
            assert_eq!(faults.is_empty(), allowed, "{from} -> {to} ({used:?}): {faults:?}");
        }
    }

    #[test]
    fn a_crate_without_a_row_is_a_fault() {
        assert_eq!(check_edges(&[member("argus-novelty", "novelty")], &[]).len(), 1);
        assert!(check_edges(&[member("argus-host", "host")], &[]).is_empty());
    }

    #[test]
    fn names_as_a_table() {
        let cases = [
            ("argus-domain", "core/domain", true),
            ("argus", "argus", true),
            ("argus-argus", "argus", false),
            ("argus-house-tests", "tests/house", true),
            ("argus-sqlite", "adapters/sql", false),
            ("domain", "core/domain", false),
            ("argus-common", "core/common", false),
            ("argus-utils", "utils", false),
            ("argus-client", "clients/rust", true),
            ("argus-rust", "clients/rust", false),
        ];
        for (name, dir, allowed) in cases {
            let faults = check_names(&[member(name, dir)]);
            assert_eq!(faults.is_empty(), allowed, "{name} in {dir}: {faults:?}");
        }
    }
}
