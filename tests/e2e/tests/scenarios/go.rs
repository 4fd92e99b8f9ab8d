//! Jobs whose scripts are Go programs, handed in as source: built by the platform, run by keepers, called on chain.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use argus_e2e::{
    Platform, Reply, Source, Start, Topology, command::argus, jobs, jobs::with, platform::Key, story, until,
};
use argus_guests_tests::go::toolchain;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::everywhere;

/// As somebody wrote it for a keeper that starts it as a process.
const SCRIPT: &str = r#"package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
)

func main() {
	resp, err := http.Get("__SOURCE__")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		log.Fatal(err)
	}
	var quote struct {
		Market struct {
			Price json.Number `json:"price"`
		} `json:"market"`
	}
	if err := json.Unmarshal(body, &quote); err != nil {
		log.Fatal(err)
	}
	price, _ := new(big.Int).SetString(quote.Market.Price.String(), 10)
	log.Println("read", price)
	fmt.Printf("[%q, %s]\n", "go", price.Lsh(price, 1))
}
"#;

/// What Go compiled for all platforms of all tests, beside their modules.
fn builder_folder() -> std::path::PathBuf {
    argus_e2e::program().with_file_name("argus-e2e-builder")
}

/// Sends a request again for as long as its answer says that it may be; the answer, and how often it was sent.
async fn patiently(platform: &Platform, path: &str, body: &Value) -> (Reply, usize) {
    let mut sent = 0;
    let reply = until("the script is built", 400, async || {
        sent += 1;
        let reply = platform.post(path, body).await;
        match reply.status {
            503 => {
                reply.refused(503, "BUILD_UNDERWAY");
                None
            }
            // A busy machine, or a slow compiler.
            504 => {
                reply.refused(504, "ANSWER_TIMEOUT");
                None
            }
            _ => Some(reply),
        }
    })
    .await;
    (reply, sent)
}

#[test]
fn a_go_source_is_built_run_and_called() {
    everywhere(runs);
}

async fn runs(topology: Topology) {
    if toolchain().await.is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let values = Source::serve(r#"{"market":{"price":21}}"#).await;
    let scripts = Source::serve(&SCRIPT.replace("__SOURCE__", &values.url())).await;
    let start = Start::on(folder.path(), topology).allow(values.address).allow(scripts.address);
    // Shorter than any build: the first answer comes before the module does.
    let start = start.set(format!("builder.dir = {:?}", builder_folder())).set("builder.patience_ms = 20");
    let platform = start.set("runner.compile_ms = 300000").run().await;

    let language = if topology == Topology::OneProcess { "go" } else { "" };
    let job = with(jobs::scripted(&platform, &scripts.url(), 2, 5), json!({ "language": language }));
    let (reply, sent) = patiently(&platform, "/jobs", &json!([job])).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert!(sent > 1, "the first answer was there before the build");
    let id = reply.body["job_ids"][0].as_str().unwrap_or_else(|| panic!("refused: {reply:?}")).to_owned();
    let tasks = story::completed(&platform, &id, 2, 60).await;
    story::on_chain(&platform, "go", 42, &tasks).await;
    for task in &tasks {
        assert_eq!(task["converted_arguments"], json!(["go", "42"]), "{task}");
        assert!(task["task_attesters"].as_array().is_some_and(|a| a.len() >= 2), "a quorum: {task}");
    }
    publishes(&platform, &SCRIPT.replace("__SOURCE__", &values.url())).await;
    refuses(&platform, &scripts).await;
    platform.stop().await;
}

/// The command waits for the build by itself.
async fn publishes(platform: &Platform, source: &str) {
    let place = tempfile::tempdir().expect("a folder");
    // Another source of the same module.
    fs::write(place.path().join("script.go"), format!("{source}// published\n")).expect("a file");
    let environment =
        [("ARGUS_API_URL", platform.said("/api")), ("ARGUS_API_KEY", platform.said("/keys/app"))];
    let published = argus(place.path(), &environment, &["module", "publish", "script.go", "--json"]).await;
    assert_eq!(published.code, 0, "{published:?}");
    assert!(published.err.contains("waiting for it"), "{published:?}");
    let module = published.json();
    assert_eq!((&module["language"], &module["shape"]), (&json!("go"), &json!("command")), "{module}");
    assert!(module["build"]["cid"].is_string(), "{module}");
}

async fn refuses(platform: &Platform, scripts: &Source) {
    for (source, expect) in [
        ("package main\n\nfunc main() {\n\tx\n}\n", "main.go:4:2: undefined: x"),
        ("package main\n\nimport _ \"rsc.io/quote\"\n\nfunc main() {}\n", "main.go:3:8: no required module"),
        ("package main\n\nimport _ \"nosuch\"\n\nfunc main() {}\n", "package nosuch is not in std"),
    ] {
        scripts.set(source);
        let job = with(jobs::scripted(platform, &scripts.url(), 2, 5), json!({ "language": "go" }));
        let (reply, _) = patiently(platform, "/jobs", &json!([job])).await;
        assert_eq!((reply.status, &reply.body["status"]), (200, &json!("validation_failed")), "{reply:?}");
        let (published, _) =
            patiently(platform, "/modules", &json!({ "source": source, "language": "go" })).await;
        published.refused(422, "SCRIPT_REFUSED");
        for said in [reply.body.to_string(), published.body.to_string()] {
            assert!(said.contains(expect), "{said}");
            let goroot = toolchain().await.expect("a toolchain").root;
            let folder = builder_folder();
            for path in [goroot.as_path(), folder.as_path(), platform.folder()] {
                assert!(!said.contains(&*path.to_string_lossy()), "a path of this machine is shown: {said}");
            }
        }
        let path = format!("/tasks/job/{}", job["job_id"].as_str().expect("an id"));
        let stored = platform.call(Method::GET, &path, Key::App, None).await.expect("an answer");
        stored.refused(404, "NOT_FOUND");
    }
}

/// A `go` that says that it is the right one, and builds until it is told to give up.
fn endless_go(folder: &Path) {
    let version = argus_guests_tests::go::VERSION;
    let script = format!(
        "#!/bin/sh\nif [ \"$1\" = env ]; then echo {version}; echo /nowhere; exit 0; fi\n\
         touch \"$TMPDIR/begun\"\nwhile [ ! -e {}/give-up ]; do sleep 0.05; done\nexit 1\n",
        folder.display()
    );
    fs::write(folder.join("go"), script).expect("a file");
    fs::set_permissions(folder.join("go"), fs::Permissions::from_mode(0o755)).expect("its mode");
}

#[tokio::test]
async fn what_a_killed_build_left_goes_with_the_next_one() {
    let place = tempfile::tempdir().expect("a folder");
    endless_go(place.path());
    fs::write(place.path().join("script.go"), "package main\n\nfunc main() {}\n").expect("a file");
    let path = format!("{}:/usr/bin:/bin", place.path().display());
    let cache = place.path().join("cache");
    let environment = [("PATH", path.as_str()), ("XDG_CACHE_HOME", cache.to_str().expect("text"))];
    let left = || -> Vec<_> {
        let listed = fs::read_dir(cache.join("argus/go/builds")).into_iter().flatten();
        listed.map(|entry| entry.expect("an entry").path()).collect()
    };
    let mut command = Command::new(argus_e2e::program());
    command.args(["module", "build", "script.go"]).envs(environment).current_dir(place.path());
    let mut child = command.kill_on_drop(true).spawn().expect("it starts");
    until("it builds", 30, async || {
        left().iter().any(|folder| folder.join("tmp/begun").exists()).then_some(())
    })
    .await;
    child.kill().await.expect("killed");
    assert_eq!(left().len(), 1, "nobody was there to remove it");
    fs::write(place.path().join("give-up"), "").expect("a file");
    let again = argus(place.path(), &environment, &["module", "build", "script.go"]).await;
    assert_eq!(again.code, 1, "{again:?}");
    assert!(left().is_empty(), "{:?}", left());
}
