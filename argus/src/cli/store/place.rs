//! A store as it is named on the command line.

use std::path::Path;

use anyhow::{Context, bail};

use crate::{
    cli::Settings,
    config::{Config, Store},
};

const FORMS: &str = "write it as sqlite:PATH or as scylla:HOST:PORT[,HOST:PORT]/KEYSPACE";

/// The store that an argument names, with the configuration's other settings of clusters.
pub fn read(argument: &str, text: &str, settings: &Settings) -> anyhow::Result<Store> {
    // Anybody can read the arguments of a process.
    if text.contains('@') {
        bail!(
            "{argument} names a user or a password, and anybody can read the arguments of a process: leave HOST:PORT, and \
            say user:password in [store] login_file or ARGUS_STORE_LOGIN; what stands there is not repeated"
        );
    }
    let wrong = || format!("{argument} {text:?} is no store: {FORMS}");
    let (kind, rest) = text.split_once(':').filter(|(_, rest)| !rest.is_empty()).with_context(wrong)?;
    let set = match kind {
        "sqlite" => {
            let path = std::path::absolute(Path::new(rest)).with_context(wrong)?;
            let path = path.to_str().with_context(|| format!("{argument}: the path is no UTF-8"))?;
            vec![
                "store.kind = \"sqlite\"".to_owned(),
                format!("store.path = {path:?}"),
                "store.nodes = []".to_owned(),
            ]
        }
        "scylla" => {
            let (nodes, keyspace) = rest.rsplit_once('/').with_context(wrong)?;
            let nodes: Vec<&str> = nodes.split(',').collect();
            vec![
                "store.kind = \"scylla\"".to_owned(),
                format!("store.nodes = {nodes:?}"),
                format!("store.keyspace = {keyspace:?}"),
            ]
        }
        _ => bail!(wrong()),
    };
    let overrides: Vec<String> = settings.overrides.iter().cloned().chain(set).collect();
    Ok(Config::load(settings.config.as_deref(), &overrides)
        .with_context(|| format!("{argument} {text}"))?
        .store)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stores(text: &str) -> Result<Store, String> {
        let overrides = vec!["store.deadline_ms = 700".to_owned(), "store.login_file = \"a\"".to_owned()];
        read("--from", text, &Settings { config: None, overrides }).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn a_store_is_named_by_where_it_lies() {
        let Ok(Store::Sqlite(path)) = stores("sqlite:/a/b.db") else { panic!("a file") };
        assert_eq!(path, Path::new("/a/b.db"));
        let Ok(Store::Sqlite(path)) = stores("sqlite:b.db") else { panic!("a file") };
        assert_eq!(path, std::env::current_dir().expect("a folder").join("b.db"), "where one is");
        let Ok(Store::Scylla(cluster)) = stores("scylla:a:1,[::1]:2/other") else { panic!("a cluster") };
        assert_eq!(
            (cluster.nodes, cluster.keyspace.as_str()),
            (vec!["a:1".to_owned(), "[::1]:2".to_owned()], "other")
        );
        assert_eq!(cluster.deadline.as_millis(), 700, "the rest is the configuration's");
        assert!(cluster.login_file.is_some());
    }

    #[test]
    fn what_names_none_is_told_and_no_password_is_repeated() {
        for (text, part) in [
            ("argus.db", "sqlite:PATH"),
            ("sqlite:", "sqlite:PATH"),
            ("postgres:a", "sqlite:PATH"),
            ("scylla:a:1", "/KEYSPACE"),
            ("scylla:a:0/b", "store.nodes"),
            ("scylla:a:1/b-c", "store.keyspace"),
            ("scylla:me:canary@a:1/b", "ARGUS_STORE_LOGIN"),
        ] {
            let said = stores(text).expect_err("wrong");
            assert!(said.contains(part) && !said.contains("canary"), "{text}: {said}");
        }
    }
}
