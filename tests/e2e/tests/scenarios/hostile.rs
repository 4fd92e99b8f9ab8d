//! One keeper of three breaks the rules, or dies when it is its turn. The chain must not show it.

use std::collections::BTreeSet;

use argus_domain::{Address, time::Timestamp};
use argus_e2e::{Feed, Keeper, Platform, Source, Start, Topology, jobs, stays, story, until};
use argus_ports::{Journal, KeeperStore};
use argus_sqlite::{Options, SqliteJournal, SqliteStore};
use serde_json::{Value, json};

use crate::everywhere;

/// The keeper whose key the platform leaves to us.
const OTHER: usize = 3;

/// Every occurrence comes to a value of its own, which the test can compute, too.
const STEADY: &str = r#"
export default async function (): Promise<[string, bigint]> {
  const reply = await (await fetch("__SOURCE__")).json();
  return ["steady", BigInt(reply.base) + BigInt(Math.floor(Date.now() / 1000))];
}
"#;
const BASE: u64 = 1_000;

/// Every run comes to another value.
const MOVING: &str = r#"
export default async function (context: any): Promise<[string, bigint]> {
  const reply = await fetch("__SOURCE__/" + context.task_id + "/" + context.attempt);
  return ["moving", BigInt(await reply.text())];
}
"#;

fn steady(task: &Value) -> u64 {
    let Timestamp(due) = story::instant(&task["scheduled_at"]);
    BASE + due / 1000
}

/// What the feed gave to the runs of the attempt that was agreed on, in the order in which they asked.
fn given(feed: &Feed, task: &Value) -> Vec<u64> {
    feed.given(&format!("{}/{}", task["task_hash"].as_str().expect("a hash"), task["attempts"]))
}

fn middle(values: &[u64]) -> u64 {
    let mut values = values.to_vec();
    assert_eq!(values.len(), 3, "three keepers run a task: {values:?}");
    values.sort_unstable();
    values[1]
}

fn attesters(task: &Value) -> Vec<&str> {
    let attesters: Vec<_> =
        task["task_attesters"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let distinct: BTreeSet<_> = attesters.iter().collect();
    assert!(distinct.len() >= 2 && distinct.len() == attesters.len(), "two keepers or more: {task:#}");
    attesters
}

#[test]
fn a_source_that_moves_between_requests_gives_the_middle_value() {
    everywhere(takes_the_middle);
}

async fn takes_the_middle(topology: Topology) {
    const OCCURRENCES: usize = 5;
    let folder = tempfile::tempdir().expect("a folder");
    let feed = Feed::serve().await;
    let platform = Start::on(folder.path(), topology).allow(feed.address).run().await;
    let script = platform.publish(&MOVING.replace("__SOURCE__", &feed.url())).await;
    let job = platform.create(&jobs::scripted(&platform, &script, 1, OCCURRENCES as u64)).await;
    let tasks = story::completed(&platform, &job, OCCURRENCES, 30).await;
    let expected: Vec<_> = tasks
        .iter()
        .map(|task| {
            assert_eq!(task["agreement"], "median", "{task:#}");
            attesters(task);
            // Three runs and no request more: who signs another's run replays it.
            (task, "moving", middle(&given(&feed, task)))
        })
        .collect();
    story::only_effects(&platform, &expected).await;
    platform.stop().await;
}

#[test]
fn a_lying_keeper_of_three_changes_nothing() {
    everywhere(|topology| is_outvoted("lies", topology));
}

#[test]
fn an_equivocating_keeper_of_three_changes_nothing() {
    everywhere(|topology| is_outvoted("equivocates", topology));
}

/// Three jobs with one hostile keeper: given arguments, a script on which honest runs agree, one on which they differ.
async fn is_outvoted(behaviour: &str, topology: Topology) {
    const OCCURRENCES: usize = 4;
    let folder = tempfile::tempdir().expect("a folder");
    let source = Source::serve(&json!({ "base": BASE }).to_string()).await;
    let feed = Feed::serve().await;
    let start = Start::on(folder.path(), topology).allow(source.address).allow(feed.address);
    let platform = start.keepers(&[1, 2]).run().await;
    let hostile = Keeper::hostile(&platform, OTHER, behaviour).await;
    let every_second = async |script: &str, url: &str| {
        let script = platform.publish(&script.replace("__SOURCE__", url)).await;
        platform.create(&jobs::scripted(&platform, &script, 1, OCCURRENCES as u64)).await
    };
    let job = [
        platform.create(&jobs::interval(&platform, "given", 7, 1, OCCURRENCES as u64)).await,
        every_second(STEADY, &source.url()).await,
        every_second(MOVING, &feed.url()).await,
    ];
    let fixed = story::completed(&platform, &job[0], OCCURRENCES, 40).await;
    let scripted = story::completed(&platform, &job[1], OCCURRENCES, 40).await;
    let moving = story::completed(&platform, &job[2], OCCURRENCES, 40).await;
    // It may come too late for an attempt that the others had agreed on; it has to have said something all the same.
    let all: Vec<_> = [&fixed[..], &scripted, &moving].concat();
    let deeds = until("the hostile keeper answered everything", 10, async || {
        Some(hostile.deeds()).filter(|deeds| all.iter().all(|task| answer(deeds, task).is_some()))
    })
    .await;
    let mut expected: Vec<(&Value, &str, u64)> = fixed.iter().map(|task| (task, "given", 7)).collect();
    expected.extend(scripted.iter().map(|task| (task, "steady", steady(task))));
    for task in &moving {
        assert_eq!(task["agreement"], "median", "{task:#}");
        let deed = answer(&deeds, task).expect("an answer");
        // Its first word counts, in the place of what the source gave it.
        let mut values = given(&feed, task);
        let own = values.iter().position(|value| *value == integer(&deed["honest"])).expect("its own");
        values[own] = integer(&deed["said"][0]);
        expected.push((task, "moving", middle(&values)));
    }
    for task in &all {
        let attesters = attesters(task);
        let liar = attesters.contains(&hostile.address().as_str());
        assert!(!(liar && behaviour == "lies"), "the liar is among the attesters: {task:#}");
    }
    story::only_effects(&platform, &expected).await;
    // Two words are proof against whoever gave them; a lie shows in a replay, and only some tasks are replayed.
    until("who broke a rule is known", 10, async || {
        let faulty = faulty(&platform).await;
        assert!(
            faulty.iter().all(|keeper| *keeper == hostile.address()),
            "an honest one is blamed: {faulty:?}"
        );
        (behaviour == "lies" || !faulty.is_empty()).then_some(())
    })
    .await;
    platform.stop().await;
}

/// The keepers that the platform knows to have broken a rule.
async fn faulty(platform: &Platform) -> Vec<String> {
    let store =
        SqliteStore::open(&platform.folder().join("argus.db"), &Options::default()).expect("the store");
    let keepers = KeeperStore::all(&store).await.expect("the keepers");
    let text = |address: Address| json!(address).as_str().expect("a text").to_owned();
    keepers.iter().filter(|row| row.faults > 0).map(|row| text(row.keeper.0)).collect()
}

#[test]
fn a_liar_that_guesses_the_middle_stops_nothing() {
    everywhere(guesses_the_middle);
}

async fn guesses_the_middle(topology: Topology) {
    const OCCURRENCES: usize = 12;
    let folder = tempfile::tempdir().expect("a folder");
    let feed = Feed::serve().await;
    feed.straddling();
    let platform = Start::on(folder.path(), topology).allow(feed.address).keepers(&[1, 2]).run().await;
    let hostile = Keeper::hostile(&platform, OTHER, "guesses").await;
    let script = platform.publish(&MOVING.replace("__SOURCE__", &feed.url())).await;
    let job = platform.create(&jobs::scripted(&platform, &script, 1, OCCURRENCES as u64)).await;
    let tasks = story::completed(&platform, &job, OCCURRENCES, 60).await;
    // Whichever honest run is taken, it is one.
    let effects = platform.chain().recorded().await;
    assert_eq!(effects.len(), tasks.len());
    for task in &tasks {
        let effect =
            effects.iter().find(|e| task["execution_tx_hash"] == e.transaction.as_str()).expect("one");
        assert!(given(&feed, task).contains(&effect.value), "{effect:?} of {task:#}");
    }
    // What it signed stands beside what its own transcript comes to, for whoever owns the job.
    let mut reports = Vec::new();
    for task in &tasks {
        let shown = platform.get(&format!("/tasks/{}", task["task_id"])).await;
        reports.extend(shown["disagreements"].as_array().cloned().unwrap_or_default());
    }
    assert!(!reports.is_empty(), "in a dozen tasks it was in the middle once");
    for report in &reports {
        assert_eq!(report["one"]["keeper"], hostile.address(), "{report:#}");
        assert!(report["refuted_by"].as_array().is_some_and(|by| by.len() == 2), "{report:#}");
        assert!(report["refuted_by"].as_array().is_some_and(|by| by.contains(&report["other"]["keeper"])));
        let argument = &report["argument"];
        assert_eq!(
            (&argument["path"], &argument["one"]),
            (&json!("$[1]"), &json!("\"100500\"")),
            "{report:#}"
        );
        assert_ne!(argument["other"], argument["one"], "{report:#}");
        assert_eq!(report["call"], Value::Null, "it made the calls that it recorded: {report:#}");
    }
    until("the liar is found out, and nobody else blamed", 10, async || {
        let faulty = faulty(&platform).await;
        assert!(
            faulty.iter().all(|keeper| *keeper == hostile.address()),
            "an honest one is blamed: {faulty:?}"
        );
        (!faulty.is_empty()).then_some(())
    })
    .await;
    platform.stop().await;
}

/// What the hostile keeper said in the attempt of this task that was agreed on.
fn answer<'a>(deeds: &'a [Value], task: &Value) -> Option<&'a Value> {
    deeds.iter().find(|deed| {
        deed["did"] == "answered" && deed["task"] == task["task_hash"] && deed["attempt"] == task["attempts"]
    })
}

/// The last of a call's arguments.
fn integer(arguments: &Value) -> u64 {
    let last = arguments.as_array().and_then(|all| all.last()).and_then(Value::as_str);
    last.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no integer: {arguments}"))
}

#[test]
fn a_keeper_that_speaks_with_many_voices_is_one_keeper() {
    everywhere(has_one_voice);
}

async fn has_one_voice(topology: Topology) {
    let folder = tempfile::tempdir().expect("a folder");
    let start = Start::on(folder.path(), topology).set("timing.attempt_ms = 3000");
    let platform = start.keepers(&[]).run().await;
    let hostile = Keeper::hostile(&platform, OTHER, "multiplies").await;
    let mute = Keeper::hostile(&platform, 1, "is-mute").await;
    let job = platform.create(&jobs::interval(&platform, "voice", 5, 1, 1)).await;
    until("it has said its answer many times, in two attempts", 20, async || {
        let deeds = hostile.deeds();
        deeds
            .iter()
            .find(|deed| deed["attempt"] == 2 && deed["said"].as_array().is_some_and(|s| s.len() >= 4))?;
        Some(())
    })
    .await;
    stays("nothing is agreed", 1000, async || {
        let tasks = platform.tasks(&job).await;
        let open =
            tasks.iter().all(|task| task["is_accepted"] == false && task["task_status"] == "processing");
        open && tasks.len() == 1 && platform.chain().recorded().await.is_empty()
    })
    .await;
    // One honest voice more, and it is a quorum.
    mute.kill().await;
    let honest = Keeper::honest(&platform, 1, &[]).await;
    let tasks = story::completed(&platform, &job, 1, 20).await;
    let mut attesters = attesters(&tasks[0]);
    attesters.sort_unstable();
    let mut both = [hostile.address(), honest.address()];
    both.sort_unstable();
    assert_eq!(attesters, both);
    story::only_effects(&platform, &[(&tasks[0], "voice", 5)]).await;
    platform.stop().await;
}

#[test]
fn another_keeper_acts_when_the_performer_dies_on_being_told() {
    everywhere(async |topology| {
        performer_dies(topology, async |platform| Keeper::hostile(platform, OTHER, "dies-handed").await)
            .await;
    });
}

#[test]
fn another_keeper_acts_when_the_performer_dies_between_intent_and_broadcast() {
    everywhere(async |topology| {
        let dying = ["debug.failpoint = \"intent\""];
        performer_dies(topology, async |platform| Keeper::honest(platform, OTHER, &dying).await).await;
    });
}

async fn performer_dies(topology: Topology, start: impl AsyncFn(&Platform) -> Keeper) {
    let folder = tempfile::tempdir().expect("a folder");
    let platform = Start::on(folder.path(), topology).set("timing.patience_ms = 1500");
    let platform = platform.keepers(&[1, 2]).run().await;
    let mut victim = start(&platform).await;
    let job = platform.create(&jobs::interval(&platform, "death", 3, 1, 100)).await;
    // Whose turn it is follows from the task's id: one of three at each.
    victim.dies(40).await;
    let tasks = pause_and_end(&platform, &job).await;
    effects(&platform, &tasks).await;
    let cut_short = cut_short(&platform, &victim).await;
    let task = tasks.iter().find(|task| task["task_hash"] == cut_short.task.as_str()).expect("its task");
    assert_ne!(task["task_performer"], victim.address(), "another one acted: {task:#}");

    // When it is back, its own transaction comes too late, and it goes on with its next nonce.
    let back = Keeper::honest(&platform, OTHER, &[]).await;
    if let Some(transaction) = &cut_short.transaction {
        let late = async || platform.chain().succeeded(transaction).await;
        assert!(!until("its transaction is mined", 20, late).await, "the executor takes a task once");
    }
    platform.put(&format!("/jobs/{job}/status/running")).await;
    until("it acts again", 40, async || {
        let tasks = platform.tasks(&job).await;
        tasks[..]
            .iter()
            .find(|task| task["task_performer"] == back.address() && task["confirmed"] == true)?;
        Some(())
    })
    .await;
    let tasks = pause_and_end(&platform, &job).await;
    effects(&platform, &tasks).await;
    platform.stop().await;
}

async fn pause_and_end(platform: &Platform, job: &str) -> Vec<Value> {
    platform.put(&format!("/jobs/{job}/status/paused")).await;
    until("all tasks end", 30, async || {
        Some(platform.tasks(job).await).filter(|tasks| tasks.iter().all(story::has_ended))
    })
    .await
}

async fn effects(platform: &Platform, tasks: &[Value]) {
    for task in tasks {
        assert_eq!(task["task_status"], "completed", "{task:#}");
    }
    let expected: Vec<_> = tasks.iter().map(|task| (task, "death", 3)).collect();
    story::only_effects(platform, &expected).await;
}

/// What a keeper left behind when it died.
struct CutShort {
    task: String,
    transaction: Option<String>,
}

/// A keeper that died on being told has nothing in its journal; one that died after its intent has that, and no node
/// has seen the bytes.
async fn cut_short(platform: &Platform, victim: &Keeper) -> CutShort {
    let journal = SqliteJournal::open(victim.journal()).expect("its journal");
    let intents = journal.pending().await.expect("its intents");
    if let Some(deed) = victim.deeds().iter().find(|deed| deed["did"] == "died") {
        assert!(intents.is_empty(), "{intents:?}");
        return CutShort { task: deed["task"].as_str().expect("a task").to_owned(), transaction: None };
    }
    let [intent] = &intents[..] else { panic!("one intent: {intents:?}") };
    let transaction = intent.signed.hash.to_string();
    assert_eq!(platform.chain().succeeded(&transaction).await, None);
    CutShort { task: intent.task.0.to_string(), transaction: Some(transaction) }
}
