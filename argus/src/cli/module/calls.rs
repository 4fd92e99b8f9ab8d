//! What each host call of a run cost: time, fuel, and which limits it counted against.

use argus_domain::{
    limits::Limits,
    run::{HostCall, RunReport},
};
use serde_json::{Value, json};

/// One call as people and programs see it.
#[derive(Debug)]
pub struct Cost<'a> {
    call: &'a HostCall,
    /// Fuel that the script used since the call before, or since it began.
    fuel_since: u64,
    /// Whether it was answered, and not refused.
    ok: bool,
    /// HTTP calls: the request and each redirect.
    http: u64,
    /// EVM reads.
    evm: u64,
}

/// Head of the table whose rows are [`Cost::row`].
pub const HEAD: [&str; 7] = ["call", "what", "request", "answer", "took", "fuel since", "counts as"];
const REQUEST_SHOWN: usize = 60;

/// Every call of a run with its cost, in order.
pub fn costs(report: &RunReport) -> Vec<Cost<'_>> {
    let mut before = 0;
    let calls = report.transcript.calls.iter();
    calls
        .map(|call| {
            let reply: Value = serde_json::from_str(&call.reply).unwrap_or_default();
            let is_http = call.import.starts_with("http_");
            let hops = reply["hops"].as_u64().unwrap_or_default();
            let fuel_since = call.fuel.saturating_sub(std::mem::replace(&mut before, call.fuel));
            Cost {
                call,
                fuel_since,
                ok: reply.get("err").is_none(),
                http: if is_http { 1 + hops } else { 0 },
                evm: u64::from(call.import.starts_with("evm_")),
            }
        })
        .collect()
}

impl Cost<'_> {
    /// Calls that it counts as: an HTTP call counts each of its redirects.
    fn host(&self) -> u64 {
        self.http.max(1)
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let c = self.call;
        json!({
            "sequence": c.sequence, "import": c.import, "request": c.request, "ok": self.ok,
            "elapsed_ms": c.elapsed_ms, "fuel": c.fuel, "fuel_since": self.fuel_since,
            "reply_bytes": c.reply.len(),
            "counts": { "host_calls": self.host(), "http_calls": self.http, "evm_calls": self.evm },
        })
    }

    /// For people.
    pub fn row(&self) -> Vec<String> {
        let c = self.call;
        let counts = match (self.http, self.evm) {
            (0, 0) => "host 1".to_owned(),
            (0, _) => "host 1, EVM 1".to_owned(),
            (http, _) => format!("host {http}, HTTP {http}"),
        };
        vec![
            c.sequence.to_string(),
            c.import.clone(),
            cut(&c.request, REQUEST_SHOWN),
            format!("{}{} bytes", if self.ok { "" } else { "error, " }, c.reply.len()),
            format!("{} ms", c.elapsed_ms),
            self.fuel_since.to_string(),
            counts,
        ]
    }
}

/// What the run used of each limit. A call that a limit stopped has no answer and is in none of the sums but the
/// sandbox's own.
pub fn used(report: &RunReport, costs: &[Cost<'_>], limits: &Limits) -> Vec<Vec<String>> {
    let http: u64 = costs.iter().map(|cost| cost.http).sum();
    let evm: u64 = costs.iter().map(|cost| cost.evm).sum();
    let row = |what: &str, used: String, most: String| vec![what.to_owned(), used, most];
    let last = report.transcript.calls.last().map_or(0, |call| call.fuel);
    let after = format!("{} ({} since the last call)", report.fuel, report.fuel.saturating_sub(last));
    vec![
        row(
            "fuel",
            if costs.is_empty() { report.fuel.to_string() } else { after },
            limits.fuel_max.to_string(),
        ),
        row(
            "memory",
            format!("{} KB", report.memory_bytes / 1024),
            format!("{} KB", limits.memory_bytes / 1024),
        ),
        row("host calls", report.host_calls.to_string(), limits.host_calls.to_string()),
        row("HTTP calls", http.to_string(), limits.http_calls.to_string()),
        row("EVM calls", evm.to_string(), limits.evm_calls.to_string()),
    ]
}

fn cut(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        text.to_owned()
    } else {
        text.chars().take(max - 1).chain(['…']).collect()
    }
}

#[cfg(test)]
mod tests {
    use argus_domain::{
        B256,
        module::{EngineId, WasmHash},
        run::{RunEnd, Transcript},
    };

    use super::*;

    fn call(sequence: u32, import: &str, reply: &str, fuel: u64) -> HostCall {
        HostCall {
            sequence,
            import: import.to_owned(),
            request_hash: B256::ZERO,
            request: "{}".to_owned(),
            reply: reply.to_owned(),
            fuel,
            elapsed_ms: 5,
        }
    }

    #[test]
    fn a_call_costs_the_fuel_before_it_and_counts_with_its_redirects() {
        let calls = vec![
            call(0, "http_fetch", r#"{"ok":{"status":200},"hops":2}"#, 100),
            call(1, "evm_call", r#"{"err":{"kind":"denied","message":"no"}}"#, 250),
            call(2, "storage_get", r#"{"ok":null}"#, 250),
        ];
        let report = RunReport {
            wasm_hash: WasmHash(B256::ZERO),
            engine: EngineId(B256::ZERO),
            end: RunEnd::Skipped(String::new()),
            log: String::new(),
            fuel: 300,
            memory_bytes: 0,
            host_calls: 5,
            transcript: Transcript { calls },
            state: None,
        };
        let costs = costs(&report);
        let seen: Vec<_> = costs.iter().map(|c| (c.fuel_since, c.ok, c.host(), c.http, c.evm)).collect();
        assert_eq!(seen, [(100, true, 3, 3, 0), (150, false, 1, 0, 1), (0, true, 1, 0, 0)]);
        let sum: u64 = costs.iter().map(Cost::host).sum();
        assert_eq!(sum, u64::from(report.host_calls));
        assert!(used(&report, &costs, &Limits::DEFAULT)[0][1].starts_with("300 (50 since"));
    }
}
