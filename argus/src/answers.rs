//! Recorded answers instead of the network: what a script's local test runs against.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context;
use argus_domain::{
    Address, B256, Bytes, U256,
    chain::{Block, Log, LogQuery, TxReceipt},
    ids::ChainId,
};
use argus_ports::{
    ChainError, ChainReader, Egress, EgressError, EgressRequest, EgressResponse, Method, Reach, chain::At,
};
use async_trait::async_trait;
use serde::Deserialize;
use serde_json::Value;

/// A file of answers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    http: Vec<HttpAnswer>,
    #[serde(default)]
    evm: Vec<EvmAnswer>,
}

/// The answer to one HTTP request. Equal requests get their answers in the order of the file, the last one again.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HttpAnswer {
    #[serde(default = "get")]
    method: String,
    url: String,
    /// What the request must carry; without it any body will do.
    #[serde(default)]
    request_body: Option<Value>,
    #[serde(default = "ok")]
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Text as it is; any other JSON as its text.
    #[serde(default)]
    body: Value,
    /// No answer, for this reason.
    #[serde(default)]
    error: Option<String>,
}

/// The answer to one read of a chain.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum EvmAnswer {
    Call { chain_id: u64, to: Address, data: Bytes, result: Bytes },
    Revert { chain_id: u64, to: Address, data: Bytes, reverted: Bytes },
    Balance { chain_id: u64, address: Address, balance: String },
}

fn get() -> String {
    "GET".to_owned()
}

fn ok() -> u16 {
    200
}

/// What a recorded world consists of.
pub struct Answers {
    /// HTTP.
    pub egress: Arc<dyn Egress>,
    /// Chains, one for each that an answer names.
    pub chains: BTreeMap<ChainId, Arc<dyn ChainReader>>,
}

/// Reads a file of answers.
pub fn read(file: &Path) -> anyhow::Result<Answers> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let File { http, evm } = serde_json::from_str(&text).with_context(|| {
        format!("{} holds no answers: {{\"http\": [...], \"evm\": [...]}}", file.display())
    })?;
    let named: BTreeSet<u64> = evm
        .iter()
        .map(|answer| match answer {
            EvmAnswer::Call { chain_id, .. }
            | EvmAnswer::Revert { chain_id, .. }
            | EvmAnswer::Balance { chain_id, .. } => *chain_id,
        })
        .collect();
    let evm: Arc<[EvmAnswer]> = evm.into();
    let chain = |id| Arc::new(Chain { id, answers: Arc::clone(&evm) }) as Arc<dyn ChainReader>;
    Ok(Answers {
        egress: Arc::new(Http { given: Mutex::new(vec![0; http.len()]), answers: http }),
        chains: named.into_iter().map(|id| (ChainId(id), chain(ChainId(id)))).collect(),
    })
}

/// HTTP answers, and how often each was given.
struct Http {
    answers: Vec<HttpAnswer>,
    given: Mutex<Vec<u32>>,
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

impl HttpAnswer {
    fn is_for(&self, request: &EgressRequest) -> bool {
        let body = request.body.as_deref().unwrap_or_default();
        self.method.eq_ignore_ascii_case(named(request.method))
            && self.url == request.url
            && match &self.request_body {
                None => true,
                Some(Value::String(text)) => text.as_bytes() == body,
                Some(json) => serde_json::from_slice::<Value>(body).is_ok_and(|given| given == *json),
            }
    }

    fn response(&self) -> Result<EgressResponse, EgressError> {
        if let Some(reason) = &self.error {
            return Err(EgressError::Transport(reason.clone()));
        }
        let body = match &self.body {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            json => json.to_string(),
        };
        let headers = self.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
        Ok(EgressResponse { status: self.status, headers: headers.collect(), body: body.into() })
    }
}

#[async_trait]
impl Egress for Http {
    async fn fetch(&self, request: EgressRequest) -> Result<EgressResponse, EgressError> {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let fitting: Vec<usize> =
            (0..self.answers.len()).filter(|i| self.answers[*i].is_for(&request)).collect();
        let next = fitting.iter().find(|i| given[**i] == 0).or(fitting.last());
        let Some(&next) = next else {
            let (method, url) = (named(request.method), &request.url);
            return Err(EgressError::Transport(format!("no answer is recorded for {method} {url}")));
        };
        given[next] += 1;
        let response = self.answers[next].response()?;
        if response.body.len() as u64 > request.max_body {
            return Err(EgressError::TooLarge(request.max_body));
        }
        Ok(response)
    }

    fn check(&self, _: &str, _: &Reach) -> Result<(), EgressError> {
        Ok(())
    }
}

/// One chain's answers.
struct Chain {
    id: ChainId,
    answers: Arc<[EvmAnswer]>,
}

impl Chain {
    fn absent(what: &str) -> ChainError {
        ChainError::Refused(format!("no answer is recorded for {what}"))
    }
}

#[async_trait]
impl ChainReader for Chain {
    fn chain(&self) -> ChainId {
        self.id
    }

    async fn block(&self, _: At) -> Result<Option<Block>, ChainError> {
        Ok(None)
    }

    async fn call(&self, _: Option<Address>, to: Address, data: Bytes, _: At) -> Result<Bytes, ChainError> {
        let found = self.answers.iter().find_map(|answer| match answer {
            EvmAnswer::Call { chain_id, to: t, data: d, result }
                if (*chain_id, t, d) == (self.id.0, &to, &data) =>
            {
                Some(Ok(result.clone()))
            }
            EvmAnswer::Revert { chain_id, to: t, data: d, reverted }
                if (*chain_id, t, d) == (self.id.0, &to, &data) =>
            {
                Some(Err(ChainError::Reverted { reason: "as recorded".to_owned(), data: reverted.clone() }))
            }
            EvmAnswer::Call { .. } | EvmAnswer::Revert { .. } | EvmAnswer::Balance { .. } => None,
        });
        found.unwrap_or_else(|| Err(Self::absent(&format!("the call of {to} with {data}"))))
    }

    async fn balance(&self, account: Address, _: At) -> Result<U256, ChainError> {
        let found = self.answers.iter().find_map(|answer| match answer {
            EvmAnswer::Balance { chain_id, address, balance }
                if (*chain_id, *address) == (self.id.0, account) =>
            {
                balance.parse().ok()
            }
            EvmAnswer::Call { .. } | EvmAnswer::Revert { .. } | EvmAnswer::Balance { .. } => None,
        });
        found.ok_or_else(|| Self::absent(&format!("the balance of {account}")))
    }

    async fn logs(&self, _: LogQuery) -> Result<Vec<Log>, ChainError> {
        Err(Self::absent("logs"))
    }

    async fn receipt(&self, _: B256) -> Result<Option<TxReceipt>, ChainError> {
        Ok(None)
    }

    async fn code(&self, _: Address) -> Result<Bytes, ChainError> {
        Ok(Bytes::new())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn answers(text: &str) -> anyhow::Result<Answers> {
        let place = tempfile::tempdir()?;
        let file = place.path().join("answers.json");
        std::fs::write(&file, text)?;
        read(&file)
    }

    async fn ask(world: &Answers, method: Method, body: Option<&str>) -> Result<String, EgressError> {
        let request = EgressRequest {
            method,
            url: "https://a.example/x".to_owned(),
            headers: Vec::new(),
            body: body.map(|text| text.to_owned().into()),
            timeout: Duration::from_secs(1),
            max_body: 20,
            reach: Reach::default(),
        };
        let response = world.egress.fetch(request).await?;
        Ok(format!("{} {}", response.status, String::from_utf8_lossy(&response.body)))
    }

    #[tokio::test]
    async fn equal_requests_get_their_answers_in_order_and_the_last_again() {
        let world = answers(
            r#"{"http": [{"url": "https://a.example/x", "status": 500},
                         {"url": "https://a.example/x", "body": {"n": 1}},
                         {"method": "post", "url": "https://a.example/x", "request_body": {"q": 1}, "body": "hi"},
                         {"method": "PUT", "url": "https://a.example/x", "body": "longer than twenty bytes"}]}"#,
        )
        .expect("answers");
        assert_eq!(ask(&world, Method::Get, None).await, Ok("500 ".to_owned()));
        for _ in 0..2 {
            assert_eq!(ask(&world, Method::Get, None).await, Ok(r#"200 {"n":1}"#.to_owned()));
        }
        assert_eq!(ask(&world, Method::Post, Some(r#"{ "q": 1 }"#)).await, Ok("200 hi".to_owned()));
        let other = ask(&world, Method::Post, Some(r#"{"q": 2}"#)).await.expect_err("another body");
        assert!(other.to_string().contains("POST https://a.example/x"), "{other}");
        assert_eq!(ask(&world, Method::Put, None).await, Err(EgressError::TooLarge(20)));
    }

    #[tokio::test]
    async fn a_chain_answers_what_is_recorded_for_it() {
        let to = Address::repeat_byte(1);
        let world = answers(&format!(
            r#"{{"evm": [{{"chain_id": 1, "to": "{to}", "data": "0x01", "result": "0x02"}},
                         {{"chain_id": 1, "to": "{to}", "data": "0x03", "reverted": "0x04"}},
                         {{"chain_id": 1, "address": "{to}", "balance": "5"}}]}}"#
        ))
        .expect("answers");
        let chain = &world.chains[&ChainId(1)];
        let call = |data: u8| chain.call(None, to, vec![data].into(), At::Head);
        assert_eq!(call(1).await, Ok(vec![2].into()));
        assert!(matches!(call(3).await, Err(ChainError::Reverted { data, .. }) if data == vec![4]));
        assert!(matches!(call(9).await, Err(ChainError::Refused(_))));
        assert_eq!(chain.balance(to, At::Head).await, Ok(U256::from(5)));
    }

    #[test]
    fn a_misspelt_member_is_refused() {
        assert!(answers(r#"{"http": [{"url": "https://a.example", "stauts": 1}]}"#).is_err());
        assert!(answers(r#"{"htpp": []}"#).is_err());
    }
}
