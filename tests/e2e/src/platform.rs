//! `argus dev` as a child process that cannot outlive its test, and its API.

use std::{
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use reqwest::Method;
use rustix::process::{Signal, kill_process};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
    time::timeout,
};

use crate::{
    chain::Chain,
    process::{self, Process, leashed},
    socket::Socket,
};

/// Tries to start where a port is taken, and the pause between two.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_secs(1);
/// Longest start: the first one of all compiles the JavaScript engine, on a machine that other tests use too.
const START: Duration = Duration::from_secs(60);
/// As long as clients wait: longer than the API takes for any answer.
const ANSWER: Duration = Duration::from_secs(120);
/// How the roles are spread over processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topology {
    /// All of them in one.
    OneProcess,
    /// Each in its own, over gRPC.
    Processes,
}

/// How a platform is started.
#[derive(Debug, Clone)]
pub struct Start {
    data: PathBuf,
    topology: Topology,
    port: u16,
    allowed: Vec<String>,
    failpoint: Option<String>,
    settings: Vec<String>,
    gate: Option<String>,
    cold: bool,
    log: Option<String>,
    usual_blocks: bool,
}

impl Start {
    /// On this folder, on a free port, with nothing special.
    pub fn on(data: &Path, topology: Topology) -> Self {
        let (data, allowed, settings) = (data.to_owned(), Vec::new(), Vec::new());
        Self {
            data,
            topology,
            port: 0,
            allowed,
            failpoint: None,
            settings,
            gate: None,
            cold: false,
            log: None,
            usual_blocks: false,
        }
    }

    /// Lets scripts and sources reach a private host.
    #[must_use]
    pub fn allow(mut self, host: impl ToString) -> Self {
        self.allowed.push(host.to_string());
        self
    }

    /// On this port.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Has the process that comes to this step die there.
    #[must_use]
    pub fn dying_at(mut self, step: &str) -> Self {
        self.failpoint = Some(step.to_owned());
        self
    }

    /// Changes a setting.
    #[must_use]
    pub fn set(mut self, setting: impl ToString) -> Self {
        self.settings.push(setting.to_string());
        self
    }

    /// Runs only these of the three registered keepers, and takes others in at a port of its own.
    #[must_use]
    pub fn keepers(mut self, numbers: &[usize]) -> Self {
        let keys: Vec<_> = numbers.iter().map(|n| format!("keys/keeper-{n}.key")).collect();
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let gate = listener.local_addr().expect("an address").to_string();
        self.gate = Some(format!("http://{gate}"));
        self.set(format!("keeper.key_files = {keys:?}")).set(format!("links.listen = {gate:?}"))
    }

    /// Compiles everything itself, as on a machine where nothing ever ran. Otherwise what other tests have compiled is
    /// found: seconds of every start go into the JavaScript engine.
    #[must_use]
    pub fn cold(mut self) -> Self {
        self.cold = true;
        self
    }

    /// Has it, and the processes that it starts, say so much of their work.
    #[must_use]
    pub fn logging(mut self, filter: &str) -> Self {
        self.log = Some(filter.to_owned());
        self
    }

    /// Lets blocks come as they do where nobody says how. Otherwise each transaction has one at once: seconds of every
    /// scenario would go into waiting for them.
    #[must_use]
    pub fn usual_blocks(mut self) -> Self {
        self.usual_blocks = true;
        self
    }

    fn command(&self) -> Command {
        let mut command = leashed(&crate::program());
        if let Some(filter) = &self.log {
            command.env("ARGUS_LOG", filter);
        }
        command.args(["dev", "--json", "--port", &self.port.to_string(), "--data"]).arg(&self.data);
        if !self.usual_blocks {
            command.args(["--block-time", "0"]);
        }
        if self.topology == Topology::Processes {
            command.arg("--processes");
        }
        for host in &self.allowed {
            command.args(["--allow-host", host]);
        }
        if let Some(step) = &self.failpoint {
            command.args(["--failpoint", step]);
        }
        if !self.cold {
            command.arg("--set").arg(format!("runner.dir = {:?}", crate::compiled()));
        }
        for setting in &self.settings {
            command.args(["--set", setting]);
        }
        command
    }

    /// Starts it and waits until it is ready. A port that an earlier one had may be the near end of another scenario's
    /// connection for a while: then it is tried again.
    ///
    /// # Panics
    /// If it ends before that, with its words.
    pub async fn run(&self) -> Platform {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.attempt().await {
                Ok(platform) => return platform,
                Err(refusal) if tries < TRIES && refusal.said.contains("Address already in use") => {
                    tokio::time::sleep(PAUSE).await;
                }
                Err(refusal) => panic!("`argus dev` ended with {}:\n{}", refusal.status, refusal.said),
            }
        }
    }

    /// Starts it; either it becomes ready or it ends with its reasons.
    ///
    /// # Errors
    /// Its exit status and what it said.
    ///
    /// # Panics
    /// If it does neither in time.
    pub async fn attempt(&self) -> Result<Platform, Refusal> {
        let (mut process, out) = Process::start(&mut self.command());
        let mut lines = BufReader::new(out).lines();
        let first = timeout(START, lines.next_line()).await;
        let first = first.unwrap_or_else(|_| panic!("not ready in time:\n{}", process.words()));
        let Some(line) = first.expect("text on stdout") else {
            let status = process.ended().await;
            return Err(Refusal { status, said: process.words() });
        };
        let ready = serde_json::from_str(&line).expect("the ready line is JSON");
        Ok(Platform { process, ready, start: self.clone() })
    }
}

/// Why a platform did not start.
#[derive(Debug)]
pub struct Refusal {
    /// How it ended.
    pub status: ExitStatus,
    /// Its stderr.
    pub said: String,
}

/// A platform that runs. Dropping it ends it.
#[derive(Debug)]
pub struct Platform {
    process: Process,
    /// What it said when it was ready.
    pub ready: Value,
    start: Start,
}

/// An answer of the API.
#[derive(Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Seconds after which the request may be sent again, where it says so.
    pub retry_after: Option<u64>,
    /// Its JSON; a text where it is none.
    pub body: Value,
}

impl Reply {
    /// The paths of all faults that a refusal names.
    pub fn paths(&self) -> Vec<&str> {
        self.body["details"].as_array().into_iter().flatten().filter_map(|d| d["path"].as_str()).collect()
    }

    /// Whether it is a refusal in the form that clients know: a status, a sentence, a word.
    ///
    /// # Panics
    /// If it is not, with the answer.
    pub fn refused(&self, status: u16, code: &str) -> &Self {
        let said = self.body["error"].as_str().unwrap_or_default();
        assert!(self.status == status && self.body["code"] == code && said.len() > 10, "{self:?}");
        self
    }
}

/// Whose key a request carries.
#[derive(Debug, Clone, Copy)]
pub enum Key<'a> {
    /// That of a front end, which acts for anyone.
    App,
    /// That of the first account.
    User,
    /// The operator's.
    Admin,
    /// Any text.
    Text(&'a str),
    /// None.
    None,
}

impl Platform {
    /// A field of the ready line, by JSON pointer.
    pub fn said(&self, pointer: &str) -> &str {
        self.ready.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{pointer} is not told"))
    }

    /// The address of the n-th development account.
    pub fn account(&self, n: usize) -> &str {
        self.said(&format!("/accounts/{n}/address"))
    }

    /// The chain that it runs on.
    pub fn chain(&self) -> Chain {
        Chain::new(self.said("/rpc"), self.said("/contracts/demo_target"))
    }

    /// Its chain's id, as a client writes it.
    pub fn chain_id(&self) -> String {
        self.ready["chain_id"].to_string()
    }

    /// What it has said on stderr so far.
    pub fn words(&self) -> String {
        self.process.words()
    }

    /// Where it takes keepers in.
    ///
    /// # Panics
    /// If it was not started with [`Start::keepers`].
    pub fn gate(&self) -> &str {
        self.start.gate.as_deref().expect("a gate")
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.start.data
    }

    /// How it was started.
    pub fn topology(&self) -> Topology {
        self.start.topology
    }

    /// A request under /api; an error where no answer came.
    ///
    /// # Errors
    /// Those of the connection.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        key: Key<'_>,
        body: Option<String>,
    ) -> reqwest::Result<Reply> {
        let url = format!("{}/api{path}", self.said("/api"));
        // A client per request, because pooled connections do not survive what these tests do to servers.
        let client = reqwest::Client::builder().timeout(ANSWER).no_proxy().build()?;
        let mut request = client.request(method, url);
        let key = match key {
            Key::App => Some(self.said("/keys/app")),
            Key::User => Some(self.said("/keys/user")),
            Key::Admin => Some(self.said("/keys/admin")),
            Key::Text(text) => Some(text),
            Key::None => None,
        };
        if let Some(key) = key {
            request = request.header("X-Api-Key", key);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        let retry_after =
            response.headers().get("retry-after").and_then(|secs| secs.to_str().ok()?.parse().ok());
        let text = response.text().await?;
        Ok(Reply { status, retry_after, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) })
    }

    /// GET with the front end's key.
    ///
    /// # Panics
    /// If the answer is no success.
    pub async fn get(&self, path: &str) -> Value {
        let reply = self.call(Method::GET, path, Key::App, None).await.expect("an answer");
        assert_eq!(reply.status, 200, "GET {path}: {reply:?}");
        reply.body
    }

    /// A file, with the front end's key.
    ///
    /// # Panics
    /// If the answer is no success.
    pub async fn download(&self, path: &str) -> Vec<u8> {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(30)).no_proxy().build();
        let request = client.expect("a client").get(format!("{}/api{path}", self.said("/api")));
        let response = request.header("X-Api-Key", self.said("/keys/app")).send().await.expect("an answer");
        assert!(response.status().is_success(), "GET {path}: {response:?}");
        response.bytes().await.expect("its bytes").to_vec()
    }

    /// What the process of the API counted.
    ///
    /// # Panics
    /// If no answer comes.
    pub async fn metrics(&self) -> String {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(30)).no_proxy().build();
        let request = client.expect("a client").get(format!("{}/metrics", self.said("/api")));
        request.send().await.expect("an answer").text().await.expect("its text")
    }

    /// POST with the front end's key; whatever the answer is.
    ///
    /// # Panics
    /// If no answer comes.
    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.call(Method::POST, path, Key::App, Some(body.to_string())).await.expect("an answer")
    }

    /// PUT with the front end's key.
    ///
    /// # Panics
    /// If the answer is no success.
    pub async fn put(&self, path: &str) -> Value {
        let reply = self.call(Method::PUT, path, Key::App, Some("{}".to_owned())).await.expect("an answer");
        assert_eq!(reply.status, 200, "PUT {path}: {reply:?}");
        reply.body
    }

    /// Publishes a script and gives its address in jobs.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn publish(&self, source: &str) -> String {
        let body = serde_json::json!({ "source": source, "language": "ts" });
        let reply = self.post("/modules", &body).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        format!("ipfs://{}", reply.body["cid"].as_str().expect("a CID"))
    }

    /// Creates a job and gives its id.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn create(&self, job: &Value) -> String {
        let reply = self.post("/jobs", &serde_json::json!([job])).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let id = reply.body["job_ids"][0].as_str();
        id.unwrap_or_else(|| panic!("the job was refused: {}", reply.body)).to_owned()
    }

    /// A job's tasks, oldest first.
    pub async fn tasks(&self, job: &str) -> Vec<Value> {
        let mut tasks = self.get(&format!("/tasks/job/{job}")).await.as_array().cloned().expect("an array");
        tasks.reverse();
        tasks
    }

    /// A WebSocket with the front end's key.
    pub async fn socket(&self) -> Socket {
        Socket::open(self.said("/ws"), self.said("/keys/app")).await
    }

    /// Resident size of its first process, kB.
    pub fn resident_kb(&self) -> u64 {
        self.process.resident_kb()
    }

    /// Kills the whole group with SIGKILL and waits until it is gone.
    pub async fn kill(mut self) {
        self.process.kill().await;
    }

    /// Stops the whole group for a while, as a machine that sleeps does.
    pub async fn pause(&self, pause: Duration) {
        self.process.pause(pause).await;
    }

    /// What its chain saved last; `None`: nothing yet.
    pub fn saved_chain(&self) -> Option<String> {
        std::fs::read_to_string(self.start.data.join("chain/state.json")).ok()
    }

    /// Kills its chain with SIGKILL, and then itself; the chain will come back as `saved`.
    ///
    /// # Panics
    /// If it has no chain of its own.
    pub async fn kill_with_chain(self, saved: &str) {
        let folder = self.start.data.join("chain");
        let chain = process::anvil_of(&folder).expect("its chain runs");
        // Stopped, it cannot end in good order first because its chain is gone.
        self.process.freeze();
        kill_process(chain, Signal::KILL).expect("killed");
        self.kill().await;
        std::fs::write(folder.join("state.json"), saved).expect("the state is written back");
    }

    /// Waits until it dies by itself at the step that was asked for.
    pub async fn dies(mut self, secs: u64) {
        self.process.aborts(secs).await;
    }

    /// Ends it as Ctrl-C would.
    ///
    /// # Panics
    /// If it does not end well.
    pub async fn stop(mut self) {
        let status = self.process.interrupt().await;
        assert!(status.success(), "{status}:\n{}", self.words());
    }
}
