//! Traces: what every process of a platform tells a real Jaeger comes together as one trace of each task.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use argus_e2e::{
    Platform, Source, Start, Topology, jobs,
    process::{Process, leashed},
    story, until,
};
use serde_json::{Value, json};

use crate::on;

#[test]
fn a_task_is_one_trace_through_all_processes() {
    let Some(jaeger) = argus_e2e::jaeger() else { return };
    on(&[Topology::Processes], async |topology| is_traced(&jaeger, topology).await);
}

const SCRIPT: &str = r#"
export default async function () {
  const reply = await (await fetch("__SOURCE__")).json();
  return ["traced", BigInt(reply.price)];
}
"#;

async fn is_traced(jaeger: &Path, topology: Topology) {
    let folder = tempfile::tempdir().expect("a folder");
    let source = Source::serve(r#"{"price":"7"}"#).await;
    let collector = Jaeger::start(jaeger).await;
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
    let request = collector.client.get(url).header("traceparent", format!("00-{trace}-{span}-01"));
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.headers()["x-trace-id"], trace);
    let found =
        until("the request's trace", 20, async || collector.ask(&format!("traces/{trace}")).await).await;
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

/// A Jaeger that keeps what it is told in memory.
struct Jaeger {
    _process: Process,
    endpoint: String,
    queries: String,
    client: reqwest::Client,
}

impl Jaeger {
    async fn start(program: &Path) -> Self {
        let [otlp, otlp_http, query, query_grpc, admin] = [(); 5].map(|()| {
            let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
            listener.local_addr().expect("an address")
        });
        let mut command = leashed(program);
        command
            .env("COLLECTOR_OTLP_ENABLED", "true")
            .arg(format!("--collector.otlp.grpc.host-port={otlp}"))
            .arg(format!("--collector.otlp.http.host-port={otlp_http}"))
            .arg(format!("--query.http-server.host-port={query}"))
            .arg(format!("--query.grpc-server.host-port={query_grpc}"))
            .arg(format!("--admin.http.host-port={admin}"));
        for other in ["collector.grpc-server", "collector.http-server"] {
            command.arg(format!("--{other}.host-port=127.0.0.1:0"));
        }
        let (process, _out) = Process::start(&mut command);
        let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).no_proxy().build();
        let this = Self {
            _process: process,
            endpoint: format!("http://{otlp}"),
            queries: format!("http://{query}/api"),
            client: client.expect("a client"),
        };
        until("Jaeger is ready", 30, async || {
            let answer = this.client.get(format!("{}/services", this.queries)).send().await;
            answer.is_ok_and(|answer| answer.status().is_success()).then_some(())
        })
        .await;
        this
    }

    async fn of_task(&self, id: &str) -> Option<Value> {
        let tags = json!({ "argus.task": id }).to_string();
        let url = reqwest::Url::parse_with_params(
            &format!("{}/traces", self.queries),
            [("service", "argus"), ("operation", "task"), ("tags", tags.as_str()), ("limit", "10")],
        );
        self.get(url.expect("a URL")).await
    }

    async fn ask(&self, path: &str) -> Option<Value> {
        self.get(format!("{}/{path}", self.queries).parse().expect("a URL")).await
    }

    /// The one trace that is asked for, once it is there.
    async fn get(&self, url: reqwest::Url) -> Option<Value> {
        let text = self.client.get(url).send().await.expect("an answer").text().await.expect("text");
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        let traces = answer["data"].as_array()?;
        assert!(traces.len() <= 1, "{answer:#}");
        traces.first().cloned()
    }
}
