//! Scripts on a real IPFS node: published there, found there, and safe from its end.

use argus_conformance::kubo::Kubo;
use argus_e2e::{Start, Topology, command::argus, jobs, story, until};
use serde_json::{Value, json};

use crate::everywhere;

#[test]
fn a_platform_publishes_to_its_node_and_outlives_it() {
    everywhere(publishes);
}

const SCRIPT: &str = r#"console.log(JSON.stringify(["published", "7"]));"#;

async fn publishes(topology: Topology) {
    let Some(mut node) = Kubo::start() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let content = format!("content.node = {:?}", node.url);
    let platform = Start::on(folder.path(), topology).set(content).run().await;

    // By the command, as an author does it.
    std::fs::write(folder.path().join("published.ts"), SCRIPT).expect("a script");
    let variables =
        [("ARGUS_API_URL", platform.said("/api")), ("ARGUS_API_KEY", platform.said("/keys/user"))];
    let published = argus(folder.path(), &variables, &["module", "publish", "published.ts", "--json"]).await;
    assert_eq!(published.code, 0, "{published:?}");
    let published = published.json();
    let cid = published["cid"].as_str().expect("a CID");
    assert_eq!(node.says(&["cat", cid]), SCRIPT, "the node has it");
    let pins = node.says(&["pin", "ls", "--quiet", "--type=recursive"]);
    assert!(pins.lines().any(|pin| pin == cid), "{cid} is not among the pins: {pins}");

    // What only the node has: an author's own folder, under its old name, a file of it by path.
    let own = folder.path().join("own");
    std::fs::create_dir(&own).expect("a folder");
    std::fs::write(own.join("script.ts"), SCRIPT.replace("published", "own")).expect("a script");
    let root = node.says(&["add", "--quieter", "--recursive", "--cid-version=0", &own.to_string_lossy()]);

    let job = |script: &str| {
        let job = jobs::scripted(&platform, script, 1, 8);
        jobs::with(job, json!({ "language": "ts" }))
    };
    let first = platform.create(&job(&format!("ipfs://{cid}"))).await;
    let second = platform.create(&job(&format!("ipfs://{root}/script.ts"))).await;
    let begun = |tasks: &[Value]| tasks.iter().any(|task| task["task_status"] == "completed");
    until("both jobs have run", 30, async || {
        (begun(&platform.tasks(&first).await) && begun(&platform.tasks(&second).await)).then_some(())
    })
    .await;
    node.kill();
    for (job, key) in [(first, "published"), (second, "own")] {
        let tasks = story::completed(&platform, &job, 8, 30).await;
        story::on_chain(&platform, key, 7, &tasks).await;
    }
    // Without the node nothing new can be pinned, and nobody is told that it was.
    let other = SCRIPT.replace("published", "after");
    std::fs::write(folder.path().join("after.ts"), other).expect("a script");
    let after = argus(folder.path(), &variables, &["module", "publish", "after.ts"]).await;
    assert!(after.code == 1 && after.err.contains(&node.url) && after.err.contains("HTTP 503"), "{after:?}");
    platform.stop().await;
}
