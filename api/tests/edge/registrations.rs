//! What operators are told of job registries.

use argus_domain::{
    B256,
    ids::ChainId,
    registration::{Discrepancy, Registration},
    time::Timestamp,
};
use argus_ports::RegistrationStore;
use serde_json::{Value, json};

use crate::world::{CHAIN, NOW, World, address, job, job_with, one, open_task};

const PATH: &str = "/api/admin/reconciliation";

fn found(id: &str, before_ms: u64, discrepancy: Discrepancy) -> Registration {
    Registration {
        chain: ChainId(CHAIN),
        job: id.parse().unwrap(),
        owner: address(0x11),
        block: 7,
        transaction: B256::repeat_byte(9),
        at: Timestamp(NOW.0 - before_ms),
        discrepancy,
    }
}

fn column(reply: &Value, name: &str) -> Vec<String> {
    let rows = reply["registrations"].as_array().unwrap();
    rows.iter().map(|row| row[name].as_str().unwrap_or("-").to_owned()).collect()
}

#[tokio::test]
async fn registrations_are_listed_by_page_with_their_reasons() {
    let world = World::new().await;
    for (id, before, discrepancy) in [
        ("1001", 61_000, Discrepancy::Orphan),
        ("1002", 59_000, Discrepancy::Orphan),
        ("1003", 0, Discrepancy::DeletedOnChain),
        ("1004", 0, Discrepancy::OwnerDiffers(address(0x22))),
        ("1005", 99_000, Discrepancy::Gone),
    ] {
        world.store.keep(found(id, before, discrepancy)).await.unwrap();
    }
    world.store.set_read_to(ChainId(CHAIN), address(0xe3), 42).await.unwrap();
    let all = world.get("admin", PATH).await.json();
    assert_eq!(column(&all, "job_id"), ["1001", "1003", "1004"], "not those that may still be on their way");
    assert_eq!(column(&all, "reason"), ["orphan", "deleted_on_chain", "owner_differs"]);
    let transaction = B256::repeat_byte(9).to_string();
    for row in all["registrations"].as_array().unwrap() {
        assert!(row["says"].as_str().unwrap().contains(&transaction), "{row}");
        assert_eq!((&row["block_number"], &row["transaction_hash"]), (&json!(7), &json!(transaction)));
    }
    assert_eq!(column(&all, "stored_owner"), ["-", "-", &address(0x22).to_string()].map(str::to_owned));
    assert_eq!(all["counts"], json!({"orphan": 1, "deleted_on_chain": 1, "owner_differs": 1}));
    assert_eq!(all["next"], Value::Null);
    assert_eq!(all["chains"][1]["read_to_block"], json!(42), "{}", all["chains"]);

    let first = world.get("admin", &format!("{PATH}?limit=2")).await.json();
    assert_eq!(column(&first, "job_id"), ["1001", "1003"]);
    let next = first["next"].as_str().unwrap();
    let second = world.get("admin", &format!("{PATH}?limit=2&after={next}")).await.json();
    assert_eq!((column(&second, "job_id"), &second["next"]), (vec!["1004".to_owned()], &Value::Null));
    assert_eq!(world.get("admin", &format!("{PATH}?after=x")).await.status, 400);
}

#[tokio::test]
async fn a_job_goes_to_its_registered_owner_without_anything_of_the_others() {
    use argus_domain::job::JobChange;
    use argus_ports::JobStore;
    let world = World::new().await;
    let strangers = job_with("1001", json!({"user_address": address(0x22), "job_title": "a stranger's"}));
    assert_eq!(world.create("other", &one(strangers.clone())).await.status, 200);
    let task = open_task(&world, "1001").await;
    let id = "1001".parse().unwrap();
    let serial = world.store.job(id).await.unwrap().unwrap().job.serial;
    world.store.change(id, serial, JobChange::Deleted(NOW)).await.unwrap().unwrap();
    let refused = world.create("user", &one(job("1001"))).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (409, "JOB_EXISTS"));
    world.store.keep(found("1001", 0, Discrepancy::OwnerDiffers(address(0x22)))).await.unwrap();
    for what in ["it is free", "and sent again it is the same"] {
        let created = world.create("user", &one(job("1001"))).await;
        assert_eq!(created.status.as_u16(), 200, "{what}: {}", created.text);
        assert!(!created.text.contains("created before"), "{what}: {}", created.text);
    }
    let refused = world.create("other", &one(strangers)).await;
    assert_eq!(refused.code(), "JOB_EXISTS", "it is the other's no more");

    let shown = world.get("user", &format!("/api/jobs/user/{}/1001", address(0x11))).await.json();
    assert_eq!((&shown["job_title"], &shown["deleted_because"]), (&json!("demo job"), &Value::Null));
    assert_eq!(world.get("user", "/api/tasks/job/1001").await.json(), json!([]));
    let decisions = world.get("user", "/api/jobs/1001/decisions").await.json();
    assert_eq!(decisions["decisions"], json!([]));
    for path in [format!("/api/tasks/{}", task.public_id()), format!("/api/tasks/{}/bundle", task.id)] {
        assert_eq!(world.get("user", &path).await.status, 404, "{path}");
        assert_eq!(world.get("other", &path).await.status, 404, "{path}");
    }
    for (path, list) in [("/api/jobs/by-apikey", "jobs"), ("/api/tasks/recent", "tasks")] {
        assert_eq!(world.get("other", path).await.json()[list], json!([]), "{path}");
    }
    let changed = world.call("user", "PUT", "/api/jobs/update/1001", r#"{"job_title":"mine"}"#).await;
    assert_eq!(changed.status.as_u16(), 200, "{}", changed.text);
    // The first one is due here when the other's was, and one task it stays.
    open_task(&world, "1001").await;
    let task = open_task(&world, "1001").await;
    let tasks = world.get("user", "/api/tasks/job/1001").await.json();
    assert_eq!((&tasks[0]["task_id"], tasks.as_array().unwrap().len()), (&json!(task.public_id()), 1));
}

#[tokio::test]
async fn a_job_that_its_registry_ended_says_so() {
    let world = World::new().await;
    assert_eq!(world.create("user", &one(job("1001"))).await.status, 200);
    let shown = async || {
        let path = format!("/api/jobs/user/{}/1001", address(0x11));
        world.get("user", &path).await.json()
    };
    assert_eq!(shown().await["deleted_because"], Value::Null);
    assert_eq!(world.call("user", "PUT", "/api/jobs/delete/1001", "").await.status, 200);
    assert_eq!(shown().await["deleted_because"], Value::Null, "its owner did");
    world.store.keep(found("1001", 0, Discrepancy::DeletedOnChain)).await.unwrap();
    let why = format!("deleted on chain, transaction {}", B256::repeat_byte(9));
    assert_eq!(shown().await["deleted_because"], json!(why));
    let decisions = world.get("user", "/api/jobs/1001/decisions").await.json();
    assert!(decisions["now"]["says"].as_str().unwrap().ends_with(&why), "{}", decisions["now"]);
}
