//! `argus task`: tasks over the API.

use clap::Subcommand;
use serde_json::Value;

use super::show;
use crate::client::Server;

/// The task commands.
#[derive(Debug, Subcommand)]
pub enum TaskCommand {
    /// Show a task: what was due, what was agreed, what the chain says
    Show {
        /// The task's number in the API (task_id)
        #[arg(value_name = "TASK_ID")]
        id: u64,
        /// Tell what happened to it, fact by fact, with instants and durations
        #[arg(long)]
        timeline: bool,
        /// Where
        #[command(flatten)]
        server: Server,
    },
}

/// Carries out a task command.
pub async fn run(command: TaskCommand, as_json: bool) -> anyhow::Result<()> {
    let TaskCommand::Show { id, timeline, server } = command;
    if timeline {
        let told = server.get(&format!("/tasks/{id}/timeline")).await?;
        if as_json {
            show::json(&told);
        } else {
            show::line(show::table(&["at", "after", "by", "what"], told_rows(&told)));
        }
        return Ok(());
    }
    let task = server.get(&format!("/tasks/{id}")).await?;
    if as_json {
        show::json(&task);
        return Ok(());
    }
    let fields = task.as_object().into_iter().flatten().filter(|(name, _)| *name != DISAGREEMENTS);
    let rows = fields.map(|(name, _)| vec![name.clone(), show::field(&task, name)]);
    show::line(show::table(&["field", "value"], rows));
    task[DISAGREEMENTS].as_array().into_iter().flatten().for_each(tell);
    Ok(())
}

fn told_rows(timeline: &Value) -> Vec<Vec<String>> {
    let row = |entry: &Value| {
        let after = entry["after_ms"].as_i64().map(|ms| format!("{ms} ms")).unwrap_or_default();
        let by = match entry["keeper"].as_str() {
            Some(keeper) => format!("{}, keeper {keeper}", text(&entry["by"])),
            None => text(&entry["by"]),
        };
        vec![show::field(entry, "at"), after, by, text(&entry["says"])]
    };
    timeline["entries"].as_array().into_iter().flatten().map(row).collect()
}

const DISAGREEMENTS: &str = "disagreements";

/// Why keepers did not agree: both sides, the first call and argument that differ, and what would help.
fn tell(report: &Value) {
    show::line(format!("\nattempt {}: {}", report["attempt"], show::field(report, "finding")));
    let mut rows = Vec::new();
    let mut row = |what: &str, one: &Value, other: &Value| {
        rows.push(vec![what.to_owned(), text(one), text(other)]);
    };
    let (one, other) = (&report["one"], &report["other"]);
    for what in ["keeper", "came_to", "fuel"] {
        row(what, &one[what], &other[what]);
    }
    let (call, argument) = (&report["call"], &report["argument"]);
    for what in ["import", "request", "reply"].into_iter().filter(|_| call.is_object()) {
        row(&format!("call {}: {what}", call["sequence"]), &call["one"][what], &call["other"][what]);
    }
    if argument.is_object() {
        row(&format!("argument {}", text(&argument["path"])), &argument["one"], &argument["other"]);
    }
    show::line(show::table(&["", "one", "other"], rows));
    for setting in report["would_help"].as_array().into_iter().flatten().filter_map(Value::as_object) {
        let words: Vec<_> = setting.iter().map(|(name, value)| format!("{name}: {}", text(value))).collect();
        show::line(format!("would agree with {}", words.join(", ")));
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
