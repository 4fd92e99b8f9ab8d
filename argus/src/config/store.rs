//! Section `store`: where everything durable of the platform lies.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::reader::Reader;

/// Section `store`.
#[derive(Debug, Clone)]
pub enum Store {
    /// A file of SQLite.
    Sqlite(PathBuf),
    /// A keyspace of ScyllaDB or Cassandra.
    Scylla(Cluster),
}

/// A keyspace, and how it is reached.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// Nodes by host, and port where it is not the usual one.
    pub nodes: Vec<String>,
    /// Its name.
    pub keyspace: String,
    /// Copies of each row, where it is made.
    pub copies: u8,
    /// A file with user and password; `None`: no file.
    pub login_file: Option<PathBuf>,
    /// Longest time of one statement.
    pub deadline: Duration,
    /// How long news of changes are kept; zero: for ever.
    pub keep_changes: Duration,
}

const KINDS: [&str; 2] = ["sqlite", "scylla"];
const SECS_OF_DAY: u64 = 86_400;
/// Of a keyspace's name, in Cassandra.
const NAME_MAX: usize = 48;

/// Reads the section: what is wrong in it is told whichever kind is chosen.
pub fn read(r: &mut Reader<'_>, data_dir: &Path) -> Store {
    let before = r.faults.len();
    let is_cluster = r.one_of("store.kind", &KINDS) == 1;
    let path = r.path(data_dir, "store.path");
    let cluster = Cluster {
        nodes: nodes(r),
        keyspace: keyspace(r),
        copies: r.number("store.copies", 1, 15) as u8,
        login_file: r.optional::<PathBuf>("store.login_file", "a path, or empty").map(|p| data_dir.join(p)),
        deadline: Duration::from_millis(r.number("store.deadline_ms", 100, 60_000)),
        keep_changes: Duration::from_secs(r.number("store.keep_changes_days", 0, 3_650) * SECS_OF_DAY),
    };
    // Only a section that is sound says what is meant by it.
    if r.faults.len() == before {
        match (is_cluster, cluster.nodes.is_empty()) {
            (true, true) => {
                let says = " is empty: name one node of the cluster or more, as HOST or HOST:PORT, or leave store.kind \
                            at \"sqlite\"";
                r.tell("store.nodes", says);
            }
            (false, false) => {
                let says = " is \"sqlite\", but store.nodes names a cluster: set it to \"scylla\", or take the nodes out";
                r.tell("store.kind", says);
            }
            (true, false) | (false, true) => {}
        }
    }
    if is_cluster { Store::Scylla(cluster) } else { Store::Sqlite(path) }
}

fn nodes(r: &mut Reader<'_>) -> Vec<String> {
    let before = r.faults.len();
    let nodes = r.texts("store.nodes");
    if r.faults.len() == before && !nodes.iter().all(|node| is_node(node)) {
        // Who writes a URL there may have put a password in it.
        let says = " must be a list of nodes in quotes, each as HOST or HOST:PORT; what stands there is not repeated";
        r.tell("store.nodes", says);
    }
    nodes
}

/// A name or an IPv4 address, or an IPv6 address in brackets; with or without a port.
fn is_node(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !text.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let is_host = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|ip| ip.parse::<std::net::Ipv6Addr>().is_ok()),
        None => !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)),
    };
    is_host && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

fn keyspace(r: &mut Reader<'_>) -> String {
    let before = r.faults.len();
    let name = r.text("store.keyspace");
    let is_name = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if r.faults.len() == before && (name.is_empty() || name.len() > NAME_MAX || !is_name(&name)) {
        r.fault("store.keyspace", "a name of letters, digits and underscores, 48 at most");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn load(settings: &[&str]) -> Result<Store, String> {
        let settings: Vec<String> = settings.iter().map(|text| (*text).to_owned()).collect();
        Config::load(None, &settings).map(|config| config.store).map_err(|mistakes| mistakes.to_string())
    }

    #[test]
    fn it_is_a_file_unless_a_cluster_is_chosen() {
        let Ok(Store::Sqlite(path)) = load(&[]) else { panic!("a file") };
        assert_eq!(path, Path::new("argus-data/argus.db"));
        let chosen =
            load(&["store.kind = \"scylla\"", "store.nodes = [\"a\", \"10.0.0.1:9043\", \"[::1]:1\"]"]);
        let Ok(Store::Scylla(cluster)) = chosen else { panic!("a cluster") };
        assert_eq!(cluster.nodes, ["a", "10.0.0.1:9043", "[::1]:1"]);
        assert_eq!((cluster.keyspace.as_str(), cluster.copies, cluster.login_file), ("argus", 3, None));
        assert_eq!((cluster.deadline, cluster.keep_changes), (Duration::from_secs(5), Duration::ZERO));
    }

    #[test]
    fn what_cannot_be_is_told() {
        for (settings, part) in [
            (&["store.kind = \"scylla\""][..], "store.nodes is empty: name one node"),
            (&["store.nodes = [\"a:1\"]"], "store.kind is \"sqlite\", but store.nodes names a cluster"),
            (&["store.kind = \"postgres\""], "store.kind must be one of [\"sqlite\", \"scylla\"]"),
        ] {
            let said = load(settings).expect_err("wrong");
            assert!(said.contains(part) && said.contains("1 mistake:"), "{said}");
        }
        for node in ["", "a b", "a:", "a:0", "a:70000", "::1", "http://a:1", "me:secret@a"] {
            assert!(!is_node(node), "{node}");
        }
        let wrong = ["nodes = [\"me:canary@a\"]", "keyspace = \"a-b\"", "copies = 0", "deadline_ms = 1"];
        let said = load(&wrong.map(|text| format!("store.{text}")).each_ref().map(String::as_str));
        let said = said.expect_err("wrong");
        for part in [
            "4 mistakes",
            "store.nodes must be a list of nodes in quotes, each as HOST or HOST:PORT",
            "store.keyspace must be a name of letters, digits",
            "store.copies must be a whole number from 1 to 15",
            "store.deadline_ms must be a whole number from 100",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert!(!said.contains("canary"), "{said}");
    }
}
