//! Who signs in, who is told of what becomes of tasks, and who earns what by them.

use std::{
    collections::BTreeSet,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    time::{Duration, SystemTime},
};

use argus_client::verify_signature;
use argus_domain::{Address, Bytes, U256, call::Signature, sign_in::digest};
use argus_e2e::{
    Platform, Receiver, Reply, Start, Topology, jobs, platform::Key, receiver::Delivered, story, until,
};
use argus_evm::{LocalSigner, anvil::DEV_KEYS};
use argus_ports::Signer;
use reqwest::Method;
use serde_json::{Value, json};

use crate::everywhere;

#[test]
fn webhooks_are_told_all_that_happened_also_after_a_crash() {
    everywhere(are_told_all_that_happened);
}

async fn are_told_all_that_happened(topology: Topology) {
    let folder = tempfile::tempdir().expect("a folder");
    let receiver = Receiver::serve().await;
    let start = Start::on(&folder.path().join("dev"), topology).allow(receiver.address);
    let platform = start.run().await;
    let owner = platform.account(0).to_owned();
    for url in ["https://127.0.0.1:1/", "http://example.com/", "https://10.0.0.1/", "https://[::1]/"] {
        platform.post("/webhooks", &json!({ "url": url })).await.refused(422, "VALIDATION_FAILED");
    }
    let hook = async |path: &str| {
        let body = json!({"url": receiver.url(path), "user_address": owner, "events": ["task.created", "task.confirmed"]});
        let made = platform.post("/webhooks", &body).await;
        assert_eq!(made.status, 201, "{made:?}");
        let text =
            |name: &str| made.body[name].as_str().unwrap_or_else(|| panic!("{name} of {made:?}")).to_owned();
        (text("id"), text("secret"))
    };
    let ((_, secret), (ill, _), _silent) = (hook("quick").await, hook("ill").await, hook("silent").await);
    receiver.answer("ill", 503);
    receiver.answer("silent", 0);
    let job = platform.create(&jobs::interval(&platform, "told", 1, 1, 4)).await;
    let tasks = story::completed(&platform, &job, 4, 30).await;
    let all = async |path: &str| {
        until(&format!("{path} is told of everything"), 40, async || {
            let taken: Vec<_> = receiver.delivered(path).into_iter().filter(|d| d.status == 200).collect();
            let events: BTreeSet<String> = taken.iter().map(|d| d.event.clone()).collect();
            (events.len() == 8).then_some((events, taken))
        })
        .await
    };
    let (events, taken) = all("quick").await;
    for task in &tasks {
        let of = taken.iter().filter(|d| d.body["task"]["task_hash"] == task["task_hash"]);
        let kinds: Vec<&Value> = of.map(|d| &d.body["type"]).collect();
        assert_eq!(kinds, [&json!("task.created"), &json!("task.confirmed")], "{task:#}");
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a time after 1970");
    let is_genuine = |secret: &str, d: &Delivered| {
        verify_signature(secret, &d.signature, d.text.as_bytes(), now, Duration::from_secs(120))
    };
    assert!(taken.iter().all(|d| d.body["id"] == json!(d.event) && is_genuine(&secret, d)), "{taken:#?}");
    assert!(!taken.iter().any(|d| is_genuine("whsec_another", d)), "{taken:#?}");
    for path in ["silent", "ill"] {
        let tried = receiver.delivered(path);
        let is_first = |event: &str| !tried.is_empty() && event == tried[0].event;
        assert!(tried.iter().all(|d| is_first(&d.event)), "one at a time, under one name: {tried:#?}");
    }

    // What nobody took yet is told once the receiver is well, by whoever runs then.
    platform.kill().await;
    receiver.answer("ill", 200);
    let platform = start.run().await;
    assert_eq!(all("ill").await.0, events);
    let shown = platform.get(&format!("/webhooks/{ill}")).await;
    assert_eq!(shown["failures_in_a_row"], json!(0), "{shown}");

    // What the tasks came to stands on the boards, to the wei.
    let charged: U256 = tasks
        .iter()
        .map(|task| {
            task["task_opx_cost_wei"].as_str().and_then(|wei| wei.parse::<U256>().ok()).expect("a cost")
        })
        .sum();
    let user = platform.get(&format!("/leaderboard/users/search?user_address={owner}")).await;
    assert_eq!((&user["total_jobs"], &user["total_tasks"]), (&json!(1), &json!(4)));
    assert_eq!(points(&user["user_points"]), U256::from(20) * U256::from(10).pow(U256::from(18)) + charged);
    let keepers = platform.get("/leaderboard/keepers").await;
    let keepers = keepers.as_array().expect("an array");
    let count = |name: &str| keepers.iter().filter_map(|keeper| keeper[name].as_u64()).sum::<u64>();
    assert_eq!(count("no_executed_tasks"), 4, "{keepers:#?}");
    // Two signatures a task, of which one may be the performer's.
    assert!((4..=8).contains(&count("no_attested_tasks")), "{keepers:#?}");
    let sum = keepers.iter().map(|keeper| points(&keeper["keeper_points"])).sum::<U256>();
    assert!(sum >= charged + charged && sum <= charged * U256::from(3), "{sum} for {charged}");
    platform.stop().await;
}

/// A number of points, in units of 10^-18.
fn points(shown: &Value) -> U256 {
    let text = shown.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    format!("{whole}{fraction:0<18}").parse().unwrap_or_else(|_| panic!("no points: {text}"))
}

/// What an account signs to sign in.
async fn message_of(platform: &Platform, address: Address) -> String {
    let asked = platform.call(Method::GET, "/auth/nonce", Key::None, None).await.expect("an answer");
    let host = platform.said("/api").trim_start_matches("http://");
    format!(
        "{host} wants you to sign in with your Ethereum account:\n{address}\n\n\nURI: http://{host}\nVersion: 1\n\
         Chain ID: {}\nNonce: {}\nIssued At: {}",
        platform.chain_id(),
        asked.body["nonce"].as_str().expect("a nonce"),
        story::now().to_rfc3339(),
    )
}

async fn sign_in(platform: &Platform, message: &str, signature: &Signature) -> Reply {
    let signature = Bytes::from(signature.0.to_vec());
    let body = json!({"message": message, "signature": signature}).to_string();
    platform.call(Method::POST, "/auth/sign-in", Key::None, Some(body)).await.expect("an answer")
}

/// A real Safe 1.4.1, whose fallback handler answers for it (EIP-1271).
#[test]
fn a_safe_signs_in_by_its_owner() {
    everywhere(safe_signs_in);
}

async fn safe_signs_in(topology: Topology) {
    let folder = tempfile::tempdir().expect("a folder");
    let platform = Start::on(&folder.path().join("dev"), topology).run().await;
    let chain = platform.chain();
    let [owner, stranger] = [5, 6].map(|n: usize| LocalSigner::from_hex(&DEV_KEYS[n].into()).expect("a key"));
    let factory = platform.said("/contracts/safe_factory");
    let safe: Address =
        chain.make_safe(factory, &owner.address().to_string()).await.parse().expect("an address");
    let message = message_of(&platform, safe).await;
    let hash = chain.safe_message(&safe.to_string(), digest(&message)).await;
    for signature in [stranger.sign_digest(hash).await, owner.sign_digest(digest(&message)).await] {
        sign_in(&platform, &message, &signature.expect("signed")).await.refused(401, "SIGNATURE_REFUSED");
    }
    let made = sign_in(&platform, &message, &owner.sign_digest(hash).await.expect("signed")).await;
    assert_eq!((made.status, &made.body["owner"]), (201, &json!(safe)), "{made:?}");
    platform.stop().await;
}

#[test]
fn an_account_signs_in_and_is_given_coins_once_a_day() {
    everywhere(signs_in_and_is_given_coins);
}

async fn signs_in_and_is_given_coins(topology: Topology) {
    let folder = tempfile::tempdir().expect("a folder");
    let purse = folder.path().join("faucet.key");
    let mut file =
        std::fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(&purse).expect("a file");
    file.write_all(DEV_KEYS[8].as_bytes()).expect("written");
    let start = Start::on(&folder.path().join("dev"), topology)
        .set(format!("faucet.key_file = {purse:?}"))
        .set("faucet.networks = [\"op_sepolia=31337\"]");
    let platform = start.run().await;
    let wallet = LocalSigner::from_hex(&"42".repeat(32).into()).expect("a key");
    let address = wallet.address();
    let message = message_of(&platform, address).await;
    let signature = wallet.sign_digest(digest(&message)).await.expect("signed");
    let made = sign_in(&platform, &message, &signature).await;
    assert_eq!((made.status, &made.body["owner"]), (201, &json!(address)), "{made:?}");
    let key = made.body["key"].as_str().expect("a key").to_owned();
    sign_in(&platform, &message, &signature).await.refused(401, "NONCE_REFUSED");

    let claim = async |wallet: &str| {
        let body = json!({"wallet_address": wallet, "network": "op_sepolia"}).to_string();
        platform.call(Method::POST, "/claim-fund", Key::Text(&key), Some(body)).await.expect("an answer")
    };
    claim(platform.account(1)).await.refused(403, "FORBIDDEN_ADDRESS");
    let own = address.to_string();
    let (first, second) = tokio::join!(claim(&own), claim(&own));
    let (paid, other) = if first.status == 200 { (first, second) } else { (second, first) };
    assert_eq!((paid.status, &paid.body["success"]), (200, &json!(true)), "{paid:?}");
    assert!([403, 429, 503].contains(&other.status), "one claim of two: {other:?}");
    let chain = platform.chain();
    assert_eq!(chain.succeeded(paid.body["transaction_hash"].as_str().expect("a hash")).await, Some(true));
    let balance = async |of: &str| chain.request("eth_getBalance", json!([of, "latest"])).await;
    // 0.03 of the chain's coin.
    assert_eq!(balance(&own).await, json!("0x6a94d74f430000"));
    claim(&own).await.refused(403, "BALANCE_SUFFICIENT");
    let stranger = format!("0x{}", "71".repeat(20));
    let body = json!({"wallet_address": stranger, "network": "31337"});
    platform.post("/claim-fund", &body).await.refused(429, "FAUCET_CLAIMED");
    assert_eq!(balance(&stranger).await, json!("0x0"));
    platform.stop().await;
}
