//! Lists in pages: nothing twice, nothing left out, nothing of somebody else's.

use argus_domain::{
    B256, U256,
    ids::{ChainId, KeeperId},
    task::{Fact, Receipt, Task},
};
use argus_ports::TaskStore;
use serde_json::{Value, json};

use crate::world::{NOW, SAFE, SAFE_ABI, World, address, job, job_with, one, open_task};

const OWN: &str = "0x1111111111111111111111111111111111111111";
const OTHERS: &str = "0x2222222222222222222222222222222222222222";

/// Follows the links from a page to the last one; what each page named.
async fn follow(
    world: &World,
    key: &str,
    path: &str,
    names: impl Fn(&Value) -> Vec<String>,
) -> Vec<Vec<String>> {
    let (mut pages, mut next) = (Vec::new(), Some(path.to_owned()));
    while let Some(path) = next.take() {
        let answer = world.get(key, &path).await;
        assert_eq!(answer.status.as_u16(), 200, "{path}: {}", answer.text);
        pages.push(names(&answer.json()));
        assert!(pages.len() < 20, "there is no end to {path}");
        let link = answer.headers.get("link").map(|link| link.to_str().unwrap().to_owned());
        next = link.map(|link| link.trim_start_matches('<').split('>').next().unwrap().to_owned());
    }
    pages
}

fn jobs(answer: &Value) -> Vec<String> {
    let entries = answer["jobs"].as_array().unwrap().iter();
    entries.map(|entry| entry["job_data"]["job_id"].as_str().unwrap().to_owned()).collect()
}

fn safe(id: &str, owner: &str) -> Value {
    let safe = json!({
        "is_safe": true, "safe_address": SAFE, "safe_name": "till", "target_function": "execJobFromHub",
        "abi": SAFE_ABI, "arguments": [SAFE, OTHERS, "0", "0x", 0, owner], "user_address": owner,
    });
    job_with(id, safe)
}

#[tokio::test]
async fn jobs_are_listed_newest_first_page_by_page() {
    let world = World::new().await;
    for n in 1..=5 {
        assert_eq!(world.create("user", &one(job(&n.to_string()))).await.status.as_u16(), 200);
        let others = job_with(&format!("10{n}"), json!({"user_address": OTHERS}));
        assert_eq!(world.create("other", &one(others)).await.status.as_u16(), 200);
    }
    let user = format!("/api/jobs/user/{OWN}");
    for (path, expect) in [
        ("/api/jobs/by-apikey?limit=2".to_owned(), vec![vec!["5", "4"], vec!["3", "2"], vec!["1"]]),
        (format!("{user}?limit=5"), vec![vec!["5", "4", "3", "2", "1"]]),
        (format!("{user}?limit=4"), vec![vec!["5", "4", "3", "2"], vec!["1"]]),
        (format!("{user}/chain/31337?limit=3&before=4"), vec![vec!["3", "2", "1"]]),
        (user.clone(), vec![vec!["5", "4", "3", "2", "1"]]),
    ] {
        assert_eq!(follow(&world, "user", &path, jobs).await, expect, "{path}");
    }
    // A page stays what it is when something is made meanwhile.
    world.create("user", &one(job("6"))).await;
    assert_eq!(jobs(&world.get("user", &format!("{user}?limit=2&before=4")).await.json()), ["3", "2"]);
    // Somebody else's is none, like one that is not there.
    let told = async |before: &str| {
        let answer = world.get("user", &format!("{user}?before={before}")).await;
        (answer.status.as_u16(), answer.text)
    };
    assert_eq!(told("101").await, told("999").await);
    assert_eq!(told("101").await.0, 422);
    assert_eq!(told("x").await.0, 422);
}

#[tokio::test]
async fn a_safes_pages_hold_what_the_key_may_see() {
    let world = World::new().await;
    for (id, key, owner) in [
        ("1", "user", OWN),
        ("2", "other", OTHERS),
        ("3", "user", OWN),
        ("4", "other", OTHERS),
        ("5", "user", OWN),
        ("6", "other", OTHERS),
    ] {
        let answer = world.create(key, &one(safe(id, owner))).await;
        assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
        open_task(&world, id).await;
    }
    let path = format!("/api/jobs/safe-address/{SAFE}?limit=2");
    assert_eq!(follow(&world, "user", &path, jobs).await, [vec!["5", "3"], vec!["1"]]);
    let both = vec![vec!["6", "5"], vec!["4", "3"], vec!["2", "1"]];
    assert_eq!(follow(&world, "app", &path, jobs).await, both);
    let groups = |answer: &Value| {
        let groups = answer["task_groups"].as_array().unwrap().iter();
        groups.map(|group| group["job_id"].as_str().unwrap().to_owned()).collect()
    };
    let path = format!("/api/tasks/safe-address/{SAFE}?limit=2");
    assert_eq!(follow(&world, "user", &path, groups).await, [vec!["5", "3"], vec!["1"]]);
    assert_eq!(follow(&world, "app", &path, groups).await, both);
}

#[tokio::test]
async fn tasks_are_listed_newest_first_page_by_page() {
    let world = World::new().await;
    world.create("user", &one(job("1"))).await;
    world.create("other", &one(job_with("2", json!({"user_address": OTHERS})))).await;
    let mut tasks = Vec::new();
    for _ in 0..5 {
        tasks.push(open_task(&world, "1").await.public_id().to_string());
    }
    let other = open_task(&world, "2").await.public_id();
    let newest: Vec<&str> = tasks.iter().rev().map(String::as_str).collect();
    let pages = [newest[..2].to_vec(), newest[2..4].to_vec(), newest[4..].to_vec()];
    let id = |task: &Value| task["task_id"].as_u64().unwrap().to_string();
    let ids = |tasks: &Value| tasks.as_array().unwrap().iter().map(id).collect::<Vec<_>>();
    let found = follow(&world, "user", "/api/tasks/recent?limit=2", |a| ids(&a["tasks"])).await;
    assert_eq!(found, pages);
    assert_eq!(follow(&world, "user", "/api/tasks/job/1?limit=2", ids).await, pages);
    assert_eq!(follow(&world, "user", "/api/tasks/job/1?limit=5", ids).await, std::slice::from_ref(&newest));
    let found = follow(&world, "user", "/api/jobs/1/task-fees?limit=2", |a| ids(&a["task_fees"])).await;
    assert_eq!(found, pages);
    for path in [
        format!("/api/tasks/user/{OWN}?limit=2"),
        format!("/api/tasks/by-apikey/{}?limit=2", world.keys["user"]),
    ] {
        let found = follow(&world, "user", &path, |a| ids(&a["task_groups"][0]["tasks"])).await;
        assert_eq!(found, pages, "{path}");
    }
    for path in ["/api/tasks/recent", "/api/tasks/job/1", "/api/jobs/1/task-fees"] {
        let told = async |before: String| {
            let answer = world.get("user", &format!("{path}?before={before}")).await;
            (answer.status.as_u16(), answer.text)
        };
        assert_eq!(told(other.to_string()).await, told("9007199254740991".to_owned()).await, "{path}");
        assert_eq!(told(other.to_string()).await.0, 422, "{path}");
    }
}

async fn receive(world: &World, task: &Task, wei: u64) {
    let receipt = Receipt {
        task: task.id,
        sighting: 1,
        chain: ChainId(31337),
        transaction: B256::repeat_byte(5),
        block_number: 101,
        block_hash: B256::repeat_byte(8),
        block_time: NOW,
        keeper: KeeperId(address(0x33)),
        success: true,
        gas_used: 50_000,
        charged: U256::from(wei),
    };
    world.store.record(vec![Fact::Received(receipt)]).await.unwrap();
}

#[tokio::test]
async fn a_jobs_cost_is_that_of_all_its_tasks() {
    let world = World::new().await;
    world.create("user", &one(job("1"))).await;
    // More than a list of tasks shows.
    for _ in 0..1_001 {
        let task = open_task(&world, "1").await;
        receive(&world, &task, 1_000_000_000_000_000).await;
    }
    let flat = world.get("user", &format!("/api/jobs/user/{OWN}/1")).await.json();
    assert_eq!(
        (&flat["job_cost_actual_wei"], flat["job_cost_actual"].to_string()),
        (&json!("1001000000000000000"), "1.001".to_owned())
    );
    let listed = world.get("user", "/api/jobs/by-apikey").await.json();
    assert_eq!(listed["jobs"][0]["job_data"]["job_cost_actual_wei"], json!("1001000000000000000"));
}

#[tokio::test]
async fn a_limit_that_is_no_number_is_told() {
    let world = World::new().await;
    for limit in ["abc", "-1", "1e3", "%201", "", "0", "000"] {
        for path in ["/api/jobs/by-apikey", "/api/tasks/recent"] {
            let answer = world.get("user", &format!("{path}?limit={limit}")).await;
            assert_eq!(answer.status.as_u16(), 400, "{path} {limit}: {}", answer.text);
            assert!(answer.text.contains("limit is an integer from 1"), "{}", answer.text);
        }
    }
    let many = world.get("user", "/api/jobs/by-apikey?limit=99999999999999999999999").await;
    assert_eq!(many.status.as_u16(), 200, "{}", many.text);
}
