//! Interval jobs, with given arguments and with a script's.

use argus_e2e::{Platform, Source, Start, Topology, jobs, stays, story, until};

use crate::everywhere;

const SCRIPT: &str = r#"
export default async function (): Promise<[string, bigint]> {
  const reply = await (await fetch("__SOURCE__")).json();
  console.error("read", reply.market.price);
  return ["script", BigInt(reply.market.price) * 2n];
}
"#;

#[test]
fn interval_jobs_run_once_per_occurrence_and_are_told_over_the_websocket() {
    everywhere(runs_and_tells);
}

async fn runs_and_tells(topology: Topology) {
    let folder = tempfile::tempdir().expect("a folder");
    let source = Source::serve(r#"{"market":{"price":"21"}}"#).await;
    let platform = Start::on(folder.path(), topology).allow(source.address).run().await;
    let script = platform.publish(&SCRIPT.replace("__SOURCE__", &source.url())).await;
    let (fixed, scripted) = (
        platform.create(&jobs::interval(&platform, "fixed", 7, 1, 3)).await,
        platform.create(&jobs::scripted(&platform, &script, 2, 5)).await,
    );

    let mut socket = platform.socket().await;
    socket.join(&fixed).await;
    let joined = socket.next_of("SUCCESS", 5).await;
    assert_eq!(joined["data"]["data"]["room"], format!("job:{fixed}"), "{joined}");
    let snapshot = socket.next_of("JOB_TASKS_SNAPSHOT", 5).await;
    assert_eq!(snapshot["data"]["job_id"], fixed, "{snapshot}");
    assert!(snapshot["data"]["tasks"].is_array(), "{snapshot}");
    // Every task is told as completed, and the numbers of frames only grow.
    let mut done = std::collections::BTreeSet::new();
    let mut last = 0;
    while done.len() < 3 {
        let frame = socket.next(15).await;
        let data = &frame["data"];
        assert_eq!(data["job_id"], fixed, "a frame of another room: {frame}");
        let seq = data["seq"].as_u64().unwrap_or_else(|| panic!("no seq: {frame}"));
        assert!(seq > last, "seq {seq} after {last}");
        last = seq;
        if data["changes"]["task_status"] == "completed" {
            done.insert(data["task_id"].as_u64().expect("a task id"));
        }
    }

    let tasks = story::completed(&platform, &fixed, 3, 15).await;
    story::on_chain(&platform, "fixed", 7, &tasks).await;
    for (task, n) in tasks.iter().zip(1..) {
        assert_eq!(task["task_number"], n, "{task}");
        assert!(done.contains(&task["task_id"].as_u64().expect("a task id")), "{task}");
        assert_eq!(task["converted_arguments"], serde_json::json!(["fixed", "7"]), "{task}");
    }
    let tasks = story::completed(&platform, &scripted, 2, 20).await;
    story::on_chain(&platform, "script", 42, &tasks).await;
    for task in &tasks {
        assert!(task["task_attesters"].as_array().is_some_and(|a| a.len() >= 2), "a quorum: {task}");
    }
    // Their time is over: nothing comes any more.
    let chain = platform.chain();
    stays("three and two effects", 1500, async || {
        (chain.count("fixed").await, chain.count("script").await) == (3, 2)
    })
    .await;
    figures(&platform, 5).await;
    platform.stop().await;
}

/// What `/metrics` shows once so many tasks were done and nothing else was.
async fn figures(platform: &Platform, done: u64) {
    let text = platform.metrics().await;
    let of = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map(|value| value.parse::<u64>().unwrap_or_else(|e| panic!("{name} {value}: {e}")))
    };
    let families = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    for family in families {
        assert!(argus_metrics::table::all().any(|row| row.name == family), "{family}");
        assert!(text.contains(&format!("# HELP {family} ")), "{family}: {text}");
    }
    assert_eq!(of("argus_api_jobs_created_total"), Some(2), "{text}");
    // A process counts what its own roles do, and shows no zero for what others do.
    let here = matches!(platform.topology(), Topology::OneProcess);
    for (name, least) in [
        ("argus_tasks_opened_total", done),
        (r#"argus_verdicts_total{verdict="agreed"}"#, done),
        (r#"argus_verdicts_total{verdict="failed"}"#, 0),
        (r#"argus_receipts_total{success="true"}"#, done),
        (r#"argus_receipts_total{success="false"}"#, 0),
        ("argus_tasks_confirmed_total", done),
        ("argus_tasks_lapsed_total", 0),
        ("argus_keepers_registered", 3),
        ("argus_keepers_connected", 3),
        ("argus_keepers_runs_in_hand", 0),
    ] {
        assert_eq!(of(name), here.then_some(least), "{name}: {text}");
    }
    // A task may be tried again, and its transaction sent again.
    for name in ["argus_attempts_total", "argus_handoffs_total", "argus_broadcasts_total"] {
        assert_eq!(of(name).map(|value| value >= done), here.then_some(true), "{name}: {text}");
    }
}

#[test]
fn a_paused_or_deleted_job_opens_nothing_further() {
    everywhere(pauses_and_deletes);
}

async fn pauses_and_deletes(topology: Topology) {
    let folder = tempfile::tempdir().expect("a folder");
    let platform = Start::on(folder.path(), topology).run().await;
    let job = platform.create(&jobs::interval(&platform, "pause", 1, 1, 60)).await;
    let some = async |least: usize| {
        let what = format!("{least} tasks");
        until(&what, 15, async || Some(platform.tasks(&job).await.len()).filter(|n| *n >= least)).await
    };
    some(1).await;

    platform.put(&format!("/jobs/{job}/status/paused")).await;
    let owner = platform.account(0);
    let path = format!("/jobs/user/{owner}/{job}");
    assert_eq!(platform.get(&path).await["status"], "paused");
    // The answer to the pause is the bound: what is open by then may end, and no task follows.
    let paused = platform.tasks(&job).await.len();
    stays("no task while paused", 2500, async || platform.tasks(&job).await.len() == paused).await;

    platform.put(&format!("/jobs/{job}/status/running")).await;
    let resumed = some(paused + 1).await;
    // Instants passed while paused are not made up for.
    assert!(resumed <= paused + 2, "{resumed} tasks after {paused}");

    platform.put(&format!("/jobs/delete/{job}")).await;
    platform.put(&format!("/jobs/delete/{job}")).await;
    let deleted = platform.tasks(&job).await.len();
    stays("no task once deleted", 2500, async || platform.tasks(&job).await.len() == deleted).await;
    let tasks = until("all tasks end", 15, async || {
        Some(platform.tasks(&job).await).filter(|tasks| tasks.iter().all(story::has_ended))
    })
    .await;
    // One that was open may have come too late for its call, and then says so.
    let (done, withdrawn): (Vec<_>, Vec<_>) =
        tasks.into_iter().partition(|task| task["task_status"] == "completed");
    assert!(withdrawn.len() <= 1, "{withdrawn:#?}");
    assert!(withdrawn.iter().all(|task| task["error"] == "its job was deleted"), "{withdrawn:#?}");
    story::on_chain(&platform, "pause", 1, &done).await;
    platform.stop().await;
}
