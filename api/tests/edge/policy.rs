//! Every route x every role x own, other's, absent: from the table that the router comes from.

use std::path::Path;

use argus_api::routes::{self, Access, Route, Subject};
use argus_domain::access::Role;
use axum::http::StatusCode;
use serde_json::json;

use crate::world::{Answer, SAFE, World, job, job_with, one, open_task};

const OWN: &str = "0x1111111111111111111111111111111111111111";
const OTHERS: &str = "0x2222222222222222222222222222222222222222";
const NOBODYS: &str = "0x4444444444444444444444444444444444444444";

struct Names {
    job: [String; 3],
    task: [String; 3],
    webhook: [String; 3],
}

async fn peopled() -> (World, Names) {
    let world = World::new().await;
    assert_eq!(world.create("user", &one(job("1001"))).await.status, StatusCode::OK);
    let others = job_with("2002", serde_json::json!({ "user_address": OTHERS }));
    assert_eq!(world.create("other", &one(others)).await.status, StatusCode::OK);
    let own = open_task(&world, "1001").await.public_id().to_string();
    let other = open_task(&world, "2002").await.public_id().to_string();
    let mut webhook = Vec::new();
    for (key, account) in [("user", OWN), ("other", OTHERS)] {
        let body = json!({"keeper_name": "keeper", "keeper_address": account, "email_id": "a@b.example"})
            .to_string();
        assert_eq!(world.call("admin", "POST", "/api/keepers", &body).await.status, StatusCode::CREATED);
        let made = world.call(key, "POST", "/api/webhooks", r#"{"url":"https://hook.example/a"}"#).await;
        webhook.push(made.json()["id"].as_str().unwrap().to_owned());
    }
    let names = Names {
        webhook: [webhook[0].clone(), webhook[1].clone(), "absent".to_owned()],
        job: ["1001", "2002", "3003"].map(str::to_owned),
        task: [own, other, "9007199254740991".to_owned()],
    };
    (world, names)
}

/// The route's path with its subject being the user's own (0), another's (1) or nobody's (2).
fn path(route: &Route, names: &Names, whose: usize) -> String {
    let addresses = [OWN, OTHERS, NOBODYS];
    let fill = |path: &str, name: &str, value: &str| path.replace(&format!("{{{name}}}"), value);
    let path = match route.subject {
        Subject::Nobody(_) => route.path.to_owned(),
        Subject::Job(name) => fill(route.path, name, &names.job[whose]),
        Subject::Task(name) => fill(route.path, name, &names.task[whose]),
        Subject::Address(name) => fill(route.path, name, addresses[whose]),
        Subject::Safe(name) | Subject::Keeper(name) => fill(route.path, name, addresses[whose]),
        Subject::Webhook(name) => fill(route.path, name, &names.webhook[whose]),
        Subject::AddressAndJob(address, job) => fill(&fill(route.path, address, OWN), job, &names.job[whose]),
    };
    let path = path
        .replace("{status}", "paused")
        .replace("{chain}", "10")
        .replace("{cid}", "absent")
        .replace("{name}", "TOKEN");
    path.replace("{key}", "absent").replace("{id}", "absent")
}

fn holds(name: &str) -> Role {
    match name {
        "user" | "other" => Role::User,
        "app" => Role::App,
        "keeper" => Role::Keeper,
        _ => Role::Admin,
    }
}

#[tokio::test]
async fn keys_are_asked_for_and_roles_are_kept() {
    let (mut world, names) = peopled().await;
    world.keys.insert("bad", "TGRX-00000000-0000-4000-8000-000000000000".to_owned());
    for route in routes::all() {
        let (method, path) = (route.method.as_str(), path(route, &names, 0));
        let Access::Keyed(roles) = route.access else {
            let answer = world.call("", method, &path, "").await;
            assert!(![401, 403].contains(&answer.status.as_u16()), "{method} {path}: {}", answer.text);
            continue;
        };
        let none = world.call("", method, &path, "").await;
        assert_eq!((none.status.as_u16(), none.code().as_str()), (401, "API_KEY_MISSING"), "{method} {path}");
        let bad = world.call("bad", method, &path, "").await;
        assert_eq!((bad.status.as_u16(), bad.code().as_str()), (401, "API_KEY_INVALID"), "{method} {path}");
        for name in ["user", "app", "keeper", "admin"] {
            let answer = world.call(name, method, &path, "{}").await;
            let is_refused = answer.status == StatusCode::FORBIDDEN && answer.text.contains("ROLE_FORBIDDEN");
            assert_eq!(is_refused, !roles.contains(&holds(name)), "{name} {method} {path}: {}", answer.text);
            assert!(answer.headers.contains_key("x-ratelimit-remaining"), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn what_is_absent_and_what_is_anothers_look_alike() {
    for route in routes::all() {
        let both = peopled().await;
        let (world, names) = &both;
        let Access::Keyed(roles) = route.access else { continue };
        let method = route.method.as_str();
        for name in ["user", "keeper"].into_iter().filter(|name| roles.contains(&holds(name))) {
            let other = world.call(name, method, &path(route, names, 1), "{}").await;
            let absent = world.call(name, method, &path(route, names, 2), "{}").await;
            match route.subject {
                Subject::Nobody(_) => {}
                Subject::Job(_) | Subject::Task(_) | Subject::Keeper(_) | Subject::Webhook(_) => {
                    let what = format!("{name} {method} {}: {} / {}", route.path, other.text, absent.text);
                    assert_eq!(other.status, StatusCode::NOT_FOUND, "{what}");
                    assert_eq!((other.status, &other.text), (absent.status, &absent.text), "{what}");
                }
                Subject::AddressAndJob(..) if name == "user" => {
                    assert_eq!(other.status, StatusCode::NOT_FOUND);
                    assert_eq!((other.status, &other.text), (absent.status, &absent.text));
                }
                Subject::Address(_) | Subject::Safe(_) | Subject::AddressAndJob(..) => {
                    let what = format!("{name} {method} {}: {} / {}", route.path, other.text, absent.text);
                    assert_eq!(other.status, StatusCode::FORBIDDEN, "{what}");
                    assert_eq!((other.status, &other.text), (absent.status, &absent.text), "{what}");
                }
            }
        }
        for name in ["user", "app", "admin"].into_iter().filter(|name| roles.contains(&holds(name))) {
            if matches!(route.subject, Subject::Nobody(_)) {
                continue;
            }
            // What was removed is absent to the next one.
            let fresh = if method == "DELETE" { Some(peopled().await) } else { None };
            let (world, names) = fresh.as_ref().unwrap_or(&both);
            let own = world.call(name, method, &path(route, names, 0), "{}").await;
            // That it is granted none is said to those alone who may know.
            if own.status.is_client_error() && own.code() == "SECRET_NOT_GRANTED" {
                continue;
            }
            assert!(own.status.is_success(), "{name} {method} {}: {}", route.path, own.text);
        }
    }
}

/// What is decided before a handler has a word: `in`, or the status that keeps out.
fn decided(answer: &Answer) -> &'static str {
    match answer.status.as_u16() {
        401 => "401",
        403 => "403",
        404 => "404",
        _ => "in",
    }
}

/// The table by itself would follow a wrong row without a word.
#[tokio::test]
async fn who_may_do_what_is_as_committed() {
    let mut table = String::from(
        "# Every route by key, and by whose the thing is that its path names: own, other's, absent.\n",
    );
    for route in routes::all() {
        let (method, is_somebodys) = (route.method.as_str(), !matches!(route.subject, Subject::Nobody(_)));
        let mut row = format!("{method} {}:", route.path);
        for name in ["", "user", "app", "keeper", "admin"] {
            let mut cells = Vec::new();
            for whose in 0..if is_somebodys { 3 } else { 1 } {
                // Anew, since what one key deletes another would miss.
                let (world, names) = peopled().await;
                cells.push(decided(&world.call(name, method, &path(route, &names, whose), "{}").await));
            }
            let name = if name.is_empty() { "none" } else { name };
            row.push_str(&format!(" {name} {}", cells.join("/")));
        }
        table.push_str(&row);
        table.push('\n');
    }
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/edge/authorization.txt");
    if std::fs::read_to_string(&committed).unwrap_or_default() != table {
        let written = Path::new(env!("CARGO_TARGET_TMPDIR")).join("authorization.txt");
        std::fs::write(&written, table).unwrap();
        panic!(
            "other people may do other things: if that is meant, cp {} {}",
            written.display(),
            committed.display()
        );
    }
}

#[tokio::test]
async fn a_job_for_somebody_else_is_refused_before_anything_is_said_of_it() {
    let world = World::new().await;
    let answer = world.create("other", &one(job("1001"))).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, "FORBIDDEN_ADDRESS"));
    assert_eq!(world.create("app", &one(job("1001"))).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_safe_is_its_users_once_they_have_jobs_with_it() {
    let world = World::new().await;
    let path = format!("/api/jobs/safe-address/{SAFE}");
    assert_eq!(world.get("user", &path).await.status, StatusCode::FORBIDDEN);
    assert_eq!(world.get("app", &path).await.json()["jobs"], serde_json::json!([]));
    let safe = serde_json::json!({
        "is_safe": true, "safe_address": SAFE, "safe_name": "till", "target_function": "execJobFromHub",
        "abi": crate::world::SAFE_ABI, "arguments": [SAFE, OTHERS, "0", "0x", 0, OWN],
    });
    let created = world.create("user", &one(job_with("7", safe))).await;
    assert_eq!(created.status, StatusCode::OK, "{}", created.text);
    assert_eq!(world.get("user", &path).await.json()["jobs"].as_array().unwrap().len(), 1);
    assert_eq!(world.get("other", &path).await.status, StatusCode::FORBIDDEN);
    let safes = world.get("user", &format!("/api/users/safe-addresses/{OWN}")).await.json();
    assert_eq!(safes["safe_addresses"].as_array().unwrap().len(), 1);
}
