//! `argus dev --processes`: this process supervises the roles. A role that dies is started again, with a wait that
//! grows; all end when this process ends, however it ends.

use std::{path::Path, process::Stdio, time::Duration};

use anyhow::Context;
use tokio::{
    process::{Child, Command},
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{folder::free_port, say};
use crate::environment;

/// First and longest wait before a dead role is started again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// A role that ran this long starts with the first wait again.
const STEADY: Duration = Duration::from_secs(10);

/// What the roles say of their work, by the same variable as this process.
const LOG: &str = "ARGUS_LOG";

/// One process: a name for people and its arguments.
struct Part {
    name: String,
    args: Vec<String>,
    /// Further ones at the first start: a role that a test had die is started again without them.
    once: Vec<String>,
}

/// Runs every role in a process of its own until one cannot be started at all.
pub async fn supervise(settings: &Path, overrides: &[String], keepers: usize) -> anyhow::Result<()> {
    let mut set = JoinSet::new();
    for mut part in parts(settings, keepers)? {
        part.once = overrides.iter().flat_map(|text| ["--set".to_owned(), text.clone()]).collect();
        set.spawn(keep_running(part));
    }
    match set.join_next().await {
        Some(ended) => ended.context("a supervisor ended")?,
        None => Ok(()),
    }
}

fn parts(settings: &Path, keepers: usize) -> anyhow::Result<Vec<Part>> {
    let [scheduler, dispatcher, aggregator] = [free_port(0)?, free_port(0)?, free_port(0)?];
    let settings = settings.display().to_string();
    let peers = |listen: Option<u16>| {
        let mut args = vec!["--config".to_owned(), settings.clone()];
        let url = |name: &str, port: u16| format!("links.{name} = \"http://127.0.0.1:{port}\"");
        let mut set = |text: String| args.extend(["--set".to_owned(), text]);
        set(url("scheduler", scheduler));
        set(url("dispatcher", dispatcher));
        set(url("aggregator", aggregator));
        if let Some(port) = listen {
            set(format!("links.listen = \"127.0.0.1:{port}\""));
        }
        args
    };
    let role = |name: &str, listen: Option<u16>| {
        let mut args = vec!["run".to_owned(), "--roles".to_owned(), name.to_owned()];
        args.extend(peers(listen));
        Part { name: name.to_owned(), args, once: Vec::new() }
    };
    let mut parts = vec![
        role("aggregator", Some(aggregator)),
        role("dispatcher", Some(dispatcher)),
        role("scheduler", Some(scheduler)),
        role("oversight", None),
        role("api", None),
    ];
    for n in 1..=keepers {
        let mut args = vec!["keeper".to_owned()];
        args.extend(peers(None));
        args.extend(["--set".to_owned(), format!("keeper.key_files = [\"keys/keeper-{n}.key\"]")]);
        parts.push(Part { name: format!("keeper {n}"), args, once: Vec::new() });
    }
    Ok(parts)
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
