//! Links with certificates that `argus pki` made.

use std::path::Path;

use argus_e2e::{Keeper, Start, Topology, command::argus, jobs, story, until};
use serde_json::Value;

use crate::everywhere;

#[test]
fn processes_with_certificates_talk_and_others_get_nothing() {
    everywhere(talks);
}

/// Settings of `[links]` with what `argus pki issue` wrote.
fn settings(issued: &Value) -> Vec<String> {
    ["ca_file", "cert_file", "key_file"]
        .iter()
        .map(|name| format!("links.{name} = {:?}", issued[name].as_str().expect("a path")))
        .collect()
}

async fn issue(place: &Path, authority: &str, role: &str, name: &str, hosts: &[&str]) -> Value {
    let mut args =
        vec!["pki", "issue", "--json", "--dir", authority, "--role", role, "--name", name, "--out", name];
    args.extend(hosts.iter().flat_map(|host| ["--host", host]));
    let issued = argus(place, &[], &args).await;
    assert_eq!(issued.code, 0, "{issued:?}");
    issued.json()
}

async fn talks(topology: Topology) {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path();
    for authority in ["pki", "other"] {
        let made = argus(place, &[], &["pki", "init", "--json", "--dir", authority]).await;
        assert_eq!(made.code, 0, "{made:?}");
    }
    let service = issue(place, "pki", "service", "platform", &["127.0.0.1", "localhost"]).await;
    let keeper = settings(&issue(place, "pki", "keeper", "acme", &[]).await);
    let stranger = settings(&issue(place, "other", "keeper", "stranger", &[]).await);
    let shown = argus(place, &[], &["pki", "show", "--json", "platform/cert.pem", "acme/cert.pem"]).await;
    let roles: Vec<_> = shown.json().as_array().expect("a list").iter().map(|c| c["role"].clone()).collect();
    assert_eq!((shown.code, roles), (0, vec!["service".into(), "keeper".into()]));

    let start = settings(&service).iter().fold(Start::on(&place.join("dev"), topology), |s, set| s.set(set));
    let platform = start.keepers(&[]).run().await;
    let url =
        format!("links.aggregator = {:?}", platform.gate().replace("http://127.0.0.1", "https://localhost"));
    let with = |files: &[String]| -> Vec<String> { [&[url.clone()][..], files].concat() };
    let mut keepers = Vec::new();
    for number in 1..=3 {
        let settings = with(&keeper);
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        keepers.push(Keeper::honest(&platform, number, &settings).await);
    }
    let job = platform.create(&jobs::interval(&platform, "sealed", 7, 1, 3)).await;
    let tasks = story::completed(&platform, &job, 3, 20).await;
    story::on_chain(&platform, "sealed", 7, &tasks).await;

    // One with another authority's certificate is told why it is not let in, and one without any is not let in.
    let ours = keeper[0].clone();
    let strange = [&[ours][..], &stranger[1..]].concat();
    let said = refused(&platform, place, &with(&strange)).await;
    assert!(said.contains("another authority made it"), "{said}");
    let said = refused(&platform, place, &[format!("links.aggregator = {:?}", platform.gate())]).await;
    assert!(!said.contains("connected"), "{said}");
    for keeper in keepers {
        keeper.kill().await;
    }
    platform.stop().await;
}

/// What a keeper says that does not get in.
async fn refused(platform: &argus_e2e::Platform, place: &Path, settings: &[String]) -> String {
    let key = place.join("k.key");
    if !key.exists() {
        let made = argus(place, &[], &["keeper", "keygen", "--out", "k.key"]).await;
        assert_eq!(made.code, 0, "{made:?}");
    }
    let mut process = argus_e2e::process::leashed(&argus_e2e::program());
    process.args(["keeper", "--log", "info", "--config"]).arg(platform.folder().join("argus.toml"));
    let own = [format!("keeper.key_files = [{key:?}]"), format!("runner.dir = {:?}", argus_e2e::compiled())];
    for setting in own.iter().chain(settings) {
        process.args(["--set", setting]);
    }
    let (mut process, _out) = argus_e2e::process::Process::start(&mut process);
    let said = until("it says that it is not let in", 30, async || {
        let words = process.words();
        (words.contains("WARN") || words.contains("error")).then_some(words)
    })
    .await;
    process.kill().await;
    said
}
