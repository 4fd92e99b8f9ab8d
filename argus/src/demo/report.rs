//! The table at the end.

use argus_domain::{U256, time::Timestamp};
use serde_json::Value;

use crate::cli::show;

/// One task.
pub struct Row {
    name: String,
    trigger: String,
    /// Its number in the API.
    pub task: String,
    /// What the script computed.
    pub computed: String,
    keepers: String,
    transaction: String,
    on_chain: String,
    lateness: String,
}

impl Row {
    /// Reads a task of the API.
    pub fn read(name: &str, trigger: &str, task: &Value, on_chain: U256) -> Self {
        let instant = |field: &str| task[field].as_str().and_then(Timestamp::parse_rfc3339);
        // Block times are whole seconds; what left earlier than the block says is not late.
        let lateness = match (
            instant("scheduled_at"),
            instant("broadcast_at").or_else(|| instant("execution_timestamp")),
        ) {
            (Some(due), Some(left)) => format!("{} ms", left.since(due).as_millis()),
            _ => "-".to_owned(),
        };
        let keepers: Vec<_> = task["task_attesters"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(|k| k.chars().take(6).collect::<String>())
            .collect();
        Self {
            name: name.to_owned(),
            trigger: trigger.to_owned(),
            task: show::field(task, "task_id"),
            computed: task["converted_arguments"][1].as_str().unwrap_or("-").to_owned(),
            keepers: keepers.join(" "),
            transaction: show::field(task, "execution_tx_hash"),
            on_chain: on_chain.to_string(),
            lateness,
        }
    }
}

/// All of them.
pub fn table(rows: &[Row]) -> String {
    let head = [
        "job",
        "trigger",
        "value computed",
        "keepers that agreed",
        "transaction",
        "on the chain",
        "lateness",
    ];
    show::table(
        &head,
        rows.iter().map(|r| {
            vec![
                r.name.clone(),
                r.trigger.clone(),
                r.computed.clone(),
                r.keepers.clone(),
                r.transaction.clone(),
                r.on_chain.clone(),
                r.lateness.clone(),
            ]
        }),
    )
}
