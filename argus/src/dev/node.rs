//! The development chain's node, asked in JSON-RPC what no port of ours asks a chain.

use std::time::Duration;

use anyhow::{Context, bail};
use argus_domain::ids::ChainId;
use serde_json::{Value, json};

const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// A node, by its URL.
#[derive(Clone)]
pub struct Node {
    url: String,
    client: reqwest::Client,
}

impl Node {
    /// Asks nothing yet.
    pub fn new(url: &str) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().timeout(ANSWER_WITHIN).no_proxy().build()?;
        Ok(Self { url: url.to_owned(), client })
    }

    /// The result of one request.
    pub async fn ask(&self, method: &str, params: Value) -> anyhow::Result<Value> {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let request = self.client.post(&self.url).header("content-type", "application/json").body(request);
        let answer = request.send().await?.text().await?;
        let mut answer: Value = serde_json::from_str(&answer).context("it does not speak JSON-RPC")?;
        if let Some(error) = answer.get("error") {
            bail!("it refuses {method}: {error}");
        }
        Ok(answer["result"].take())
    }

    /// Which chain it is on.
    pub async fn chain_id(&self) -> anyhow::Result<ChainId> {
        let answer = self.ask("eth_chainId", json!([])).await?;
        Ok(ChainId(number(&answer).context("it gives no chain id")?))
    }

    /// Transactions that the next block would take.
    pub async fn pending(&self) -> anyhow::Result<u64> {
        let answer = self.ask("txpool_status", json!([])).await?;
        number(&answer["pending"]).context("it does not count its pending transactions")
    }
}

fn number(value: &Value) -> Option<u64> {
    u64::from_str_radix(value.as_str()?.trim_start_matches("0x"), 16).ok()
}
