//! Traces: what every process of a platform tells a real Jaeger comes together as one trace of each task.

use std::collections::{BTreeMap, BTreeSet};

use argus_e2e::{Jaeger, Platform, Source, Start, Topology, jobs, story, until};
use serde_json::{Value, json};

use crate::on;

#[test]
fn a_task_is_one_trace_through_all_processes() {
    if Jaeger::program().is_some() {
        on(&[Topology::Processes], is_traced);
    }
}

const SCRIPT: &str = r#"
export default async function () {
  const reply = await (await fetch("__SOURCE__")).json();
  return ["traced", BigInt(reply.price)];
}
"#;

async fn is_traced(topology: Topology) {
    let folder = tempfile::tempdir().expect("a folder");
    let source = Source::serve(r#"{"price":"7"}"#).await;
    let collector = Jaeger::start().await.expect("it is there");
    let start = Start::on(folder.path(), topology).allow(source.address);
    let platform = start.set(format!("traces.endpoint = {:?}", collector.endpoint)).run().await;
    let script = platform.publish(&SCRIPT.replace("__SOURCE__", &source.url())).await;
    let job = platform.create(&jobs::scripted(&platform, &script, 2, 5)).await;
    let tasks = story::completed(&platform, &job, 2, 30).await;
    assert_eq!(tasks.len(), 2);
    for task in &tasks {
        let id = task["task_id"].to_string();
        until(&format!("the whole trace of task {id}"), 20, async || {
            let trace = collector.of_task(&id).await?;
            is_whole(&trace).then(|| check(&trace, task))
        })
        .await;
    }
    names_its_own(&collector, &platform).await;
    platform.stop().await;
}

/// What has to be in the trace of a task that three keepers ran and one performed.
const WANTED: [(&str, usize); 9] = [
    ("task", 1),
    ("attempt", 1),
    ("gather", 1),
    ("run", 3),
    ("hand off", 1),
    ("perform", 1),
    ("include", 1),
    ("confirm", 1),
    ("notify", 5),
];

fn spans(trace: &Value) -> &[Value] {
    trace["spans"].as_array().expect("spans")
}

fn named<'t>(trace: &'t Value, name: &str) -> Vec<&'t Value> {
    spans(trace).iter().filter(|span| span["operationName"] == name).collect()
}

fn is_whole(trace: &Value) -> bool {
    WANTED.iter().all(|(name, count)| named(trace, name).len() >= *count)
}

fn check(trace: &Value, task: &Value) {
    for (name, count) in WANTED {
        assert_eq!(named(trace, name).len(), count, "{name}: {trace:#}");
    }
    assert_eq!(spans(trace).len(), WANTED.iter().map(|(_, count)| count).sum::<usize>(), "nothing else");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let by_id: BTreeMap<_, _> = spans(trace).iter().map(|span| (text(&span["spanID"]), span)).collect();
    assert_eq!(by_id.len(), spans(trace).len(), "each has an id of its own");

    // Each stands under the one that led to it, and began no earlier.
    for span in spans(trace) {
        let name = text(&span["operationName"]);
        let above = match name.as_str() {
            "task" => None,
            "gather" | "run" => Some("attempt"),
            "perform" => Some("hand off"),
            _ => Some("task"),
        };
        let references = span["references"].as_array().expect("references");
        let parents: Vec<_> = references.iter().map(|to| by_id[&text(&to["spanID"])]).collect();
        let parent = parents.first().map(|parent| text(&parent["operationName"]));
        assert_eq!(parent.as_deref(), above, "{name}");
        if let Some(parent) = parents.first() {
            let at = |span: &Value| span["startTime"].as_u64().expect("microseconds");
            // What is written down has milliseconds, and a block whole seconds.
            let leeway = if ["include", "notify"].contains(&name.as_str()) { 1_000_000 } else { 2_000 };
            assert!(at(span) + leeway >= at(parent), "{name} began before its parent: {trace:#}");
        }
    }

    // Each process told its own part: five of the platform and three keepers.
    let teller = |span: &Value| {
        let process = &trace["processes"][span["processID"].as_str().expect("a process")];
        assert_eq!(process["serviceName"], "argus");
        let tags = process["tags"].as_array().expect("tags");
        let tag = |key: &str| tags.iter().find(|tag| tag["key"] == key).map(|tag| text(&tag["value"]));
        (tag("argus.roles").expect("its roles"), tag("service.instance.id").expect("its id"))
    };
    for (name, role) in [
        ("task", "scheduler"),
        ("attempt", "dispatcher"),
        ("gather", "aggregator"),
        ("run", "keeper"),
        ("hand off", "dispatcher"),
        ("perform", "keeper"),
        ("include", "oversight"),
        ("confirm", "oversight"),
        ("notify", "api"),
    ] {
        for span in named(trace, name) {
            assert!(teller(span).0.split(',').any(|of| of == role), "{name} by {:?}", teller(span));
        }
    }
    let keepers: BTreeSet<_> = named(trace, "run").into_iter().map(|span| teller(span).1).collect();
    assert_eq!(keepers.len(), 3, "three keepers ran it, each in its process");

    let tag = |name: &str, key: &str| {
        let tags = named(trace, name)[0]["tags"].as_array().expect("tags").clone();
        tags.into_iter().find(|tag| tag["key"] == key).map(|tag| tag["value"].clone())
    };
    assert_eq!(tag("perform", "argus.transaction"), Some(task["execution_tx_hash"].clone()));
    assert_eq!(tag("include", "argus.transaction"), Some(task["execution_tx_hash"].clone()));
    assert_eq!(tag("attempt", "argus.verdict"), Some(json!("agreed")));
    assert_eq!(
        text(&trace["traceID"]),
        tag("task", "argus.task_id").map(|id| text(&id)[2..34].to_owned()).expect("an id")
    );
}

/// A request is in the trace that its client named.
async fn names_its_own(collector: &Jaeger, platform: &Platform) {
    let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let url = format!("{}/api/health", platform.said("/api"));
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let request = client.get(url).header("traceparent", format!("00-{trace}-{span}-01"));
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.headers()["x-trace-id"], trace);
    let found = until("the request's trace", 20, async || collector.of_id(trace).await).await;
    let [request] = spans(&found) else { panic!("{found:#}") };
    assert_eq!(
        (&request["operationName"], &request["references"][0]["spanID"]),
        (&json!("request"), &json!(span))
    );
    let tags = request["tags"].as_array().expect("tags");
    assert!(
        tags.iter().any(|tag| tag["key"] == "http.route" && tag["value"] == "/api/health"),
        "{request:#}"
    );
}
