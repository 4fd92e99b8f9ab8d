//! The command line, as a shell sees it: exit codes, and the fields of `--json`.

use std::{os::unix::fs::PermissionsExt, path::Path};

use argus_domain::{
    U256,
    ids::JobId,
    secret::{SecretName, SecretValue},
    time::Timestamp,
};
use argus_e2e::{
    Platform, Start, Topology,
    command::{argus, started},
    jobs,
    platform::Key,
    story, until,
};
use argus_ports::{SecretStore, Vault};
use argus_sqlite::{Options, SqliteStore};
use argus_vault::KeyVault;
use reqwest::Method;
use serde_json::Value;

use crate::{alone, everywhere};

const GIVES: &str = r#"console.error("thinking"); console.log(JSON.stringify(["key", "12"]));"#;
const SKIPS: &str = r#"console.error("market closed"); process.exit(64);"#;
const FAILS: &str = r#"throw new Error("no price today");"#;

/// A script's report has these fields, whatever its end.
fn report(value: &Value) -> (bool, bool) {
    for field in ["ok", "skipped", "arguments", "log", "fuel", "memory_bytes", "host_calls", "error"] {
        assert!(value.get(field).is_some(), "{field} is missing: {value}");
    }
    for number in ["fuel", "memory_bytes", "host_calls"] {
        assert!(value[number].is_u64(), "{number}: {value}");
    }
    (value["ok"] == true, value["skipped"] == true)
}

#[test]
fn module_run_says_by_its_exit_code_how_a_script_ended() {
    alone(async {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path();
        for (name, text) in [("gives.ts", GIVES), ("skips.ts", SKIPS), ("fails.ts", FAILS)] {
            std::fs::write(place.join(name), text).expect("written");
        }
        let run =
            async |args: &[&str]| argus(place, &[], &[&["module", "run", "--json"], args].concat()).await;

        let gives = run(&["gives.ts", "--record", "run.bin"]).await;
        let told = gives.json();
        assert_eq!((gives.code, report(&told)), (0, (true, false)), "{gives:?}");
        assert_eq!(told["arguments"], serde_json::json!(["key", "12"]));
        assert!(told["log"].as_str().is_some_and(|log| log.contains("thinking")), "{told}");
        assert!(told["error"].is_null() && told["fuel"].as_u64() > Some(0), "{told}");

        let skips = run(&["skips.ts"]).await;
        assert_eq!((skips.code, report(&skips.json())), (3, (false, true)), "{skips:?}");
        assert_eq!(skips.json()["error"], "market closed");

        let fails = run(&["fails.ts"]).await;
        let told = fails.json();
        assert_eq!((fails.code, report(&told)), (1, (false, false)), "{fails:?}");
        assert!(told["error"].as_str().is_some_and(|e| e.contains("no price today")), "{told}");

        // A limit that is met is told by its name.
        let limited = run(&["gives.ts", "--max-fuel", "1000"]).await;
        assert_eq!((limited.code, report(&limited.json())), (1, (false, false)), "{limited:?}");
        assert!(limited.json()["error"].as_str().is_some_and(|e| e.contains("fuel")), "{limited:?}");
        // One that no run may have is refused with its range, and nothing runs.
        let refused = run(&["gives.ts", "--max-wall", "0"]).await;
        assert!(refused.code == 2 && refused.out.is_empty(), "{refused:?}");
        assert!(refused.err.contains("seconds from 1 to 60"), "{refused:?}");
        replays(place).await;
    });
}

/// What no job could use is no success by hand either; what a job of kind 7 could, is.
#[test]
fn a_run_says_what_a_job_would_say_of_its_value() {
    alone(async {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path();
        for (value, expect) in [
            ("7", Err("the script must print one JSON array of arguments, not a number")),
            (r#"{"price":7}"#, Err("shouldExecute: missing")),
            (r#"{"shouldExecute":false}"#, Ok(())),
        ] {
            std::fs::write(place.join("script.js"), format!("console.log('{value}')")).expect("written");
            let ran = argus(place, &[], &["module", "run", "--json", "script.js"]).await;
            let told = ran.json();
            match expect {
                Ok(()) => {
                    assert_eq!((ran.code, told["arguments"].to_string().as_str()), (0, value), "{told}")
                }
                Err(part) => {
                    assert_eq!((ran.code, report(&told)), (1, (false, false)), "{told}");
                    assert!(told["arguments"].is_null() && told["stopped_by"] == "script", "{told}");
                    assert!(told["error"].as_str().is_some_and(|e| e.contains(part)), "{told}");
                    let plain = argus(place, &[], &["module", "run", "script.js"]).await;
                    assert!(plain.code == 1 && plain.out.contains("failed: "), "{plain:?}");
                }
            }
        }
    });
}

/// A disk that is full leaves what was there.
#[test]
fn a_file_that_cannot_be_written_whole_is_not_written() {
    alone(async {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path();
        std::fs::write(place.join("gives.ts"), GIVES).expect("written");
        std::fs::write(place.join("run.json"), "before").expect("written");
        // The engine is kept compiled from here on: the limit below is one for files in memory, too, and into one of
        // those its memory would go.
        let first = argus(place, &[], &["module", "run", "gives.ts"]).await;
        assert_eq!(first.code, 0, "{first:?}");
        // A shell's limit for the size of a file, and no signal at it, is what a full disk is like.
        let program = argus_e2e::program();
        let narrow = format!("trap '' XFSZ; ulimit -f 1; exec {} \"$@\"", program.display());
        for file in ["run.json", "new.json"] {
            let args = ["-c", &narrow, "sh", "module", "run", "gives.ts", "--record", file];
            let ran = tokio::process::Command::new("sh").args(args).current_dir(place).output().await;
            let ran = ran.expect("sh starts");
            let said = String::from_utf8_lossy(&ran.stderr).into_owned();
            assert!(
                ran.status.code() == Some(1) && said.contains(&format!("cannot write {file}")),
                "{ran:?}"
            );
        }
        assert_eq!(std::fs::read_to_string(place.join("run.json")).expect("it is there"), "before");
        let left: Vec<_> =
            std::fs::read_dir(place).expect("the folder").flatten().map(|e| e.file_name()).collect();
        assert_eq!(left.len(), 2, "{left:?}");
        let wide = argus(place, &[], &["module", "run", "gives.ts", "--record", "run.json"]).await;
        assert_eq!(wide.code, 0, "{wide:?}");
        let kept = std::fs::metadata(place.join("run.json")).expect("it is there");
        assert!(kept.len() > 1024 && kept.permissions().mode() & 0o044 != 0, "{kept:?}");
    });
}

/// The run that was recorded is the same once more, and a changed one is not.
async fn replays(place: &Path) {
    let same = argus(place, &[], &["replay", "--json", "run.bin"]).await;
    assert_eq!(same.code, 0, "{same:?}");
    let mut bytes = std::fs::read(place.join("run.bin")).expect("recorded");
    let at = bytes.windows(2).rposition(|pair| pair == b"12").expect("the result is in the record");
    bytes[at] = b'7';
    std::fs::write(place.join("forged.bin"), bytes).expect("written");
    let other = argus(place, &[], &["replay", "--json", "forged.bin"]).await;
    assert_eq!(other.code, 1, "{other:?}");
}

#[test]
fn keys_and_tables_are_made_once() {
    alone(async {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path();
        let made = argus(place, &[], &["keeper", "keygen", "--json", "--out", "k.key"]).await;
        assert_eq!(made.code, 0, "{made:?}");
        assert!(made.json()["address"].as_str().is_some_and(|a| a.starts_with("0x") && a.len() == 42));
        let secret = std::fs::read_to_string(place.join("k.key")).expect("the key file");
        assert!(!made.out.contains(secret.trim()) && !made.err.contains(secret.trim()), "the key was shown");
        let again = argus(place, &[], &["keeper", "keygen", "--json", "--out", "k.key"]).await;
        assert!(again.code == 1 && again.err.contains("never overwritten"), "{again:?}");
        assert_eq!(std::fs::read_to_string(place.join("k.key")).expect("the key file"), secret);
        opened_key(place).await;

        let set = ["--set", "data_dir = \"data\""];
        for _ in 0..2 {
            let up = argus(place, &[], &[&["migrate", "--json"], &set[..]].concat()).await;
            assert_eq!(up.code, 0, "{up:?}");
            let rows = up.json()["migrations"].as_array().cloned().expect("a list");
            assert!(!rows.is_empty() && rows.iter().all(|row| row["applied_at"].is_string()), "{up:?}");
            // The oldest program that runs on it: one that knows the migration, or an earlier one where it only adds.
            let needs = rows.iter().map(|row| row["needs"].as_u64()).collect::<Vec<_>>();
            assert!(needs.iter().zip(1..).all(|(needs, n)| needs.is_some_and(|needs| needs <= n)), "{up:?}");
            assert_eq!((needs[0], needs.is_sorted()), (Some(1), true), "{up:?}");
        }
        for made in ["data", "data/argus.db"] {
            let mode = std::fs::metadata(place.join(made)).expect("made").permissions().mode();
            assert_eq!(mode & 0o077, 0, "others can read {made}");
        }
        let verify = argus(place, &[], &[&["migrate", "verify", "--json"], &set[..]].concat()).await;
        assert_eq!(verify.code, 0, "{verify:?}");
    });
}

/// A key that others can read starts no keeper.
async fn opened_key(place: &Path) {
    std::fs::copy(place.join("k.key"), place.join("t.token")).expect("a token that is closed");
    std::fs::set_permissions(place.join("k.key"), std::fs::Permissions::from_mode(0o644)).expect("changed");
    let settings = [
        "data_dir = \".\"",
        "keeper.key_files = [\"k.key\"]",
        "keeper.platform = \"0x000000000000000000000000000000000000000a\"",
        "links.aggregator = \"http://127.0.0.1:9\"",
        "links.keeper_token_file = \"t.token\"",
    ];
    let args: Vec<&str> = ["keeper"].into_iter().chain(settings.iter().flat_map(|s| ["--set", s])).collect();
    let refused = argus(place, &[], &args).await;
    assert!(refused.code == 1 && refused.err.contains("k.key` closes it"), "{refused:?}");
}

#[test]
fn stored_secrets_change_their_key_though_it_is_killed_meanwhile() {
    alone(rewraps());
}

/// A store under an old key; one value in it under a key that is lost.
async fn rewraps() {
    const VALUES: u64 = 3_000;
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path();
    let [old, new, lost] = ["11", "22", "33"].map(|byte| byte.repeat(32));
    let vault = |keys: &str| KeyVault::from_text(keys).expect("keys");
    let store = SqliteStore::open(&place.join("argus.db"), &Options::default()).expect("a store");
    let job = |n: u64| JobId(U256::from(n));
    let name: SecretName = "API_KEY".parse().expect("a name");
    let value = |n: u64| SecretValue::new(format!("the value of {n:08}")).expect("a value");
    for n in 0..VALUES {
        let keys = if n == 7 { vault(&lost) } else { vault(&old) };
        let sealed = keys.seal(job(n), &name, &value(n), Timestamp(1_000 + n)).expect("sealed");
        store.put(job(n), name.clone(), sealed).await.expect("kept");
    }
    let under_another = async || {
        let rows = store.sealed_otherwise(vault(&new).key(), None, u32::MAX).await.expect("read");
        rows.len() as u64
    };
    let keys = |text: &str| {
        std::fs::write(place.join("secrets.key"), text).expect("written");
        let closed = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(place.join("secrets.key"), closed).expect("closed");
    };
    keys(&format!("{new}\n{old}\n"));
    let settings = ["--set", "data_dir = \".\"", "--set", "secrets.key_file = \"secrets.key\""];
    let rewrap = [&["secret", "rewrap", "--json"], &settings[..]].concat();

    let mut killed = started(place, &rewrap);
    until("it has begun", 30, async || (under_another().await < VALUES).then_some(())).await;
    killed.kill().await.expect("killed");
    let left = under_another().await;
    assert!(0 < left && left < VALUES, "it was in the middle: {left}");

    let told = argus(place, &[], &rewrap).await;
    assert_eq!((told.code, told.json()["rewrapped"].as_u64()), (1, Some(left - 1)), "{told:?}");
    let row = &told.json()["left"][0];
    assert_eq!((&row["job_id"], &row["name"]), (&"7".into(), &"API_KEY".into()), "{told:?}");
    assert!(row["why"].as_str().is_some_and(|why| why.contains("put that key back")), "{told:?}");
    store.remove(job(7), [name.clone()].into()).await.expect("removed");
    let again = argus(place, &[], &rewrap).await;
    assert_eq!((again.code, &again.json()["rewrapped"]), (0, &0.into()), "{again:?}");

    // The new key alone opens all of them, as they were.
    for n in (0..VALUES).filter(|n| *n != 7) {
        let rows = store.of_job(job(n)).await.expect("read");
        let [(_, sealed)] = &rows[..] else { panic!("{n} is not there once") };
        assert_eq!(vault(&new).open(job(n), &name, sealed), Ok(value(n)));
        assert_eq!(sealed.set_at, Timestamp(1_000 + n));
    }
    keys("");
    let none = argus(place, &[], &rewrap).await;
    assert!(none.code == 1 && none.err.contains("it holds no keys"), "{none:?}");
}

#[test]
fn a_job_is_made_shown_and_ended_from_the_shell() {
    everywhere(from_the_shell);
}

async fn from_the_shell(topology: Topology) {
    let folder = tempfile::tempdir().expect("a folder");
    let platform = Start::on(&folder.path().join("dev"), topology).run().await;
    let place = folder.path();
    let shell = async |args: &[&str]| shell(&platform, place, args).await;
    std::fs::write(place.join("gives.ts"), GIVES).expect("written");
    let published = shell(&["module", "publish", "--json", "gives.ts"]).await;
    let cid = published["cid"].as_str().expect("a CID").to_owned();
    // What is published runs by its name where its file is not.
    let elsewhere = tempfile::tempdir().expect("a folder");
    for name in [cid.clone(), format!("ipfs://{cid}")] {
        let environment =
            [("ARGUS_API_URL", platform.said("/api")), ("ARGUS_API_KEY", platform.said("/keys/user"))];
        let ran = argus(elsewhere.path(), &environment, &["module", "run", "--json", &name]).await;
        assert_eq!((ran.code, &ran.json()["arguments"]), (0, &serde_json::json!(["key", "12"])), "{ran:?}");
    }

    let mut job = jobs::scripted(&platform, &format!("ipfs://{cid}"), 1, 1);
    job.as_object_mut().expect("an object").remove("job_id");
    std::fs::write(place.join("job.json"), job.to_string()).expect("written");
    let tried = shell(&["job", "dry-run", "--json", "job.json"]).await;
    assert_eq!((&tried["ok"], &tried["would_revert"]), (&true.into(), &false.into()), "{tried}");
    assert_eq!(tried["arguments"], serde_json::json!(["key", "12"]), "{tried}");
    assert_eq!(tried["next_runs"].as_array().map(Vec::len), Some(1), "{tried}");
    let listed = shell(&["job", "list", "--json"]).await;
    assert_eq!(listed["jobs"].as_array().map(Vec::len), Some(0), "a dry run makes a job: {listed}");
    let created = shell(&["job", "create", "--json", "job.json"]).await;
    let id = created["job_ids"][0].as_str().expect("an id").to_owned();
    let tasks = story::completed(&platform, &id, 1, 15).await;
    story::on_chain(&platform, "key", 12, &tasks).await;

    let listed = shell(&["job", "list", "--json", "--user", platform.account(0)]).await;
    assert_eq!(listed["jobs"][0]["job_data"]["job_id"], id.as_str(), "{listed}");
    // Clients that show a key and nothing else get what is its owner's, also with a front end's key.
    for (key, text) in [(Key::User, "/keys/user"), (Key::App, "/keys/app")] {
        let jobs = platform.call(Method::GET, "/jobs/by-apikey", key, None).await.expect("an answer");
        assert_eq!(jobs.body["jobs"][0]["job_data"]["job_id"], id.as_str(), "{text}: {jobs:?}");
        let tasks = platform.get(&format!("/tasks/by-apikey/{}", platform.said(text))).await;
        assert_eq!(tasks["task_groups"][0]["job_id"], id.as_str(), "{text}: {tasks}");
    }
    let shown = shell(&["job", "show", "--json", &id]).await;
    assert_eq!(shown["tasks"][0]["task_id"], tasks[0]["task_id"], "{shown}");
    let task = shell(&["task", "show", "--json", &tasks[0]["task_id"].to_string()]).await;
    assert_eq!(task["task_status"], "completed", "{task}");
    let told = shell(&["task", "show", "--json", "--timeline", &tasks[0]["task_id"].to_string()]).await;
    let says: Vec<_> =
        told["entries"].as_array().into_iter().flatten().map(|e| e["says"].to_string()).collect();
    for part in
        ["it was due", "was opened", "attempt 1 began", "keepers agreed", "handoff 1", "the target took"]
    {
        assert!(says.iter().any(|said| said.contains(part)), "{part}: {says:?}");
    }
    let why = shell(&["job", "why", "--json", &id]).await;
    assert_eq!(why["decisions"][0]["task_id"], tasks[0]["task_id"], "{why}");
    shell(&["job", "delete", "--json", &id]).await;
    let owner = platform.account(0);
    let flat = platform.get(&format!("/jobs/user/{owner}/{id}")).await;
    assert_eq!(flat["status"], "deleted", "{flat}");

    let environment =
        [("ARGUS_API_URL", platform.said("/api")), ("ARGUS_API_KEY", platform.said("/keys/app"))];
    // What counts for nothing is told beside the answer.
    let twice = jobs::with(
        jobs::interval(&platform, "twice", 1, 60, 5),
        serde_json::json!({ "cron_expression": "0 0 * * *" }),
    );
    std::fs::write(place.join("twice.json"), twice.to_string()).expect("written");
    let told = argus(place, &environment, &["job", "create", "twice.json"]).await;
    assert!(told.code == 0 && told.out.starts_with("created  "), "{told:?}");
    let warning = "warning  [0].cron_expression is ignored: the job runs by its time_interval";
    assert!(told.err.contains(warning), "{told:?}");

    let told = argus(place, &environment, &["job", "why", &id]).await;
    for part in ["the job is deleted since", "opened", "task 1 was opened: it was due at"] {
        assert!(told.code == 0 && told.out.contains(part), "{told:?}, without {part}");
    }

    // A refusal says every fault with its place, and its exit code is 1.
    std::fs::write(place.join("bad.json"), r#"{"job_title": "", "time_frame": "soon"}"#).expect("written");
    let refused = argus(place, &environment, &["job", "create", "bad.json"]).await;
    assert_eq!(refused.code, 1, "{refused:?}");
    for path in ["job_title", "time_frame", "user_address"] {
        assert!(refused.err.contains(path), "{path}: {refused:?}");
    }
    let tried = argus(place, &environment, &["job", "dry-run", "bad.json"]).await;
    assert!(tried.code == 1 && tried.out.contains("would be refused"), "{tried:?}");
    for path in ["job_title", "time_frame", "user_address"] {
        assert!(tried.out.contains(path), "{path}: {tried:?}");
    }
    let tried = argus(place, &environment, &["job", "dry-run", "twice.json"]).await;
    for words in ["would be accepted", "runs", "one run costs", " ETH (", "cron_expression is ignored"] {
        assert!(tried.code == 0 && tried.out.contains(words), "{words}: {tried:?}");
    }
    // A key that is made beside the store opens what its role may do, and is shown nowhere.
    let create = ["api-key", "create", "--json", "--role", "admin", "--out", "admin.key"];
    let made = shell(&[&create[..], &["--config", "dev/argus.toml"]].concat()).await;
    let text = std::fs::read_to_string(place.join("admin.key")).expect("the key file");
    let path = format!("/admin/api-keys/{}", platform.account(0));
    assert!(made["role"] == "admin" && !made.to_string().contains(text.trim()), "{made}");
    let keys = platform.call(Method::GET, &path, Key::Text(text.trim()), None).await;
    assert_eq!(keys.expect("an answer").status, 200);
    platform.stop().await;
}

/// A command that succeeds, with the platform in its environment; its JSON.
async fn shell(platform: &Platform, place: &Path, args: &[&str]) -> Value {
    let environment =
        [("ARGUS_API_URL", platform.said("/api")), ("ARGUS_API_KEY", platform.said("/keys/user"))];
    let output = argus(place, &environment, args).await;
    assert_eq!(output.code, 0, "{args:?}: {output:?}");
    output.json()
}
