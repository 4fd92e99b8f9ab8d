//! Users, keepers, and what they have points for.

use std::time::Duration;

use argus_domain::{
    B256, U256,
    fees::{LedgerEntry, LedgerReason, POINT},
    ids::{ChainId, KeeperId},
    keeper::KeeperRecord,
    time::Timestamp,
};
use argus_ports::{ClaimStore, KeeperStore, KeyStore, Ledger};
use axum::{body::Body, http::Request};
use serde_json::{Value, json};

use crate::world::{NOW, World, address, job, one};

const USER: &str = "0x1111111111111111111111111111111111111111";
const KEEPER: &str = "0x3333333333333333333333333333333333333333";

async fn post(world: &World, key: &str, path: &str, body: Value) -> (u16, Value) {
    let answer = world.call(key, "POST", path, &body.to_string()).await;
    (answer.status.as_u16(), answer.json())
}

async fn get(world: &World, key: &str, path: &str) -> Value {
    let answer = world.get(key, path).await;
    assert_eq!(answer.status.as_u16(), 200, "{path}: {}", answer.text);
    answer.json()
}

async fn book(world: &World, rows: &[(u8, LedgerReason, u8, U256)]) {
    let entry = |(key, reason, account, amount): &(u8, LedgerReason, u8, U256)| LedgerEntry {
        key: B256::repeat_byte(*key),
        reason: *reason,
        account: address(*account),
        amount: *amount,
    };
    world.store.book(rows.iter().map(entry).collect()).await.unwrap();
}

pub async fn register(world: &World, n: u8) {
    let record = KeeperRecord {
        keeper: KeeperId(address(n)),
        name: format!("keeper {n:x}"),
        stake: 7,
        chains: [ChainId(31337)].into(),
        faults: 0,
        registered_at: NOW,
    };
    KeeperStore::put(&world.store, vec![record]).await.unwrap();
}

#[tokio::test]
async fn boards_are_sorted_and_have_the_fields_that_the_pages_read() {
    let world = World::new().await;
    world.create("user", &one(job("1"))).await;
    for n in [0x33, 0x44, 0x55] {
        register(&world, n).await;
    }
    use LedgerReason::{Attested, Charged, Earned};
    let half = POINT / U256::from(2);
    let rows = [
        (1, Charged, 0x11, half),
        (1, Earned, 0x33, half),
        (1, Attested, 0x44, half),
        (2, Charged, 0x22, POINT),
        (2, Earned, 0x44, POINT),
        (2, Attested, 0x33, POINT),
    ];
    book(&world, &rows).await;
    book(&world, &rows).await;
    let keepers = get(&world, "user", "/api/leaderboard/keepers").await;
    let entry = |n: u8, points: &str, executed: u64, attested: u64| {
        json!({
            "keeper_id": u64::from_str_radix(&format!("{n:x}").repeat(6), 16).unwrap(),
            "keeper_address": address(n), "keeper_name": format!("keeper {n:x}"), "no_executed_tasks": executed,
            "no_attested_tasks": attested, "on_imua": false,
            "keeper_points": serde_json::from_str::<Value>(points).unwrap(),
        })
    };
    assert_eq!(keepers, json!([entry(0x33, "1.5", 1, 1), entry(0x44, "1.5", 1, 1), entry(0x55, "0", 0, 0)]));
    let users = get(&world, "user", "/api/leaderboard/users").await;
    let points: Vec<_> = users.as_array().unwrap().iter().map(|u| u["user_points"].to_string()).collect();
    assert_eq!(points, ["20.5", "1"], "{users}");
    assert_eq!(
        (&users[0]["user_address"], &users[0]["total_jobs"], &users[0]["total_tasks"]),
        (&json!(USER), &json!(1), &json!(1))
    );
    let user = get(&world, "user", &format!("/api/users/{USER}")).await;
    assert_eq!((user["user_points"].to_string(), &user["total_tasks"]), ("20.5".to_owned(), &json!(1)));

    for query in [format!("keeper_address={KEEPER}"), "keeper_name=Keeper%2033".to_owned()] {
        let found = get(&world, "user", &format!("/api/leaderboard/keepers/search?{query}")).await;
        assert_eq!(found, keepers[0], "{query}");
    }
    let found = get(&world, "user", &format!("/api/leaderboard/users/search?user_address={USER}")).await;
    assert_eq!(found, users[0]);
    for (path, status) in [
        ("keepers/search", 422),
        ("keepers/search?keeper_name=nobody", 404),
        ("keepers/search?keeper_address=0x9999999999999999999999999999999999999999", 404),
        ("users/search", 422),
        ("users/search?user_address=0x9999999999999999999999999999999999999999", 404),
    ] {
        assert_eq!(
            world.get("user", &format!("/api/leaderboard/{path}")).await.status.as_u16(),
            status,
            "{path}"
        );
    }
    let id = &keepers[0]["keeper_id"];
    for by in [id.to_string(), KEEPER.to_owned()] {
        assert_eq!(
            get(&world, "user", &format!("/api/keepers/{by}/points")).await["keeper_points"].to_string(),
            "1.5"
        );
        let count = get(&world, "user", &format!("/api/keepers/{by}/task-count")).await;
        assert_eq!(count, json!({"no_executed_tasks": 1}));
        let row = get(&world, "user", &format!("/api/keepers/{by}")).await;
        assert_eq!(
            (&row["keeper_id"], &row["status"], &row["voting_power"]),
            (id, &json!("registered"), &json!("7"))
        );
    }
}

#[tokio::test]
async fn a_host_shows_the_keepers_of_its_front_end() {
    let world = World::new().await;
    for n in [0x33, 0x44] {
        register(&world, n).await;
    }
    let form = json!({
        "keeper_address": KEEPER, "rewards_address": USER, "keeper_name": "Keeper One", "email_id": "", "on_imua": true,
    });
    assert_eq!(post(&world, "keeper", "/api/keepers/form", form).await.0, 201);
    let shown = async |host: &str| {
        let request = Request::builder().uri("/api/leaderboard/keepers").header("host", host);
        let request = request.header("X-Api-Key", &world.keys["user"]);
        let answer = world.send(request.body(Body::empty()).unwrap()).await.json();
        answer.as_array().unwrap().iter().map(|one| one["on_imua"].as_bool().unwrap()).collect::<Vec<_>>()
    };
    for (host, keepers) in [
        ("imua.triggerx.network", vec![true]),
        ("IMUA.triggerx.network:443", vec![true]),
        ("app.triggerx.network", vec![false]),
        ("127.0.0.1:9002", vec![true, false]),
        ("imua.triggerx.network.example", vec![true, false]),
    ] {
        assert_eq!(shown(host).await, keepers, "{host}");
    }
}

#[tokio::test]
async fn an_email_address_is_its_owners() {
    let world = World::new().await;
    let path = format!("/api/users/{USER}");
    assert_eq!(get(&world, "user", &path).await["email_id"], json!(""));
    let body = |email: &str| json!({"user_address": USER, "email_id": email});
    assert_eq!(post(&world, "other", "/api/users/email", body("x@y.example")).await.0, 403);
    assert_eq!(post(&world, "user", "/api/users/email", body("no address")).await.0, 422);
    assert_eq!(post(&world, "user", "/api/users/email", json!({"user_address": USER})).await.0, 422);
    assert_eq!(post(&world, "user", "/api/users/email", body("a@b.example")).await.0, 200);
    for key in ["user", "app", "admin"] {
        assert_eq!(get(&world, key, &path).await["email_id"], json!("a@b.example"), "{key}");
    }
    for key in ["other", "keeper"] {
        let answer = world.get(key, &path).await;
        assert!(answer.status.as_u16() == 403 && !answer.text.contains("a@b.example"), "{key}");
    }
    assert_eq!(post(&world, "app", "/api/users/email", body("")).await.0, 200);
    assert_eq!(get(&world, "user", &path).await["email_id"], json!(""));
}

#[tokio::test]
async fn a_keeper_applies_and_its_contact_data_is_its_own() {
    let world = World::new().await;
    let application = json!({"keeper_name": "one", "keeper_address": KEEPER, "email_id": "k@b.example"});
    assert_eq!(post(&world, "user", "/api/keepers", application.clone()).await.0, 403);
    let others = json!({"keeper_name": "one", "keeper_address": USER});
    assert_eq!(post(&world, "keeper", "/api/keepers", others).await.1["code"], json!("FORBIDDEN_ADDRESS"));
    let (status, made) = post(&world, "keeper", "/api/keepers", application.clone()).await;
    assert_eq!((status, &made["keeper_id"]), (201, &json!(0x3333_3333_3333u64)));
    let (status, again) = post(&world, "keeper", "/api/keepers", application).await;
    assert_eq!((status, &again["status"]), (200, &json!("existing")));
    let row = get(&world, "user", &format!("/api/keepers/{KEEPER}")).await;
    assert_eq!(
        (&row["status"], &row["registered"]),
        (&json!("applied"), &json!(false)),
        "asking makes nobody a keeper"
    );
    assert_eq!(get(&world, "user", "/api/keepers/performers").await, json!([]));

    let bad = json!({"keeper_address": "0x1", "rewards_address": "", "keeper_name": "ab", "email_id": "x", "on_imua": 7});
    let (status, faults) = post(&world, "keeper", "/api/keepers/form", bad).await;
    assert_eq!((status, faults["details"].as_array().unwrap().len()), (422, 5), "{faults}");
    let form = json!({
        "keeper_address": KEEPER, "rewards_address": USER, "keeper_name": "Keeper One", "email_id": "new@b.example",
        "on_imua": true,
    });
    assert_eq!(post(&world, "keeper", "/api/keepers/form", form).await.0, 201);
    let chat = json!({"keeper_address": KEEPER, "chat_id": -100_123});
    assert_eq!(post(&world, "keeper", "/api/keepers/update-chat-id", chat.clone()).await.0, 200);
    assert_eq!(post(&world, "user", "/api/keepers/update-chat-id", chat).await.0, 403);
    let stranger = json!({"keeper_address": USER, "chat_id": 5});
    assert_eq!(post(&world, "admin", "/api/keepers/update-chat-id", stranger).await.0, 404, "no keeper");

    let path = format!("/api/keepers/com-info/{KEEPER}");
    let expected = json!({"keeper_name": "Keeper One", "email_id": "new@b.example", "chat_id": -100_123});
    for key in ["keeper", "admin"] {
        assert_eq!(get(&world, key, &path).await, expected, "{key}");
        assert_eq!(get(&world, key, "/api/keepers/com-info/56294995342131").await, expected, "{key}");
    }
    for (key, status) in [("user", 404), ("app", 403)] {
        assert_eq!(world.get(key, &path).await.status.as_u16(), status, "{key}");
    }
    let row = world.get("user", &format!("/api/keepers/{KEEPER}")).await;
    assert!(
        row.text.contains("Keeper One") && !row.text.contains("b.example") && !row.text.contains("100123")
    );
}

#[tokio::test]
async fn nobody_makes_up_executions_or_points() {
    let world = World::new().await;
    register(&world, 0x33).await;
    for (method, path) in [
        ("POST", format!("/api/keepers/{KEEPER}/increment-tasks")),
        ("POST", format!("/api/keepers/{KEEPER}/add-points")),
        ("POST", format!("/api/keepers/{KEEPER}/points")),
        ("PUT", format!("/api/keepers/{KEEPER}/task-count")),
        ("PUT", "/api/tasks/execution/1".to_owned()),
        ("POST", "/api/leaderboard/keepers".to_owned()),
    ] {
        for key in ["user", "app", "keeper", "admin"] {
            let answer = world.call(key, method, &path, r#"{"task_id":1,"points":5}"#).await;
            assert!([404, 405].contains(&answer.status.as_u16()), "{key} {method} {path}: {}", answer.text);
        }
    }
    let row = get(&world, "user", &format!("/api/keepers/{KEEPER}")).await;
    assert_eq!((&row["keeper_points"], &row["no_executed_tasks"]), (&json!(0), &json!(0)));
}

#[tokio::test]
async fn the_use_of_a_key_is_noted_once_a_minute() {
    let world = World::new().await;
    let hash = argus_api::key_hash(&world.keys["user"]);
    let used = async || world.store.by_hash(hash).await.unwrap().unwrap().last_used;
    assert_eq!(used().await, None);
    let mut noted = Vec::new();
    for secs in [0, 1, 59, 60, 61, 119, 120] {
        world.clock.set(Timestamp(NOW.0 + secs * 1_000));
        world.get("user", "/api/jobs/by-apikey").await;
        noted.push(used().await.unwrap().since(NOW).as_secs());
    }
    assert_eq!(noted, [0, 0, 0, 60, 60, 60, 120]);
    let listed = get(&world, "admin", &format!("/api/admin/api-keys/{USER}")).await;
    assert_eq!(listed[0]["last_used"], json!("2027-01-15T08:02:00.000Z"));
    // A store that cannot write keeps nobody from reading.
    world.store.refuse_writes(Some(argus_ports::StoreError::ReadOnly("full".to_owned())));
    world.clock.set(Timestamp(NOW.0 + 300_000));
    assert_eq!(world.get("user", "/api/jobs/by-apikey").await.status.as_u16(), 200);
}

#[tokio::test]
async fn without_an_account_there_is_no_faucet() {
    let world = World::new().await;
    let body = json!({"wallet_address": USER, "network": "base_sepolia"});
    let (status, answer) = post(&world, "user", "/api/claim-fund", body).await;
    assert_eq!((status, &answer["code"]), (404, &json!("FAUCET_OFF")));
}

#[tokio::test]
async fn coins_are_given_once_a_day_and_one_claim_is_paid_at_a_time_whichever_process_pays() {
    let faucet = argus_api::config::FaucetRules {
        amount: U256::from(7),
        networks: [("dev".to_owned(), ChainId(31337))].into(),
    };
    let config = argus_api::Config { faucet, ..argus_api::Config::default() };
    let world = World::with(config).await.giving(std::sync::Arc::new(crate::fakes::Purse));
    let claim = async |key: &str, wallet: &str| {
        post(&world, key, "/api/claim-fund", json!({"wallet_address": wallet, "network": "dev"})).await
    };
    // Another process is at it, and dies.
    let (turn, until) = (vec!["faucet:31337".to_owned()], Timestamp(NOW.0 + 60_000));
    assert_eq!(world.store.claim(turn.clone(), NOW, until).await, Ok(Ok(())));
    let (status, answer) = claim("user", USER).await;
    assert_eq!((status, &answer["code"]), (503, &json!("FAUCET_BUSY")), "{answer}");
    world.clock.set(until);
    let (status, answer) = claim("user", USER).await;
    assert_eq!(status, 200, "its turn is over: {answer}");
    assert_eq!(
        world.store.claim(turn.clone(), until, until + Duration::from_secs(1)).await,
        Ok(Ok(())),
        "given back"
    );
    world.store.unclaim(turn, until + Duration::from_secs(1)).await.unwrap();
    let (status, answer) = claim("user", USER).await;
    assert_eq!((status, &answer["code"]), (429, &json!("FAUCET_CLAIMED")), "{answer}");
    world.clock.set(until + Duration::from_secs(24 * 3_600));
    assert_eq!(claim("user", USER).await.0, 200);
}
