//! A program that is larger than one may be by default: taken where its job says so, on the whole way.

use argus_e2e::{Start, Topology, command::argus, jobs, platform::Key, story};
use argus_guests_tests::large::{COMMAND, padded};
use reqwest::Method;
use serde_json::json;

use crate::everywhere;

#[test]
fn a_large_program_runs_where_its_job_allows_it() {
    everywhere(allows);
}

async fn allows(topology: Topology) {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path();
    for mb in [20, 65] {
        std::fs::write(place.join(format!("{mb}.wasm")), padded(COMMAND, mb)).expect("written");
    }
    let raised = ["--max-command", "64"];
    let ways =
        [("run", "arguments: [\"large\",5]"), ("inspect", "module    20971520 bytes of 67108864 at most")];
    for (command, taken) in ways {
        let run = async |args: &[&str]| argus(place, &[], &[&["module", command], args].concat()).await;
        let refused = run(&["20.wasm"]).await;
        let said = "the module has 20971520 bytes, the limit is 16 MB: strip debug information and optimise for size, \
                    or raise the job's limit command_bytes, up to 64 MB";
        assert!(refused.code == 1 && refused.out.contains(said), "{command}: {refused:?}");
        let good = run(&[&["20.wasm"], &raised[..]].concat()).await;
        assert!(good.code == 0 && good.out.contains(taken), "{command}: {good:?}");
        let giant = run(&[&["65.wasm"], &raised[..]].concat()).await;
        assert!(giant.code == 1 && giant.err.contains("65.wasm has more than 64 MB"), "{command}: {giant:?}");
    }

    let platform = Start::on(&place.join("data"), topology).run().await;
    let (api, key) = (platform.said("/api").to_owned(), platform.said("/keys/app").to_owned());
    let environment = [("ARGUS_API_URL", api.as_str()), ("ARGUS_API_KEY", key.as_str())];
    let publish =
        async |args: &[&str]| argus(place, &environment, &[&["module", "publish"], args].concat()).await;
    let refused = publish(&["20.wasm"]).await;
    assert!(refused.code == 1 && refused.err.contains("the limit is 16 MB"), "{refused:?}");
    let good = publish(&[&["20.wasm", "--json"], &raised[..]].concat()).await;
    assert_eq!(good.code, 0, "{good:?}");
    let url = good.json()["url"].as_str().expect("where it is").to_owned();

    let job = jobs::with(jobs::scripted(&platform, &url, 1, 3), json!({ "language": "wasm" }));
    let reply = platform.post("/jobs", &json!([job])).await;
    assert_eq!(reply.body["status"], "validation_failed", "{reply:?}");
    assert!(reply.body.to_string().contains("the limit is 16 MB"), "{reply:?}");
    let limits = |mb: u64| json!({ "limits": { "command_bytes": mb << 20 } });
    let body = json!([jobs::with(job.clone(), limits(65))]).to_string();
    let beyond = platform.call(Method::POST, "/jobs", Key::App, Some(body)).await.expect("an answer");
    beyond.refused(422, "VALIDATION_FAILED");
    let id = platform.create(&jobs::with(job, limits(20))).await;
    let tasks = story::completed(&platform, &id, 3, 30).await;
    story::on_chain(&platform, "large", 5, &tasks).await;
    platform.stop().await;
}
