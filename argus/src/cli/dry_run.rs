//! `argus job dry-run`: a job, tried.

use std::path::Path;

use serde_json::Value;

use super::{job, show};
use crate::client::Server;

/// Exit code where a job would be refused.
const REFUSED: u8 = 1;

/// Tries the jobs of a file and says what would become of them.
pub async fn run(file: &Path, server: &Server, as_json: bool) -> anyhow::Result<u8> {
    let mut jobs = job::read(file)?;
    let body = if jobs.len() == 1 { jobs.remove(0) } else { Value::Array(jobs.clone()) };
    let reply = server.post("/jobs/dry-run", &body).await?;
    let answers = reply.as_array().map_or(std::slice::from_ref(&reply), Vec::as_slice);
    if as_json {
        show::json(&reply);
    } else {
        let tried = body.as_array().map_or(std::slice::from_ref(&body), Vec::as_slice);
        tried.iter().zip(answers).for_each(|(job, answer)| tell(job, answer));
    }
    Ok(if answers.iter().all(|answer| answer["ok"] == true) { 0 } else { REFUSED })
}

fn tell(job: &Value, answer: &Value) {
    let verdict = if answer["ok"] == true { "would be accepted" } else { "would be refused" };
    show::line(format!("{}  {verdict}", show::escaped(&show::field(job, "job_title"))));
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut row = |what: &str, text: String| rows.push(vec![what.to_owned(), text]);
    let runs: Vec<&str> =
        answer["next_runs"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (n, run) in runs.iter().enumerate() {
        row(if n == 0 { "runs" } else { "" }, (*run).to_owned());
    }
    if runs.is_empty() && answer["ok"] == true {
        row("runs", "when what it waits for happens".to_owned());
    }
    if !answer["skip_reason"].is_null() {
        row("calls", format!("nothing now: {}", show::field(answer, "skip_reason")));
    }
    if !answer["target"].is_null() {
        row("calls", show::field(answer, "target"));
        row("function", show::field(job, "target_function"));
        row("arguments", show::field(answer, "arguments"));
        row("calldata", show::field(answer, "calldata"));
        row("reverts", reverts(answer));
    }
    if let Some(wei) = answer["cost_wei"].as_str() {
        row("gas", show::field(answer, "gas"));
        row("one run costs", format!("{} ETH ({wei} wei)", ether(wei)));
    }
    if !rows.is_empty() {
        show::line(show::table(&["", "now"], rows));
    }
    let log = answer["log"].as_str().unwrap_or_default();
    if !log.is_empty() {
        show::line(format!("the script's log:\n{}", show::escaped(log)));
    }
    for warning in answer["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        show::line(format!("warning  {}", show::escaped(warning)));
    }
    let faults: Vec<_> = answer["faults"].as_array().into_iter().flatten().map(fault).collect();
    if !faults.is_empty() {
        show::line(show::table(&["field", "line", "what is wrong"], faults));
    }
}

fn fault(fault: &Value) -> Vec<String> {
    ["path", "line", "message"].iter().map(|name| show::field(fault, name)).collect()
}

fn reverts(answer: &Value) -> String {
    let reason = show::field(answer, "revert_reason");
    match answer["would_revert"].as_bool() {
        Some(false) => "no".to_owned(),
        Some(true) => format!("yes, were it made now: {reason}"),
        None => format!("not known: {reason}"),
    }
}

/// Decimal wei as ether, exact.
fn ether(wei: &str) -> String {
    let padded = format!("{wei:0>19}");
    let (whole, fraction) = padded.split_at(padded.len() - 18);
    format!("{whole}.{fraction}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wei_are_shown_as_ether_with_all_their_digits() {
        for (wei, shown) in [
            ("0", "0"),
            ("1", "0.000000000000000001"),
            ("232000000230000", "0.00023200000023"),
            ("1000000000000000000", "1"),
            ("12500000000000000000", "12.5"),
        ] {
            assert_eq!(ether(wei), shown);
        }
    }
}
