//! The outer world as it was written down: what tests of scripts run against, in place of a network.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use argus_domain::{
    Address, B256, Bytes, U256,
    chain::{Block, Log, LogQuery, TxReceipt},
    ids::ChainId,
    time::Timestamp,
};
use argus_ports::{
    ChainError, ChainReader, Egress, EgressError, EgressRequest, EgressResponse, Method, Reach, chain::At,
};
use async_trait::async_trait;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::lock;

/// A recorded answer. Of those that fit a request, the first that was not given yet is given; the last of them
/// again and again.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// GET where it is left out.
    #[serde(default = "get")]
    pub method: String,
    /// The URL, in any spelling that URL parsers take for the same.
    pub url: String,
    /// The request's body, where only that one is meant: text as it is, anything else compared as JSON.
    #[serde(default)]
    pub sent: Option<Value>,
    /// 200 where it is left out.
    #[serde(default = "ok")]
    pub status: u16,
    /// Headers of the answer.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// Body of the answer: text as it is, anything else as JSON.
    #[serde(default)]
    pub body: Value,
    /// Instead of an answer: `timeout`, or a transport error's text.
    #[serde(default)]
    pub fails: Option<String>,
}

fn get() -> String {
    "GET".to_owned()
}

fn ok() -> u16 {
    200
}

/// A chain's recorded answers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chain {
    /// Its id.
    pub id: ChainId,
    /// Answers to `eth_call`.
    #[serde(default)]
    pub calls: Vec<Call>,
    /// Balances in wei, decimal.
    #[serde(default)]
    pub balances: Vec<(Address, U256)>,
    /// Logs, in the order of the chain.
    #[serde(default)]
    pub logs: Vec<Emitted>,
}

/// A log, with the members that scripts see of one.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Emitted {
    /// The contract.
    pub address: Address,
    /// Its topics.
    #[serde(default)]
    pub topics: Vec<B256>,
    /// Its data.
    #[serde(default)]
    pub data: Bytes,
    /// Height of its block.
    pub block_number: u64,
    /// Hash of its block.
    #[serde(default)]
    pub block_hash: B256,
    /// Its transaction.
    #[serde(default)]
    pub transaction_hash: B256,
    /// Index within its block.
    #[serde(default)]
    pub log_index: u32,
}

/// One answer to `eth_call`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// Called contract.
    pub to: Address,
    /// Calldata.
    pub data: Bytes,
    /// What it returns.
    #[serde(default)]
    pub returns: Bytes,
    /// Or the data that it reverts with.
    #[serde(default)]
    pub reverts: Option<Bytes>,
}

/// What was recorded, given back; what was not is kept for the report.
pub struct Recorded {
    /// Each with whether it was given already.
    http: Mutex<Vec<(Exchange, bool)>>,
    unknown: Mutex<Vec<String>>,
}

impl Recorded {
    /// A world of these answers.
    pub fn new(mut http: Vec<Exchange>) -> Self {
        for exchange in &mut http {
            exchange.url = spelled(&exchange.url);
            for (name, _) in &mut exchange.headers {
                name.make_ascii_lowercase();
            }
        }
        Self {
            http: Mutex::new(http.into_iter().map(|exchange| (exchange, false)).collect()),
            unknown: Mutex::default(),
        }
    }

    /// Gives the answers from the first one on, as if none had been given.
    pub fn rewind(&self) {
        for (_, is_given) in lock(&self.http).iter_mut() {
            *is_given = false;
        }
    }

    /// Requests that no recorded answer fits.
    pub fn unknown(&self) -> Vec<String> {
        lock(&self.unknown).clone()
    }

    fn take(&self, request: &EgressRequest) -> Option<Exchange> {
        let url = spelled(&request.url);
        let mut http = lock(&self.http);
        let fits = |at: &usize| http[*at].0.url == url && fits(&http[*at].0, request);
        let fitting: Vec<usize> = (0..http.len()).filter(fits).collect();
        let at = fitting.iter().copied().find(|at| !http[*at].1).or_else(|| fitting.last().copied())?;
        http[at].1 = true;
        Some(http[at].0.clone())
    }
}

/// A URL as the parser writes it, without what is never sent of it; what is none stays as it is.
fn spelled(url: &str) -> String {
    let Ok(mut parsed) = Url::parse(url) else { return url.to_owned() };
    parsed.set_fragment(None);
    parsed.into()
}

/// Whether method and body are those that are meant.
fn fits(exchange: &Exchange, request: &EgressRequest) -> bool {
    let sent = request.body.as_deref().unwrap_or_default();
    let is_meant = match &exchange.sent {
        None => true,
        Some(Value::String(text)) => text.as_bytes() == sent,
        Some(json) => serde_json::from_slice::<Value>(sent).is_ok_and(|sent| sent == *json),
    };
    exchange.method.eq_ignore_ascii_case(named(request.method)) && is_meant
}

fn named(method: Method) -> &'static str {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Patch => "PATCH",
        Method::Delete => "DELETE",
    }
}

#[async_trait]
impl Egress for Recorded {
    async fn fetch(&self, request: EgressRequest) -> Result<EgressResponse, EgressError> {
        let Some(exchange) = self.take(&request) else {
            let sent = String::from_utf8_lossy(request.body.as_deref().unwrap_or_default()).into_owned();
            let said = format!("{} {} {sent}", named(request.method), request.url);
            lock(&self.unknown).push(said.clone());
            return Err(EgressError::Transport(format!("not recorded: {said}")));
        };
        match exchange.fails.as_deref() {
            Some("timeout") => return Err(EgressError::Timeout(request.timeout)),
            Some(reason) => return Err(EgressError::Transport(reason.to_owned())),
            None => {}
        }
        let body = match &exchange.body {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            json => json.to_string(),
        };
        if body.len() as u64 > request.max_body {
            return Err(EgressError::TooLarge(request.max_body));
        }
        Ok(EgressResponse { status: exchange.status, headers: exchange.headers, body: body.into() })
    }

    fn check(&self, _: &str, _: &Reach) -> Result<(), EgressError> {
        Ok(())
    }
}

/// A chain that knows what was recorded of it.
struct RecordedChain(Chain);

impl RecordedChain {
    fn unknown(&self, what: &str) -> ChainError {
        ChainError::Unreachable { chain: self.0.id, reason: format!("not recorded: {what}") }
    }
}

#[async_trait]
impl ChainReader for RecordedChain {
    fn chain(&self) -> ChainId {
        self.0.id
    }

    async fn block(&self, _: At) -> Result<Option<Block>, ChainError> {
        Ok(None)
    }

    async fn call(&self, _: Option<Address>, to: Address, data: Bytes, _: At) -> Result<Bytes, ChainError> {
        let found = self.0.calls.iter().find(|call| call.to == to && call.data == data);
        let call = found.ok_or_else(|| self.unknown(&format!("call of {to} with {data:?}")))?;
        match &call.reverts {
            Some(data) => {
                Err(ChainError::Reverted { reason: "execution reverted".to_owned(), data: data.clone() })
            }
            None => Ok(call.returns.clone()),
        }
    }

    async fn balance(&self, account: Address, _: At) -> Result<U256, ChainError> {
        let found = self.0.balances.iter().find(|(of, _)| *of == account);
        found.map(|(_, wei)| *wei).ok_or_else(|| self.unknown(&format!("balance of {account}")))
    }

    async fn logs(&self, query: LogQuery) -> Result<Vec<Log>, ChainError> {
        let is_asked = |log: &&Emitted| {
            (query.from..=query.to).contains(&log.block_number)
                && (query.addresses.is_empty() || query.addresses.contains(&log.address))
                && (query.topic0.is_empty()
                    || log.topics.first().is_some_and(|topic| query.topic0.contains(topic)))
        };
        let log = |log: &Emitted| Log {
            chain: self.0.id,
            address: log.address,
            topics: log.topics.clone(),
            data: log.data.clone(),
            block_number: log.block_number,
            block_hash: log.block_hash,
            block_time: Timestamp(0),
            transaction: log.transaction_hash,
            index_in_block: log.log_index,
            index_in_transaction: 0,
        };
        Ok(self.0.logs.iter().filter(is_asked).map(log).collect())
    }

    async fn receipt(&self, _: B256) -> Result<Option<TxReceipt>, ChainError> {
        Ok(None)
    }

    async fn code(&self, _: Address) -> Result<Bytes, ChainError> {
        Ok(Bytes::new())
    }
}

/// A reader for each chain.
pub fn readers(chains: Vec<Chain>) -> BTreeMap<ChainId, Arc<dyn ChainReader>> {
    chains
        .into_iter()
        .map(|chain| (chain.id, Arc::new(RecordedChain(chain)) as Arc<dyn ChainReader>))
        .collect()
}
