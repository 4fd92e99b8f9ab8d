//! Several nodes of one chain behind one door: time limits, failover, and the chain id checked before a node is
//! believed.

use std::{
    sync::{
        RwLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use alloy::{
    primitives::{B256, U64},
    rpc::client::{ClientBuilder, RpcClient},
    transports::{
        http::reqwest::{self, Url},
        ws::WsConnect,
    },
};
use argus_domain::ids::ChainId;
use argus_ports::{ChainError, count::Counter};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::fault::{Fault, fault_of};

/// A chain and where it is reached.
#[derive(Debug, Clone)]
pub struct ChainConfig {
    /// Its EIP-155 id; a node that gives another is not used.
    pub chain: ChainId,
    /// `http`, `https`, `ws` or `wss` URLs, equals among each other: the one that answered last is asked first.
    pub urls: Vec<String>,
    /// How long one node may take for one request.
    pub timeout: Duration,
    /// The most blocks of one `eth_getLogs`; halved where a node refuses.
    pub log_range: u64,
}

impl ChainConfig {
    /// The defaults: 10 s for a request, 2,000 blocks of logs (what most hosted nodes allow).
    pub fn new(chain: ChainId, urls: Vec<String>) -> Self {
        Self { chain, urls, timeout: Duration::from_secs(10), log_range: 2_000 }
    }
}

/// Why a chain cannot be used. Names hosts and never whole URLs, which may hold a key.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nothing to ask.
    #[error("chain {0} has no URL")]
    NoUrl(ChainId),
    /// Not a URL, or of a scheme that is no node's.
    #[error("URL {position} of chain {chain} is not an http, https, ws or wss URL")]
    BadUrl {
        /// The chain.
        chain: ChainId,
        /// Which of its URLs, from 1.
        position: usize,
    },
    /// A node of another chain: a mistake in the configuration, even if others are right.
    #[error("{host} is a node of chain {found}, not of chain {expected}")]
    WrongChain {
        /// The node's host.
        host: String,
        /// What it says.
        found: u64,
        /// What was configured.
        expected: ChainId,
    },
    /// Nobody answers.
    #[error(transparent)]
    Unreachable(ChainError),
}

/// What the client can read an answer into.
pub(crate) trait Answer: DeserializeOwned + std::fmt::Debug + Send + Sync + Unpin + 'static {}
impl<T: DeserializeOwned + std::fmt::Debug + Send + Sync + Unpin + 'static> Answer for T {}

struct Node {
    url: Url,
    // `None` until its chain id was seen to be right, and again after its connection was given up.
    client: RwLock<Option<RpcClient>>,
    // Requests that it did not answer.
    failures: Counter,
}

/// One of a chain's nodes, as those who watch it see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint {
    /// Requests that it did not answer, or had no time for, since the start.
    pub failures: u64,
    /// Whether it answered last and is asked first.
    pub is_first: bool,
}

enum Link {
    Up(RpcClient),
    Wrong(u64),
}

impl Node {
    fn host(&self) -> String {
        match (self.url.host_str(), self.url.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (Some(host), None) => host.to_owned(),
            (None, _) => "a node without a name".to_owned(),
        }
    }

    fn known(&self) -> Option<RpcClient> {
        self.client.read().ok().and_then(|client| client.clone())
    }

    fn forget(&self) {
        if let Ok(mut client) = self.client.write() {
            *client = None;
        }
    }

    async fn link(&self, http: &reqwest::Client, expected: ChainId) -> Result<Link, Fault> {
        if let Some(client) = self.known() {
            return Ok(Link::Up(client));
        }
        let client = match self.url.scheme() {
            "ws" | "wss" => {
                let connect = WsConnect::new(self.url.as_str());
                ClientBuilder::default().pubsub(connect).await.map_err(|error| fault_of(&error))?
            }
            _ => ClientBuilder::default().http_with_client(http.clone(), self.url.clone()),
        };
        let found: U64 = client.request_noparams("eth_chainId").await.map_err(|error| fault_of(&error))?;
        if found.to::<u64>() != expected.0 {
            return Ok(Link::Wrong(found.to()));
        }
        if let Ok(mut known) = self.client.write() {
            *known = Some(client.clone());
        }
        Ok(Link::Up(client))
    }
}

/// The nodes of one chain.
pub(crate) struct Nodes {
    chain: ChainId,
    nodes: Vec<Node>,
    http: reqwest::Client,
    limit: Duration,
    // The node that answered last. One that failed is asked again when that one fails.
    first: AtomicUsize,
}

impl Nodes {
    pub(crate) async fn connect(config: &ChainConfig) -> Result<Self, ConnectError> {
        let chain = config.chain;
        let mut nodes = Vec::new();
        for (position, text) in (1..).zip(&config.urls) {
            let url = Url::parse(text).ok().filter(|url| {
                matches!(url.scheme(), "http" | "https" | "ws" | "wss") && url.host_str().is_some()
            });
            let url = url.ok_or(ConnectError::BadUrl { chain, position })?;
            nodes.push(Node { url, client: RwLock::new(None), failures: Counter::default() });
        }
        if nodes.is_empty() {
            return Err(ConnectError::NoUrl(chain));
        }
        // A node that redirects elsewhere is not the node that was configured. No proxy out of the environment, which
        // only the program's own crate reads, and through which a node on loopback would not be found.
        let http = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(config.timeout)
            .timeout(config.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|_| {
                let reason = "the HTTP client could not be set up".to_owned();
                ConnectError::Unreachable(ChainError::Unreachable { chain, reason })
            })?;
        let this = Self { chain, nodes, http, limit: config.timeout, first: AtomicUsize::new(0) };
        this.check_ids().await?;
        Ok(this)
    }

    // One that is down now is checked when it is first used.
    async fn check_ids(&self) -> Result<(), ConnectError> {
        let mut reasons = Vec::new();
        let mut up = None;
        let links = self.nodes.iter().map(|node| timeout(self.limit, node.link(&self.http, self.chain)));
        for (index, link) in futures::future::join_all(links).await.into_iter().enumerate() {
            let host = self.nodes[index].host();
            match link {
                Ok(Ok(Link::Up(_))) => {
                    up.get_or_insert(index);
                }
                Ok(Ok(Link::Wrong(found))) => {
                    return Err(ConnectError::WrongChain { host, found, expected: self.chain });
                }
                Ok(Err(fault)) => reasons.push(format!("{host}: {}", said(&fault))),
                Err(_) => reasons.push(format!("{host}: no answer in {} ms", self.limit.as_millis())),
            }
        }
        match up {
            Some(index) => {
                for reason in reasons {
                    tracing::warn!(chain = %self.chain, "a node is not usable yet: {reason}");
                }
                self.first.store(index, Ordering::Relaxed);
                Ok(())
            }
            None => Err(ConnectError::Unreachable(self.unreachable(reasons))),
        }
    }

    pub(crate) fn chain(&self) -> ChainId {
        self.chain
    }

    /// The nodes in the order of the configuration.
    pub(crate) fn endpoints(&self) -> Vec<Endpoint> {
        let first = self.first.load(Ordering::Relaxed);
        let seen = |(index, node): (usize, &Node)| Endpoint {
            failures: node.failures.get(),
            is_first: index == first,
        };
        self.nodes.iter().enumerate().map(seen).collect()
    }

    /// Asks one node after the other until one answers. `block`: the hash that is read at, for the error.
    ///
    /// Every request that is made through here may be made twice.
    pub(crate) async fn ask<R: Answer>(
        &self,
        method: &'static str,
        params: Value,
        block: Option<B256>,
    ) -> Result<R, AskError> {
        self.try_each(block, |client| {
            let params = params.clone();
            async move { client.request::<_, R>(method, params).await.map_err(|error| fault_of(&error)) }
        })
        .await
    }

    /// Asks for logs, of a node that has the last block of the range: a node that lags behind would answer with the
    /// logs that it has, and nobody would know that some are missing.
    pub(crate) async fn ask_logs<R: Answer>(&self, last: u64, filter: Value) -> Result<R, AskError> {
        let head = json!([U64::from(last), false]);
        let params = json!([filter]);
        self.try_each(None, |client| {
            let (head, params) = (head.clone(), params.clone());
            async move {
                // The block first, and in one message where the node takes that: behind one URL there may be several.
                let mut batch = client.new_batch();
                let block = batch.add_call::<_, Option<IgnoredAny>>("eth_getBlockByNumber", &head);
                let logs = batch.add_call::<_, R>("eth_getLogs", &params);
                let (block, logs) = (block.map_err(|e| fault_of(&e))?, logs.map_err(|e| fault_of(&e))?);
                let (block, logs) = match batch.send().await {
                    Ok(()) => (block.await, logs.await),
                    Err(_) => {
                        let block = client.request("eth_getBlockByNumber", head).await;
                        (block, client.request("eth_getLogs", params).await)
                    }
                };
                match block.map_err(|error| fault_of(&error))? {
                    Some(_) => logs.map_err(|error| fault_of(&error)),
                    None => Err(Fault::NoBlock),
                }
            }
        })
        .await
    }

    /// Asks one method many times, in one message where the node takes that. Answers are in the order of `params`.
    pub(crate) async fn ask_each<R: Answer>(
        &self,
        method: &'static str,
        params: Vec<Value>,
    ) -> Result<Vec<R>, AskError> {
        // Hosted nodes count each request of a batch, and refuse batches much larger than this.
        const BATCH: usize = 50;
        let mut answers = Vec::with_capacity(params.len());
        for chunk in params.chunks(BATCH) {
            if let [one] = chunk {
                answers.push(self.ask(method, one.clone(), None).await?);
                continue;
            }
            let batch = self.try_each(None, |client| async move {
                let mut batch = client.new_batch();
                let mut waiters = Vec::new();
                for params in chunk {
                    waiters.push(batch.add_call::<_, R>(method, params).map_err(|error| fault_of(&error))?);
                }
                batch.send().await.map_err(|error| fault_of(&error))?;
                futures::future::try_join_all(waiters).await.map_err(|error| fault_of(&error))
            });
            match batch.await {
                Ok(found) => answers.extend(found),
                // Some nodes take no batches at all.
                Err(_) => {
                    for params in chunk {
                        answers.push(self.ask(method, params.clone(), None).await?);
                    }
                }
            }
        }
        Ok(answers)
    }

    async fn try_each<'a, R, F>(
        &'a self,
        block: Option<B256>,
        request: impl Fn(RpcClient) -> F + Send + Sync + 'a,
    ) -> Result<R, AskError>
    where
        F: Future<Output = Result<R, Fault>> + Send,
    {
        let first = self.first.load(Ordering::Relaxed);
        let mut reasons = Vec::new();
        let mut worst = None;
        for step in 0..self.nodes.len() {
            let index = (first + step) % self.nodes.len();
            let node = &self.nodes[index];
            let answer = timeout(self.limit, async {
                match node.link(&self.http, self.chain).await? {
                    Link::Up(client) => request(client).await,
                    Link::Wrong(found) => Err(Fault::NoAnswer(format!("it is a node of chain {found}"))),
                }
            })
            .await
            .unwrap_or_else(|_| Err(Fault::NoAnswer(format!("no answer in {} ms", self.limit.as_millis()))));
            let fault = match answer {
                Ok(found) => {
                    self.first.store(index, Ordering::Relaxed);
                    return Ok(found);
                }
                Err(fault) => fault,
            };
            reasons.push(format!("{}: {}", node.host(), said(&fault)));
            if matches!(fault, Fault::Busy(_) | Fault::NoAnswer(_)) {
                node.failures.add(1);
            }
            match fault {
                Fault::Final(error) => return Err(AskError::Chain(error)),
                Fault::TooMuch(why) => return Err(AskError::TooMuch(why)),
                Fault::NoBlock => worst = Some(Fault::NoBlock),
                Fault::NotHere(why) => worst = worst.or(Some(Fault::NotHere(why))),
                Fault::Busy(_) => {}
                Fault::NoAnswer(_) => {
                    // Its socket may be dead: connect anew next time. An HTTP client keeps no state worth keeping.
                    node.forget();
                    tracing::debug!(chain = %self.chain, node = node.host(), "no answer");
                }
            }
        }
        Err(AskError::Chain(match (worst, block) {
            (Some(Fault::NoBlock), Some(hash)) => ChainError::UnknownBlock(hash),
            (Some(Fault::NotHere(why)), _) => ChainError::Refused(why),
            _ => self.unreachable(reasons),
        }))
    }

    fn unreachable(&self, reasons: Vec<String>) -> ChainError {
        ChainError::Unreachable { chain: self.chain, reason: reasons.join("; ") }
    }
}

/// Why no node gave an answer.
pub(crate) enum AskError {
    /// For the port.
    Chain(ChainError),
    /// Ask for less.
    TooMuch(String),
}

impl From<AskError> for ChainError {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Chain(error) => error,
            AskError::TooMuch(why) => Self::Refused(why),
        }
    }
}

fn said(fault: &Fault) -> String {
    match fault {
        Fault::NoAnswer(why) | Fault::Busy(why) | Fault::NotHere(why) | Fault::TooMuch(why) => why.clone(),
        Fault::NoBlock => "the block is not known".to_owned(),
        Fault::Final(error) => error.to_string(),
    }
}
