//! `argus job`: jobs over the API.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::Subcommand;
use serde_json::{Value, json};

use super::{
    dry_run,
    secret::{self, SecretCommand},
    show,
};
use crate::client::{self, Server};

/// The job commands.
#[derive(Debug, Subcommand)]
pub enum JobCommand {
    /// Create the jobs in a file: one CreateJob object, or an array of linked ones
    #[command(after_help = "Example:\n  argus job create job.json\n  argus job create - < job.json\n\n\
        All or nothing: every fault is told, and nothing is stored unless all jobs hold. A job without a job_id \
        gets a fresh one.")]
    Create {
        /// File, or - for stdin
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Where
        #[command(flatten)]
        server: Server,
    },
    /// Show when a job would run, what it would call and cost, and what is wrong with it; nothing is stored
    #[command(after_help = "Example:\n  argus job dry-run job.json\n  argus job dry-run - < job.json\n\n\
        Takes what `argus job create` takes. Exit code 1 if a job would be refused.")]
    DryRun {
        /// File, or - for stdin
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Where
        #[command(flatten)]
        server: Server,
    },
    /// List the jobs of your key, or of an address
    List {
        /// Whose; without it, those of the key's owner
        #[arg(long, value_name = "ADDRESS", value_parser = client::one_name)]
        user: Option<String>,
        /// Where
        #[command(flatten)]
        server: Server,
    },
    /// Show a job with its tasks
    Show {
        /// The job's id
        #[arg(value_name = "JOB_ID", value_parser = client::one_name)]
        id: String,
        /// Where
        #[command(flatten)]
        server: Server,
    },
    /// Say why a job fired, or did not: what it waits for now, and what its trigger came to before
    #[command(
        after_help = "A row stands for all looks at the trigger that came to the same before one task: so often, \
        from the first to the newest, with the newest value."
    )]
    Why {
        /// The job's id
        #[arg(value_name = "JOB_ID", value_parser = client::one_name)]
        id: String,
        /// Most rows that are shown
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: u32,
        /// Where
        #[command(flatten)]
        server: Server,
    },
    /// Show what a job's script remembers
    Storage {
        /// The job's id
        #[arg(value_name = "JOB_ID", value_parser = client::one_name)]
        id: String,
        /// Where
        #[command(flatten)]
        server: Server,
    },
    /// Set, list and remove the secrets of a job
    #[command(subcommand)]
    Secret(SecretCommand),
    /// Delete a job: it opens no further task
    Delete {
        /// The job's id
        #[arg(value_name = "JOB_ID", value_parser = client::one_name)]
        id: String,
        /// Where
        #[command(flatten)]
        server: Server,
    },
}

/// Carries out a job command. The exit code.
pub async fn run(command: JobCommand, as_json: bool) -> anyhow::Result<u8> {
    match command {
        JobCommand::Create { file, server } => create(&file, &server, as_json).await,
        JobCommand::DryRun { file, server } => return dry_run::run(&file, &server, as_json).await,
        JobCommand::List { user, server } => list(user.as_deref(), &server, as_json).await,
        JobCommand::Show { id, server } => show_job(&id, &server, as_json).await,
        JobCommand::Why { id, limit, server } => tell_why(&id, limit, &server, as_json).await,
        JobCommand::Storage { id, server } => show_storage(&id, &server, as_json).await,
        JobCommand::Secret(command) => secret::run(command, as_json).await,
        JobCommand::Delete { id, server } => {
            let reply = server.put(&format!("/jobs/delete/{id}"), &json!({})).await?;
            if as_json {
                show::json(&reply);
            } else {
                show::line(format!("deleted  {id}"));
            }
            Ok(())
        }
    }?;
    Ok(0)
}

/// The jobs of a file, or of stdin; one object stands for an array of it, and a job without an id gets a fresh one.
pub fn read(file: &Path) -> anyhow::Result<Vec<Value>> {
    let text = if file.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        text
    } else {
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?
    };
    let body: Value =
        serde_json::from_str(&text).with_context(|| format!("{} is no JSON", file.display()))?;
    let mut jobs = match body {
        Value::Array(jobs) => jobs,
        one => vec![one],
    };
    for job in &mut jobs {
        if let Some(object) = job.as_object_mut()
            && object.get("job_id").is_none_or(|id| id.as_str() == Some(""))
        {
            object.insert("job_id".to_owned(), Value::String(fresh_job_id()?));
        }
    }
    Ok(jobs)
}

async fn create(file: &Path, server: &Server, as_json: bool) -> anyhow::Result<()> {
    let reply = server.post("/jobs", &Value::Array(read(file)?)).await?;
    if as_json {
        show::json(&reply);
    } else if reply["status"] == "validation_failed" {
        anyhow::bail!(
            "the script was refused: {}\n{}",
            show::field(&reply, "message"),
            show::escaped(reply["validation_log"].as_str().unwrap_or_default())
        );
    } else {
        for id in reply["job_ids"].as_array().into_iter().flatten() {
            show::line(format!("created  {}", id.as_str().unwrap_or_default()));
        }
        for warning in reply["warnings"].as_array().into_iter().flatten() {
            let text = show::escaped(warning.as_str().unwrap_or_default());
            show::progress(format!("warning  {text}"));
        }
    }
    Ok(())
}

/// A random 256-bit number below 2^255: ids from a registry carry a chain id in their top bits and cannot be met.
pub fn fresh_job_id() -> anyhow::Result<String> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).map_err(|e| anyhow::anyhow!("the system gives no randomness: {e}"))?;
    bytes[0] &= 0x7f;
    Ok(argus_domain::U256::from_be_bytes(bytes).to_string())
}

async fn list(user: Option<&str>, server: &Server, as_json: bool) -> anyhow::Result<()> {
    let path = user.map_or_else(|| "/jobs/by-apikey".to_owned(), |u| format!("/jobs/user/{u}"));
    let reply = server.get(&path).await?;
    if as_json {
        show::json(&reply);
        return Ok(());
    }
    let jobs = reply["jobs"].as_array().cloned().unwrap_or_default();
    if jobs.is_empty() {
        show::line("no jobs yet; `argus job create --help` shows how to make one");
        return Ok(());
    }
    let rows = jobs.iter().map(|j| {
        let data = &j["job_data"];
        ["job_id", "job_title", "task_definition_id", "status", "created_at"]
            .iter()
            .map(|f| show::field(data, f))
            .collect()
    });
    show::line(show::table(&["job", "title", "kind", "status", "created"], rows));
    Ok(())
}

async fn show_job(id: &str, server: &Server, as_json: bool) -> anyhow::Result<()> {
    let all = server.get("/jobs/by-apikey").await?;
    let job = all["jobs"].as_array().into_iter().flatten().find(|j| j["job_data"]["job_id"] == id).cloned();
    let tasks = server.get(&format!("/tasks/job/{id}")).await?;
    if as_json {
        show::json(&json!({ "job": job, "tasks": tasks }));
        return Ok(());
    }
    if let Some(job) = job {
        show::line(serde_json::to_string_pretty(&job)?);
    }
    let rows = tasks.as_array().into_iter().flatten().map(|t| {
        let why = if t["is_skipped"] == true { "skip_reason" } else { "error" };
        ["task_id", "task_number", "task_status", "scheduled_at", "execution_tx_hash", why]
            .iter()
            .map(|f| show::field(t, f))
            .collect()
    });
    show::line(show::table(&["task", "n", "status", "due", "transaction", "skipped or failed why"], rows));
    Ok(())
}

async fn tell_why(id: &str, limit: u32, server: &Server, as_json: bool) -> anyhow::Result<()> {
    let reply = server.get(&format!("/jobs/{id}/decisions?limit={limit}")).await?;
    if as_json {
        show::json(&reply);
        return Ok(());
    }
    show::line(show::escaped(&show::field(&reply["now"], "says")));
    let rows = reply["decisions"].as_array().into_iter().flatten().map(|row| {
        ["task_number", "outcome", "count", "first_at", "last_at", "says"]
            .iter()
            .map(|name| show::field(row, name))
            .collect()
    });
    show::line(show::table(&["task", "outcome", "times", "from", "to", "why"], rows));
    Ok(())
}

async fn show_storage(id: &str, server: &Server, as_json: bool) -> anyhow::Result<()> {
    let reply = server.get(&format!("/jobs/{id}/storage")).await?;
    if as_json {
        show::json(&reply);
        return Ok(());
    }
    let rows = reply["entries"].as_array().into_iter().flatten().map(|entry| {
        let value = if entry["text"].is_null() { "value" } else { "text" };
        vec![show::field(entry, "key"), show::field(entry, value)]
    });
    show::line(show::table(&["key", "value"], rows));
    show::line(format!("version {}, root {}", show::field(&reply, "version"), show::field(&reply, "root")));
    Ok(())
}
