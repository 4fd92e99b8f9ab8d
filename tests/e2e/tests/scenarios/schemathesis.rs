//! The running API held against its own description: requests that the description allows and such that it forbids,
//! made up by schemathesis, which checks every answer. What is let through stands in tests/e2e/schemathesis, with the
//! reasons. `ARGUS_SCHEMATHESIS=200` asks for as many examples of each route.

use std::path::PathBuf;

use argus_e2e::{
    Start, Topology,
    command::{Output, schemathesis},
    jobs, until,
};

/// Examples of each route, beside those that its description's bounds give.
const EXAMPLES: u32 = 10;

#[test]
fn answers_are_what_the_description_says() {
    let Some(program) = argus_e2e::schemathesis() else { return };
    // What answers is the same in every topology.
    crate::on(&[Topology::OneProcess], |topology| answers(program.clone(), topology));
}

async fn answers(program: PathBuf, topology: Topology) {
    let folder = tempfile::tempdir().expect("a folder");
    let start = Start::on(&folder.path().join("dev"), topology).set("api.behind_proxy = true");
    let platform = start.run().await;
    let job = platform.create(&jobs::interval(&platform, "described", 7, 1, 3600)).await;
    let spare = platform.create(&jobs::interval(&platform, "changed", 8, 60, 3600)).await;
    let cid = platform.publish(r#"console.log(JSON.stringify(["described", "9"]))"#).await;
    let task = until("a task is completed", 30, async || {
        let tasks = platform.tasks(&job).await;
        tasks.into_iter().find(|task| task["task_status"] == "completed")
    });
    let task = task.await["task_id"].to_string();
    platform.put(&format!("/jobs/{job}/status/paused")).await;
    let examples = std::env::var("ARGUS_SCHEMATHESIS").map_or(Ok(EXAMPLES), |text| text.parse());
    let examples = examples.expect("SCHEMATHESIS is a number");
    let names = [
        ("APP_KEY", platform.said("/keys/app")),
        ("ADMIN_KEY", platform.said("/keys/admin")),
        ("OWNER", platform.account(0)),
        ("JOB", &job),
        ("SPARE_JOB", &spare),
        ("TASK", &task),
        ("CID", cid.trim_start_matches("ipfs://")),
    ];
    let description = format!("{}/openapi.json", platform.said("/api"));
    let Output { code, out, err } =
        schemathesis(&program, folder.path(), &names, &description, examples).await;
    eprintln!("{out}");
    assert_eq!(code, 0, "{out}{err}");
    platform.stop().await;
}
