//! Sudden death, at each step of a task's life and at any moment, and what the next start makes of it.

use std::time::Duration;

use argus_domain::time::Timestamp;
use argus_e2e::{
    Start, Topology, jobs,
    platform::Key,
    story::{self, Interval, now, stretch},
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::everywhere;

const OCCURRENCES: u64 = 6;

/// A job's platform dies at a step; the next start, without the failpoint, must lead to the same end as none.
async fn dies_at(step: &str, topology: Topology) {
    let folder = tempfile::tempdir().expect("a folder");
    let start = Start::on(folder.path(), topology);
    let dying = start.clone().dying_at(step).run().await;
    let mut job = jobs::interval(&dying, "steady", 3, 1, OCCURRENCES);
    let id = job["job_id"].as_str().expect("an id").to_owned();
    job["job_title"] = json!(format!("dies at {step}"));
    let answer = dying.call(Method::POST, "/jobs", Key::App, Some(json!([job]).to_string())).await;
    // A job that is accepted and whose creator was not told is the one step at which no answer comes.
    assert_eq!(answer.is_err(), step == "accepted", "{answer:?}");
    let platform;
    let down;
    match topology {
        Topology::OneProcess => {
            dying.dies(15).await;
            let died = now();
            platform = start.run().await;
            down = stretch(died, now());
        }
        // The supervisor starts the dead role again, without the failpoint.
        Topology::Processes => {
            let died = now();
            argus_e2e::until("a role died and was started again", 15, async || {
                dying.words().contains("starting it again").then_some(())
            })
            .await;
            // It may be the one that answers.
            argus_e2e::until("the API answers again", 15, async || {
                let reply = dying.call(Method::GET, "/ready", Key::None, None).await;
                reply.is_ok_and(|reply| reply.status == 200).then_some(())
            })
            .await;
            platform = dying;
            down = stretch(died, Timestamp(died.0 + 5_000));
        }
    }
    let interval =
        Interval { job: id, key: "steady".to_owned(), value: 3, every: 1, occurrences: OCCURRENCES };
    interval.judge(&platform, &[down], 30).await;
    platform.stop().await;
}

macro_rules! steps {
    ($($name:ident: $step:literal),+ $(,)?) => {
        $(
            #[test]
            fn $name() {
                everywhere(|topology| dies_at($step, topology));
            }
        )+

        #[test]
        fn every_step_has_its_test() {
            let tested = [$($step),+];
            for step in argus_ports::Step::ALL {
                assert!(tested.contains(&step.name()), "{}", step.name());
            }
        }
    };
}

steps! {
    dies_once_a_job_is_stored: "accepted",
    dies_once_a_task_is_open: "opened",
    dies_once_an_attempt_is_recorded: "attempted",
    dies_once_an_assignment_is_sent: "assigned",
    dies_once_a_claim_is_in_the_journal: "claimed",
    dies_once_a_task_is_settled: "settled",
    dies_once_an_intent_is_in_the_journal: "intent",
    dies_once_a_transaction_has_left: "broadcast",
}

#[test]
fn dies_at_any_moment_again_and_again() {
    everywhere(dies_at_random);
}

#[test]
fn sleeps_for_a_while_and_goes_on() {
    everywhere(sleeps);
}

/// Longer than a keeper may be silent: all of them are taken for gone when it wakes, and have to come back.
async fn sleeps(topology: Topology) {
    const OCCURRENCES: u64 = 12;
    let folder = tempfile::tempdir().expect("a folder");
    let platform = Start::on(folder.path(), topology).run().await;
    let job = platform.create(&jobs::interval(&platform, "steady", 3, 1, OCCURRENCES)).await;
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let slept = now();
    platform.pause(Duration::from_secs(7)).await;
    let down = [stretch(slept, now())];
    let interval = Interval { job, key: "steady".to_owned(), value: 3, every: 1, occurrences: OCCURRENCES };
    interval.judge(&platform, &down, 40).await;
    platform.stop().await;
}

#[test]
fn the_chain_dies_with_it_and_comes_back_older() {
    everywhere(dies_with_its_chain);
}

/// anvil saves its state once a second; here it comes back as it was just before a call, each time. What is lost is a
/// reorg: every occurrence has its call in the end, and no occurrence two.
async fn dies_with_its_chain(topology: Topology) {
    const OCCURRENCES: u64 = 9;
    let folder = tempfile::tempdir().expect("a folder");
    let start = Start::on(folder.path(), topology);
    let mut platform = start.run().await;
    let job = platform.create(&jobs::interval(&platform, "steady", 3, 1, OCCURRENCES)).await;
    let mut down = Vec::new();
    let mut lost = Vec::new();
    for _ in 0..3 {
        let before = platform.tasks(&job).await.len();
        let mut saved: Vec<String> = Vec::new();
        let (transaction, block) = argus_e2e::until("a new call is on the chain", 20, async || {
            // anvil writes in place: half a file is none.
            let state = platform.saved_chain().filter(|text| serde_json::from_str::<Value>(text).is_ok());
            let tasks = platform.tasks(&job).await;
            let hash = tasks.last().filter(|_| tasks.len() > before).map(|t| t["execution_tx_hash"].clone());
            let transaction = hash.as_ref().and_then(Value::as_str).filter(|hash| !hash.is_empty());
            let block = match transaction {
                Some(hash) => platform.chain().block_of(hash).await,
                None => None,
            };
            match (transaction, block) {
                // What anvil saves has a call before its task shows it.
                (Some(hash), Some(block)) => {
                    saved.retain(|state| !state.contains(hash));
                    (!saved.is_empty()).then(|| (hash.to_owned(), block))
                }
                _ => {
                    saved.extend(state);
                    None
                }
            }
        })
        .await;
        platform.kill_with_chain(saved.last().expect("a state from before the call")).await;
        let died = now();
        platform = start.run().await;
        down.push(stretch(died, now()));
        lost.push((transaction, block));
    }
    let interval = Interval { job, key: "steady".to_owned(), value: 3, every: 1, occurrences: OCCURRENCES };
    interval.judge(&platform, &down, 60).await;
    for (transaction, block) in lost {
        assert_ne!(platform.chain().block_of(&transaction).await, Some(block), "{transaction} was not lost");
    }
    platform.stop().await;
}

async fn dies_at_random(topology: Topology) {
    const OCCURRENCES: u64 = 14;
    let mut seed = [0u8; 8];
    getrandom::fill(&mut seed).expect("randomness");
    let moments: Vec<u64> = seed[..4].iter().map(|byte| 300 + u64::from(*byte) * 7).collect();
    eprintln!("kills {moments:?} ms after each start");
    let folder = tempfile::tempdir().expect("a folder");
    let start = Start::on(folder.path(), topology);
    let mut platform = start.run().await;
    let job = platform.create(&jobs::interval(&platform, "steady", 3, 1, OCCURRENCES)).await;
    let mut down = Vec::new();
    for moment in moments {
        tokio::time::sleep(Duration::from_millis(moment)).await;
        platform.kill().await;
        let died = now();
        platform = start.run().await;
        down.push(stretch(died, now()));
    }
    let interval = Interval { job, key: "steady".to_owned(), value: 3, every: 1, occurrences: OCCURRENCES };
    let tasks = interval.judge(&platform, &down, 30).await;
    eprintln!("{} tasks for {OCCURRENCES} occurrences", tasks.len());
    assert_eq!(story::distinct(&tasks, "task_hash"), tasks.len());
    platform.stop().await;
}
