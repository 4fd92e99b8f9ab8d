//! The requests of the original clients, each with the reply that it reads.

use std::collections::BTreeMap;

use argus_e2e::{Start, Topology, corpus, platform::Platform};

use crate::everywhere;

#[test]
fn the_original_clients_requests_get_the_replies_that_they_read() {
    everywhere(answers);
}

async fn answers(topology: Topology) {
    let folder = tempfile::tempdir().expect("a folder");
    let platform = Start::on(folder.path(), topology).run().await;
    let mut played = 0;
    for file in corpus::files() {
        played += corpus::play(&platform, &file, names(&platform)).await;
    }
    assert!(played > 50, "{played} requests only");
    platform.stop().await;
}

fn names(platform: &Platform) -> BTreeMap<String, String> {
    [
        ("owner", platform.account(0).to_owned()),
        ("owner:lower", platform.account(0).to_lowercase()),
        ("other", platform.account(1).to_owned()),
        ("nobody", "0x00000000000000000000000000000000000000AA".to_owned()),
        ("chain", platform.chain_id()),
        ("target", platform.said("/contracts/demo_target").to_owned()),
        ("key:user", platform.said("/keys/user").to_owned()),
        ("abi", argus_e2e::jobs::RECORD.to_owned()),
        ("abi:query", percent(argus_e2e::jobs::RECORD)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// As a query writes it.
fn percent(text: &str) -> String {
    text.bytes().map(|b| format!("%{b:02X}")).collect()
}
