//! `argus dev --processes`: this process supervises the roles. A role that dies is started again, with a wait that
//! grows; all end when this process ends, however it ends.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::Stdio,
    time::Duration,
};

use anyhow::Context;
use serde_json::json;
use tokio::{
    process::{Child, Command},
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{folder::free_port, say};
use crate::{
    backends,
    config::{Config, Key},
    environment,
};

/// First and longest wait before a dead role is started again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// A role that ran this long starts with the first wait again.
const STEADY: Duration = Duration::from_secs(10);

/// The file that names where each process shows its metrics.
const TARGETS: &str = "metrics-targets.json";

/// What the roles say of their work, by the same variable as this process.
const LOG: &str = "ARGUS_LOG";

/// One process: a name for people and its arguments.
struct Part {
    name: String,
    args: Vec<String>,
    /// Further ones at the first start: a role that a test had die is started again without them.
    once: Vec<String>,
}

/// Runs every role in a process of its own until one cannot be started at all. `overrides` change the settings at
/// every start of a role, `once` at its first one.
pub async fn supervise(
    config: &Config,
    settings: &Path,
    overrides: &[String],
    once: &[String],
) -> anyhow::Result<()> {
    let mut set = JoinSet::new();
    let has_toolchain = backends::toolchain(config.builder.go.as_deref()).await.is_ok();
    let mut parts = parts(config, settings, overrides, has_toolchain)?;
    show_metrics(config, settings, &mut parts)?;
    for mut part in parts {
        part.once = once.iter().flat_map(|text| ["--set".to_owned(), text.clone()]).collect();
        set.spawn(keep_running(part));
    }
    match set.join_next().await {
        Some(ended) => ended.context("a supervisor ended")?,
        None => Ok(()),
    }
}

fn parts(
    config: &Config,
    settings: &Path,
    overrides: &[String],
    has_toolchain: bool,
) -> anyhow::Result<Vec<Part>> {
    let here = || free_port(0).map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let [scheduler, dispatcher] = [here()?, here()?];
    // Where keepers from elsewhere are to come, they come to the aggregator.
    let aggregator = config.links.listen.map_or_else(here, Ok)?;
    let settings = settings.display().to_string();
    // Where there are certificates the roles show theirs to each other, too.
    let scheme = if config.links.tls.is_some() { "https" } else { "http" };
    let peers = |listen: Option<SocketAddr>| {
        let mut args = vec!["--config".to_owned(), settings.clone()];
        let url =
            |name: &str, at: SocketAddr| format!("links.{name} = \"{scheme}://127.0.0.1:{}\"", at.port());
        let mut set = |text: String| args.extend(["--set".to_owned(), text]);
        overrides.iter().for_each(|text| set(text.clone()));
        set(url("scheduler", scheduler));
        set(url("dispatcher", dispatcher));
        // Others of these may lead as well.
        let mut aggregators = vec![format!("{scheme}://127.0.0.1:{}", aggregator.port())];
        aggregators.extend_from_slice(&config.links.aggregator);
        set(format!("links.aggregator = {aggregators:?}"));
        let listen = listen.map(|address| address.to_string()).unwrap_or_default();
        set(format!("links.listen = {listen:?}"));
        args
    };
    let role = |name: &str, listen: Option<SocketAddr>| {
        let mut args = vec!["run".to_owned(), "--roles".to_owned(), name.to_owned()];
        args.extend(peers(listen));
        Part { name: name.to_owned(), args, once: Vec::new() }
    };
    let mut parts = vec![
        role("aggregator", Some(aggregator)),
        role("dispatcher", Some(dispatcher)),
        role("scheduler", Some(scheduler)),
        role("oversight", None),
        role(if has_toolchain { "api,builder" } else { "api" }, None),
    ];
    for key in &config.keeper.keys {
        let (files, addresses, name) = match key {
            Key::File(path) => {
                let name = path.file_stem().unwrap_or_default().to_string_lossy().replace('-', " ");
                (format!("[{path:?}]"), "[]".to_owned(), name)
            }
            Key::Remote(address) => {
                ("[]".to_owned(), format!("[\"{address}\"]"), format!("keeper {address}"))
            }
        };
        let mut args = vec!["keeper".to_owned()];
        args.extend(peers(None));
        args.extend(["--set".to_owned(), format!("keeper.key_files = {files}")]);
        args.extend(["--set".to_owned(), format!("keeper.signer_addresses = {addresses}")]);
        parts.push(Part { name, args, once: Vec::new() });
    }
    Ok(parts)
}

/// Where metrics are to be shown, each process shows its own at a port of its own; a file beside the settings names
/// them all, as Prometheus reads its targets from files.
fn show_metrics(config: &Config, settings: &Path, parts: &mut [Part]) -> anyhow::Result<()> {
    let Some(address) = config.metrics_listen else { return Ok(()) };
    let mut targets = Vec::new();
    for part in parts {
        let here = SocketAddr::new(address.ip(), free_port(0)?);
        part.args.extend(["--set".to_owned(), format!("metrics.listen = \"{here}\"")]);
        targets.push(json!({ "targets": [here], "labels": { "process": part.name } }));
    }
    let file = settings.with_file_name(TARGETS);
    std::fs::write(&file, format!("{:#}\n", json!(targets)))
        .with_context(|| format!("cannot write {}", file.display()))
}

async fn keep_running(mut part: Part) -> anyhow::Result<()> {
    let mut wait = BACKOFF.0;
    loop {
        let began = Instant::now();
        let mut child = start(&part)?;
        part.once.clear();
        let status = child.wait().await?;
        if began.elapsed() > STEADY {
            wait = BACKOFF.0;
        }
        say(
            "restart",
            &format!("{} ended ({status}); starting it again in {} ms", part.name, wait.as_millis()),
        );
        sleep(wait).await;
        wait = (wait * 2).min(BACKOFF.1);
    }
}

fn start(part: &Part) -> anyhow::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(&part.args)
        .args(&part.once)
        .env(crate::roles::PARENT, std::process::id().to_string())
        .env(LOG, environment::variable(LOG).unwrap_or_else(|| "warn".into()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        // Ctrl-C reaches the children through this process.
        .process_group(0);
    command.spawn().with_context(|| format!("cannot start {}", part.name))
}
