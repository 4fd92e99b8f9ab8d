//! docs/api-guide.md: each command as it stands there, each answer as it is said to be.

use std::{path::Path, process::Command, time::Duration};

use argus_e2e::{Platform, Start, Topology, corpus::fit, deadline, jobs::fresh_id};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::everywhere;

/// Seconds in which what is only read becomes what is said: a task has to be executed first.
const PATIENCE: u64 = 30;

#[test]
fn every_example_of_the_api_guide_gives_what_it_says() {
    everywhere(examples);
}

async fn examples(topology: Topology) {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/api-guide.md");
    let guide = std::fs::read_to_string(guide).expect("the guide");
    let folder = tempfile::tempdir().expect("a folder");
    let platform = Start::on(folder.path(), topology).run().await;
    let job = fresh_id();
    let (mut run, mut rest) = (0, guide.as_str());
    while let Some((_, after)) = rest.split_once("```sh\n") {
        let (command, after) = after.split_once("```\n").expect("the end of a command");
        let answer = after.strip_prefix("```json\n").expect("an answer behind each command");
        let (answer, after) = answer.split_once("```\n").expect("the end of an answer");
        rest = after;
        let pattern: Value = serde_json::from_str(answer).unwrap_or_else(|e| panic!("{command}\n{e}"));
        let end = deadline(if command.contains(" -d ") || command.contains(" -X ") { 0 } else { PATIENCE });
        while let Err(why) = held(&pattern, &said(&platform, &job, command)) {
            assert!(Instant::now() < end, "{command}\n{why}");
            sleep(Duration::from_millis(200)).await;
        }
        run += 1;
    }
    assert!(run > 20, "{run} examples only");
    platform.stop().await;
}

fn held(pattern: &Value, said: &str) -> Result<(), String> {
    let value: Value = serde_json::from_str(said).map_err(|e| format!("{e}: {said}"))?;
    fit(pattern, &value, "the answer").map_err(|why| format!("{why}\n{said}"))
}

fn said(platform: &Platform, job: &str, command: &str) -> String {
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", command])
        .env("API", platform.said("/api"))
        .env("APP_KEY", platform.said("/keys/app"))
        .env("KEY", platform.said("/keys/user"))
        .env("ADMIN_KEY", platform.said("/keys/admin"))
        .env("OWNER", platform.account(0))
        .env("CHAIN", platform.chain_id())
        .env("TARGET", platform.said("/contracts/demo_target"))
        .env("JOB", job)
        .output()
        .expect("bash");
    assert!(output.status.success(), "{command}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}
