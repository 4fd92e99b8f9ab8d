//! Keys at remote signers: a platform and a keeper that have theirs elsewhere, and signers that go away.

use std::{path::Path, time::Duration};

use argus_conformance::web3signer::{Manner, Web3signer};
use argus_domain::Address;
use argus_e2e::{Keeper, Platform, Start, Topology, command::argus, jobs, until};
use argus_evm::LocalSigner;
use argus_ports::Signer;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::on;

const CANARY: &str = "Canary-8c21-Vt5m-Rb0n";
/// Longer than a signature may take, and than an attempt.
const OUTAGE: Duration = Duration::from_secs(14);

/// Gives a signer a key that is found in this file, and its address.
async fn key_at(folder: &Path, name: &str, byte: &str) -> (Web3signer, Address) {
    let (path, key) = (folder.join("keys").join(name), byte.repeat(32));
    closed(&path, &key);
    let signer = Web3signer::start(&[&key], None).await;
    (signer, LocalSigner::from_hex(&key.into()).expect("a key").address())
}

/// Writes a file that only its owner can read.
fn closed(path: &Path, text: &str) {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    std::io::Write::write_all(&mut file.expect("a file"), text.as_bytes()).expect("written");
}

/// Settings that have a signer asked, with a login.
fn at(signer: &Web3signer) -> [String; 3] {
    [
        format!("signer.url = {:?}", signer.url()),
        "signer.login_file = \"keys/signer.login\"".to_owned(),
        "signer.timeout_ms = 1500".to_owned(),
    ]
}

fn signed_transactions(signer: &Web3signer) -> usize {
    signer.asked().iter().filter(|one| one.body.contains("\"0x02")).count()
}

#[test]
fn while_a_signer_is_away_nothing_is_lost_and_nothing_is_done_twice() {
    on(&[Topology::Processes], goes_away);
}

async fn goes_away(topology: Topology) {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut platforms, platform_address) = key_at(folder.path(), "platform.key", "5a").await;
    let (mut keepers, keeper_address) = key_at(folder.path(), "keeper-2.key", "6b").await;
    closed(&folder.path().join("keys/signer.login"), &format!("argus:{CANARY}"));
    let mut start = Start::on(folder.path(), topology).keepers(&[1]).logging("trace");
    for setting in at(&platforms) {
        start = start.set(setting);
    }
    let platform = start.set(format!("platform.signer_address = \"{platform_address}\"")).run().await;
    // Nobody needs the files any more.
    let settings = at(&keepers);
    let named = format!("keeper.signer_addresses = [\"{keeper_address}\"]");
    let settings = [&settings[0], &settings[1], &settings[2], &named, "keeper.key_files = []"];
    let keeper = Keeper::logging(&platform, 2, "trace", &settings).await;
    std::fs::remove_file(folder.path().join("keys/platform.key")).expect("removed");
    std::fs::remove_file(folder.path().join("keys/keeper-2.key")).expect("removed");

    let key = "remote";
    let job = platform.create(&jobs::interval(&platform, key, 1, 2, 120)).await;
    calls(&platform, key, 2).await;
    let attested = async |who: &str| {
        let tasks = platform.tasks(&job).await;
        tasks
            .iter()
            .any(|task| task["task_attesters"].to_string().to_lowercase().contains(&who.to_lowercase()))
    };
    assert!(attested(&keeper.address()).await, "two of the three have to agree, and one does not run");

    doctor(&platform, &keepers, &settings).await;
    for signer in [&mut keepers, &mut platforms] {
        let before = platform.chain().count(key).await;
        signer.stop().await;
        tokio::time::sleep(OUTAGE).await;
        let missed = platform.tasks(&job).await.iter().filter(|task| is_open(task)).count();
        assert!(missed >= 2, "tasks wait for the signer");
        signer.go_on().await;
        calls(&platform, key, before + 5).await;
    }
    platform.put(&format!("/jobs/delete/{job}")).await;
    let tasks = until("every task has ended", 60, async || {
        let tasks = platform.tasks(&job).await;
        (!tasks.iter().any(is_open)).then_some(tasks)
    })
    .await;
    // Those that were open when the job was deleted are withdrawn; nothing else comes to anything but its one call.
    let completed = tasks.iter().filter(|task| task["task_status"] == "completed").count();
    let others: Vec<&Value> = tasks.iter().filter(|task| task["task_status"] != "completed").collect();
    assert!(others.len() <= 2, "{others:?}");
    assert_eq!(platform.chain().count(key).await, completed as u64, "one call each");
    assert!(signed_transactions(&keepers) > 0, "the keeper acted with its remote key");

    let metrics = platform.metrics().await;
    assert!(!metrics.contains(CANARY));
    clean("the platform's log", &platform.words());
    clean("the keeper's log", &keeper.words());
    let shown: Vec<_> = [&platforms, &keepers].iter().flat_map(|signer| signer.asked()).collect();
    let login = format!("Basic {}", STANDARD.encode(format!("argus:{CANARY}")));
    assert!(
        shown.iter().all(|one| one.authorization.as_deref() == Some(&login)),
        "each request has the login"
    );
    keeper.kill().await;
    platform.stop().await;
}

fn is_open(task: &Value) -> bool {
    !["completed", "failed", "skipped", "withdrawn", "exhausted", "lapsed"]
        .contains(&task["task_status"].as_str().unwrap_or_default())
}

async fn calls(platform: &Platform, key: &str, least: u64) {
    let chain = platform.chain();
    until("calls on the chain", 60, async || (chain.count(key).await >= least).then_some(())).await;
}

/// What `argus doctor` says of the keeper's signer: well, without the key, and away.
async fn doctor(platform: &Platform, signer: &Web3signer, settings: &[&str]) {
    let examine = async |url: &str| {
        let url = format!("signer.url = {url:?}");
        let settings = settings.iter().skip(1).copied().chain([url.as_str()]);
        let sets: Vec<&str> = settings.flat_map(|set| ["--set", set]).collect();
        let args = ["doctor", "--json", "--config", "argus.toml", "--roles", "keeper"];
        let told = argus(platform.folder(), &[], &[&args[..], &sets].concat()).await;
        assert!(!told.out.contains(CANARY) && !told.err.contains(CANARY), "{told:?}");
        let json = told.json();
        let findings = json["findings"].as_array().cloned().expect("findings");
        findings.into_iter().find(|f| f["what"] == "keeper key at the signer").expect("the signer")
    };
    let well = examine(&signer.url()).await;
    assert!(
        well["state"] == "ok" && well["found"].as_str().is_some_and(|f| f.contains("signs with it")),
        "{well}"
    );
    signer.behave(Manner::Keyless);
    let keyless = examine(&signer.url()).await;
    assert_eq!(keyless["state"], "FAILS");
    let remedy = keyless["remedy"].as_str().unwrap_or_default();
    assert!(remedy.contains("load this address's key"), "{keyless}");
    signer.behave(Manner::Honest);
    let away = examine("http://127.0.0.1:1").await;
    assert_eq!((&away["state"], &away["what"]), (&json!("FAILS"), &json!("keeper key at the signer")));
    assert!(away["remedy"].as_str().is_some_and(|r| r.contains("start it")), "{away}");
}

fn clean(place: &str, text: &str) {
    let encoded = STANDARD.encode(format!("argus:{CANARY}"));
    for trace in [CANARY, &encoded] {
        assert!(!text.contains(trace), "{place} has the login");
    }
    assert!(text.len() > 1000, "{place} says something");
}
