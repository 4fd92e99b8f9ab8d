//! A real collector of traces.

use std::{path::PathBuf, time::Duration};

use serde_json::Value;

use crate::{
    process::{Process, leashed},
    until,
};

/// A Jaeger that keeps what it is told in memory.
pub struct Jaeger {
    _process: Process,
    /// Where it takes spans.
    pub endpoint: String,
    queries: String,
    client: reqwest::Client,
}

impl Jaeger {
    /// The program, as `scripts/setup test` builds it; `None` as in [`crate::has_anvil`].
    pub fn program() -> Option<PathBuf> {
        let program = crate::cache().join("argus/tools/jaeger/jaeger");
        let missing = || format!("no jaeger at {}: run scripts/setup test", program.display());
        crate::is_there(program.is_file().then(|| program.clone()).ok_or_else(missing))
    }

    /// Starts one and waits until it answers; `None` as in [`Self::program`].
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start() -> Option<Self> {
        let program = Self::program()?;
        let [otlp, otlp_http, query, query_grpc, admin] = [(); 5].map(|()| {
            let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
            listener.local_addr().expect("an address")
        });
        let mut command = leashed(&program);
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
        Some(this)
    }

    /// The trace of a task by its public id, once it is there.
    pub async fn of_task(&self, id: &str) -> Option<Value> {
        let tags = serde_json::json!({ "argus.task": id }).to_string();
        let url = reqwest::Url::parse_with_params(
            &format!("{}/traces", self.queries),
            [("service", "argus"), ("operation", "task"), ("tags", tags.as_str()), ("limit", "10")],
        );
        self.get(url.expect("a URL")).await
    }

    /// A trace by its id, once it is there.
    pub async fn of_id(&self, id: &str) -> Option<Value> {
        self.get(format!("{}/traces/{id}", self.queries).parse().expect("a URL")).await
    }

    /// All that it was told, as text.
    ///
    /// # Panics
    /// If it does not answer.
    pub async fn everything(&self) -> String {
        let url = format!("{}/traces?service=argus&limit=100000", self.queries);
        self.client.get(url).send().await.expect("an answer").text().await.expect("text")
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
