//! `argus dev` as a child process, and its API as any client uses it.

use std::{net::SocketAddr, path::Path, process::Stdio, time::Duration};

use anyhow::{Context, bail};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

use crate::client::Server;

/// Longest start: the first one compiles the JavaScript engine.
const START: Duration = Duration::from_secs(60);

/// A platform that runs.
pub struct Platform {
    child: Child,
    /// What it said when it was ready.
    pub ready: Value,
    app: Server,
}

impl Platform {
    /// Starts `argus dev` and waits for its ready line. Its words for people go on to our own stderr.
    pub async fn start(data: &Path, source: SocketAddr, processes: bool) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["dev", "--json", "--port", "0", "--block-time", "0"])
            .args(["--allow-host", &source.to_string(), "--data"])
            .arg(data);
        if processes {
            command.arg("--processes");
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start `argus dev`")?;
        let stdout = child.stdout.take().context("no stdout")?;
        let mut lines = BufReader::new(stdout).lines();
        let Ok(first) = timeout(START, lines.next_line()).await else {
            bail!("`argus dev` was not ready within 60 s")
        };
        let Some(first) = first? else {
            bail!("`argus dev` ended before it was ready; its reason stands above")
        };
        let ready: Value = serde_json::from_str(&first).context("the ready line is no JSON")?;
        let api = ready["api"].as_str().context("the ready line names no api")?.to_owned();
        let key = ready["keys"]["app"].as_str().context("the ready line names no key")?.to_owned();
        Ok(Self { child, app: Server { api, key: Some(key) }, ready })
    }

    /// Origin of the API.
    pub fn api(&self) -> &str {
        &self.app.api
    }

    /// The key of a front end.
    pub fn key(&self) -> &str {
        self.app.key.as_deref().unwrap_or_default()
    }

    /// The first development account: the demo's user.
    pub fn user(&self) -> &str {
        self.ready["accounts"][0]["address"].as_str().unwrap_or_default()
    }

    /// GET under /api.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.app.get(path).await
    }

    /// POST under /api.
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.app.post(path, body).await
    }

    /// A job id that is not taken.
    pub fn fresh_job_id(&self) -> anyhow::Result<String> {
        crate::cli::job::fresh_job_id()
    }

    /// Ends it as Ctrl-C would, and waits.
    pub async fn stop(mut self) {
        if let Some(pid) = self.child.id().and_then(|pid| i32::try_from(pid).ok())
            && let Some(pid) = rustix::process::Pid::from_raw(pid)
        {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
        }
        if timeout(Duration::from_secs(10), self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }
}
