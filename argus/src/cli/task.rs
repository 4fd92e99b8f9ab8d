//! `argus task`: tasks over the API.

use clap::Subcommand;

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
        /// Where
        #[command(flatten)]
        server: Server,
    },
}

/// Carries out a task command.
pub async fn run(command: TaskCommand, as_json: bool) -> anyhow::Result<()> {
    let TaskCommand::Show { id, server } = command;
    let task = server.get(&format!("/tasks/{id}")).await?;
    if as_json {
        show::json(&task);
        return Ok(());
    }
    let rows =
        task.as_object().into_iter().flatten().map(|(name, _)| vec![name.clone(), show::field(&task, name)]);
    show::line(show::table(&["field", "value"], rows));
    Ok(())
}
