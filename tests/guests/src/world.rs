//! The recorded world around a case, and a host that knows no other.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use argus_domain::{
    Address, B256, Bytes, U256,
    chain::{Block, Log, LogQuery, TxReceipt},
    ids::ChainId,
};
use argus_host::{Host, HostConfig};
use argus_ports::{
    ChainError, ChainReader, Egress, EgressError, EgressRequest, EgressResponse, Reach, chain::At,
};
use async_trait::async_trait;
use serde_json::Value;

use crate::case::{Case, Chain, Exchange};

/// What was recorded, given back; what was not is kept for the report.
pub struct Recorded {
    /// Each with whether it was given already.
    http: Mutex<Vec<(Exchange, bool)>>,
    unknown: Mutex<Vec<String>>,
}

impl Recorded {
    /// Requests that no recorded answer fits.
    pub fn unknown(&self) -> Vec<String> {
        self.unknown.lock().expect("lock").clone()
    }

    fn take(&self, request: &EgressRequest) -> Option<Exchange> {
        let mut http = self.http.lock().expect("lock");
        let fitting: Vec<usize> = (0..http.len()).filter(|at| fits(&http[*at].0, request)).collect();
        let at = fitting.iter().copied().find(|at| !http[*at].1).or_else(|| fitting.last().copied())?;
        http[at].1 = true;
        Some(http[at].0.clone())
    }
}

fn fits(exchange: &Exchange, request: &EgressRequest) -> bool {
    let sent = request.body.as_deref().unwrap_or_default();
    let is_meant = match &exchange.sent {
        None => true,
        Some(Value::String(text)) => text.as_bytes() == sent,
        Some(json) => serde_json::from_slice::<Value>(sent).is_ok_and(|sent| sent == *json),
    };
    let method = format!("{:?}", request.method);
    exchange.url == request.url && exchange.method.eq_ignore_ascii_case(&method) && is_meant
}

#[async_trait]
impl Egress for Recorded {
    async fn fetch(&self, request: EgressRequest) -> Result<EgressResponse, EgressError> {
        let Some(exchange) = self.take(&request) else {
            let sent = String::from_utf8_lossy(request.body.as_deref().unwrap_or_default()).into_owned();
            let said = format!("{:?} {} {sent}", request.method, request.url);
            self.unknown.lock().expect("lock").push(said.clone());
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

    async fn logs(&self, _: LogQuery) -> Result<Vec<Log>, ChainError> {
        Ok(Vec::new())
    }

    async fn receipt(&self, _: B256) -> Result<Option<TxReceipt>, ChainError> {
        Ok(None)
    }

    async fn code(&self, _: Address) -> Result<Bytes, ChainError> {
        Ok(Bytes::new())
    }
}

/// Compiled modules of all tests of this crate, so that each is compiled once.
fn cache_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/guests-compiled")
}

/// A host in this case's world.
///
/// # Panics
/// Where the host cannot be made.
pub fn host(case: &Case) -> (Host, Arc<Recorded>) {
    host_with(HostConfig { slots: 2, cache_dir: Some(cache_dir()), ..HostConfig::default() }, case)
}

/// The same with other settings.
pub(crate) fn host_with(config: HostConfig, case: &Case) -> (Host, Arc<Recorded>) {
    let world = Arc::new(Recorded {
        http: Mutex::new(case.http.iter().map(|exchange| (exchange.clone(), false)).collect()),
        unknown: Mutex::default(),
    });
    let chains: BTreeMap<ChainId, Arc<dyn ChainReader>> = case
        .chains
        .iter()
        .map(|chain| (chain.id, Arc::new(RecordedChain(chain.clone())) as Arc<dyn ChainReader>))
        .collect();
    (Host::new(config, world.clone(), chains).expect("a host"), world)
}
