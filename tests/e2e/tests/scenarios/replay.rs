//! A task's runs once more: from the platform, and from a file where there is no platform and no network. And what is
//! told of keepers that do not agree.

use std::path::Path;

use argus_domain::{
    Address, B256, Bytes, U256,
    bundle::Bundle,
    chain::Inclusion,
    task::{Fact, Receipt},
};
use argus_e2e::{
    Feed, Keeper, Start, Topology,
    command::{argus, can_go_offline, offline},
    jobs, story, until,
};
use serde_json::{Value, json};

use crate::everywhere;

const SCRIPT: &str = r#"
export default async function (context: any): Promise<[string, bigint]> {
  const reply = await fetch("__SOURCE__/" + context.task_id + "/" + context.attempt);
  const value = BigInt(await reply.text());
  console.error("read", value);
  return ["again", value];
}
"#;

#[test]
fn a_task_is_replayed_with_the_platform_and_without_it() {
    everywhere(replays);
}

async fn replays(topology: Topology) {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path();
    let feed = Feed::serve().await;
    let platform = Start::on(&place.join("dev"), topology).allow(feed.address).run().await;
    let source = SCRIPT.replace("__SOURCE__", &feed.url());
    let script = platform.publish(&source).await;
    let job = platform.create(&jobs::scripted(&platform, &script, 1, 1)).await;
    let task = story::completed(&platform, &job, 1, 30).await.remove(0);
    let number = task["task_id"].to_string();
    let server = [("ARGUS_API_URL", platform.said("/api")), ("ARGUS_API_KEY", platform.said("/keys/user"))];

    let from_platform = argus(place, &server, &["replay", "--json", &number]).await;
    assert_eq!(from_platform.code, 0, "{from_platform:?}");
    let told = from_platform.json();
    assert_eq!((&told["equal"], &told["task"]), (&json!(true), &task["task_hash"]), "{told}");
    assert!(told["runs"].as_u64() >= Some(2) && told["omitted"] == json!([]), "{told}");
    let found = |what: &str| {
        let checks = told["checks"].as_array().into_iter().flatten();
        checks.filter(|c| c["what"] == what).map(|c| c["finding"].as_str().unwrap_or("?")).collect::<Vec<_>>()
    };
    let all = [
        "transcript",
        "task",
        "assignment",
        "module",
        "observations",
        "runs",
        "claims",
        "verdict",
        "receipt",
    ];
    for what in all {
        assert_eq!(found(what), ["holds"], "{what}: {told}");
    }
    assert!(found("replay").iter().all(|finding| *finding == "holds"), "{told}");

    let bundle = platform.download(&format!("/tasks/{number}/bundle")).await;
    std::fs::write(place.join("task.json"), &bundle).expect("written");
    platform.stop().await;
    drop(feed);
    alone(place, &source, &bundle, &told).await;
    forged(place, &bundle).await;
}

/// With nothing but the file.
async fn alone(place: &Path, source: &str, bundle: &[u8], told: &Value) {
    let run = async |args: &[&str]| {
        let args = [&["replay", "--json"], args].concat();
        if can_go_offline() { offline(place, &args).await } else { argus(place, &[], &args).await }
    };
    let again = run(&["task.json"]).await;
    assert_eq!((again.code, &again.json()), (0, told), "{again:?}");
    let no_platform = run(&["67108865"]).await;
    assert_eq!(no_platform.code, 1, "it is gone: {no_platform:?}");

    // Code that asks for something else is stopped at that call, and both sides are shown.
    std::fs::write(place.join("other.ts"), source.replace("/\" + context.attempt", "/\" + 77"))
        .expect("written");
    let other = run(&["task.json", "--with", "other.ts"]).await;
    let call = &other.json()["call"];
    assert_eq!((other.code, &call["sequence"]), (1, &json!(0)), "{other:?}");
    let request = |side: &str| call[side]["request"].as_str().unwrap_or_default().to_owned();
    assert!(request("one").contains("/1\"") && request("other").contains("/77\""), "{call}");
    assert!(call["one"]["reply"].is_string() && call["other"]["reply"].is_null(), "{call}");
    // Code that asks for the same runs to its end.
    std::fs::write(place.join("more.ts"), source.replace("\"again\", value]", "\"again\", value + 1n]"))
        .expect("written");
    let more = run(&["task.json", "--with", "more.ts"]).await;
    assert_eq!((more.code, &more.json()["result"]["path"]), (1, &json!("$[1]")), "{more:?}");
    std::fs::write(place.join("same.ts"), format!("// the same\n{source}")).expect("written");
    let same = run(&["task.json", "--with", "same.ts"]).await;
    assert_eq!((same.code, &same.json()["same"]), (0, &json!(true)), "{same:?}");

    // What somebody changed in the file is not taken for what was kept.
    let at = bundle.windows(4).position(|w| w == b"read").expect("the log is in it");
    let mut changed = bundle.to_vec();
    changed[at] = b'l';
    std::fs::write(place.join("changed.json"), changed).expect("written");
    assert_eq!(run(&["changed.json"]).await.code, 1);
}

/// What a forger who makes the file's digest fit is told of the receipt: the block's hash ties all of it together.
async fn forged(place: &Path, bundle: &[u8]) {
    type Forge = fn(&mut Inclusion, &mut Receipt);
    fn edit(bytes: &mut Bytes, at: usize) {
        let mut edited = bytes.to_vec();
        edited[at] ^= 1;
        *bytes = edited.into();
    }
    let forgeries: [(&str, Forge, &str); 7] = [
        ("status", |_, r| r.success = false, "which ran through"),
        ("charge", |_, r| r.charged += U256::ONE, "not what the receipt says"),
        ("keeper", |_, r| r.keeper.0 = Address::ZERO, "not by the keeper that it names"),
        ("block", |_, r| r.block_hash = B256::ZERO, "the receipt names block 0x0000"),
        (
            "calldata",
            |i, _| edit(&mut i.transaction, 200),
            "does not lead from the block header to the transaction",
        ),
        ("log", |i, _| edit(&mut i.receipt, 300), "does not lead from the block header to the receipt"),
        (
            "proof",
            |i, _| edit(&mut i.receipt_nodes[0], 40),
            "does not lead from the block header to the receipt",
        ),
    ];
    for (what, forge, said) in forgeries {
        let mut forged = Bundle::decode(bundle).expect("a bundle");
        let account = forged.task.as_mut().expect("a task");
        let receipt = account.record.facts.iter_mut().find_map(|fact| match fact {
            Fact::Received(receipt) => Some(receipt),
            _ => None,
        });
        forge(account.inclusion.as_mut().expect("shown"), receipt.expect("received"));
        let whole = Bundle::new(forged.script, forged.runs, forged.task, forged.omitted);
        std::fs::write(place.join("forged.json"), whole.encode().expect("written")).expect("written");
        let told = argus(place, &[], &["replay", "--json", "forged.json"]).await;
        let checks = told.json()["checks"].clone();
        let fails: Vec<_> =
            checks.as_array().into_iter().flatten().filter(|c| c["finding"] == "fails").collect();
        assert_eq!((told.code, fails.len()), (1, 1), "{what}: {checks:#}");
        let words = fails[0]["words"].as_str().unwrap_or_default();
        assert!(fails[0]["what"] == "receipt" && words.contains(said), "{what}: {words}");
    }
}

#[test]
fn keepers_that_disagree_are_shown_side_by_side() {
    everywhere(disagree);
}

/// Every run is answered otherwise, the job asks for equal calls, and one of three keepers lies besides.
async fn disagree(topology: Topology) {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path();
    let feed = Feed::serve().await;
    let start = Start::on(&place.join("dev"), topology).allow(feed.address).set("timing.attempt_ms = 4000");
    let platform = start.clone().keepers(&[1, 2]).run().await;
    let liar = Keeper::hostile(&platform, 3, "lies").await;
    let script = platform.publish(&SCRIPT.replace("__SOURCE__", &feed.url())).await;
    let job = jobs::with(jobs::scripted(&platform, &script, 1, 1), json!({ "agreement": "exact" }));
    let job = platform.create(&job).await;
    let task = until("the task has failed", 60, async || {
        platform.tasks(&job).await.into_iter().find(|task| task["task_status"] == "failed")
    })
    .await;
    let path = format!("/tasks/{}", task["task_id"]);
    let reports = platform.get(&path).await["disagreements"].clone();
    let report = &reports[0];
    let (one, other) = (&report["one"]["keeper"], &report["other"]["keeper"]);
    assert!(one.is_string() && other.is_string() && one != other, "{report:#}");
    let call = &report["call"];
    assert_eq!((&call["sequence"], &call["one"]["import"]), (&json!(0), &json!("http_fetch")), "{report:#}");
    assert_eq!(call["one"]["request"], call["other"]["request"], "asked for the same: {report:#}");
    assert_ne!(call["one"]["reply"], call["other"]["reply"], "and answered otherwise: {report:#}");
    assert_eq!(report["argument"]["path"], "$[1]", "{report:#}");
    assert!(report["would_help"].as_array().is_some_and(|all| all.contains(&json!({"agreement": "median"}))));

    // It is stored, and whoever asks in a shell is shown both sides, too.
    drop(liar);
    platform.stop().await;
    let platform = start.run().await;
    assert_eq!(platform.get(&path).await["disagreements"], reports, "after a restart");
    let server = [("ARGUS_API_URL", platform.said("/api")), ("ARGUS_API_KEY", platform.said("/keys/user"))];
    let shown = argus(place, &server, &["task", "show", &task["task_id"].to_string()]).await;
    for side in [&report["one"], &report["other"]] {
        let keeper = side["keeper"].as_str().expect("a keeper");
        assert!(shown.out.contains(keeper), "{keeper}: {}", shown.out);
    }
    for part in ["call 0: reply", "argument $[1]", "would agree with agreement: median"] {
        assert!(shown.out.contains(part), "{part}: {}", shown.out);
    }
    platform.stop().await;
}
