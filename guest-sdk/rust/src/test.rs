//! A recorded world: runs a script natively, so that `cargo test` needs neither network nor sandbox.
//!
//! ```
//! use argus_script::{Arguments, Context, Result, arguments, http, json, test::World};
//!
//! fn script(_: Context) -> Result<Arguments> {
//!     Ok(arguments![http::get("https://api.example.com/n").send()?.json()?])
//! }
//!
//! let world = World::default().http("https://api.example.com/n", 200, "7");
//! assert_eq!(world.run(script, Context::default()), Ok(json!([7])));
//! ```
//!
//! What is not recorded is answered with an error that names it. Limits, fuel and the sandbox's own checks are
//! what `argus module run --answers` shows on the same answers.

use std::{cell::RefCell, collections::BTreeMap};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use crate::{Context, HostError, Result, to_hex};

/// The answers that a script meets.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct World {
    #[serde(default)]
    http: Vec<Http>,
    #[serde(default)]
    chains: Vec<Chain>,
    #[serde(skip)]
    storage: BTreeMap<String, Value>,
    #[serde(skip)]
    log: Vec<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Http {
    #[serde(default)]
    method: Option<String>,
    url: String,
    #[serde(default)]
    sent: Option<Value>,
    #[serde(default)]
    status: Option<u16>,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    body: Value,
    #[serde(default)]
    fails: Option<String>,
    #[serde(skip)]
    given: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Chain {
    id: u64,
    #[serde(default)]
    calls: Vec<Call>,
    #[serde(default)]
    balances: Vec<(String, String)>,
    #[serde(default)]
    logs: Vec<Log>,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Log {
    address: String,
    #[serde(default)]
    topics: Vec<String>,
    #[serde(default = "no_bytes")]
    data: String,
    block_number: u64,
    #[serde(default = "no_hash")]
    block_hash: String,
    #[serde(default = "no_hash")]
    transaction_hash: String,
    #[serde(default)]
    log_index: u64,
}

impl Log {
    /// Whether a request for logs means this one, by address, blocks and topics.
    fn fits(&self, request: &Value) -> bool {
        let same = |text: &str, wanted: &Value| wanted.as_str().is_none_or(|w| w.eq_ignore_ascii_case(text));
        let topics = request["topics"].as_array().map(Vec::as_slice).unwrap_or_default();
        let (from, to) = (request["from_block"].as_u64(), request["to_block"].as_u64());
        same(&self.address, &request["address"])
            && from.is_none_or(|from| self.block_number >= from)
            && to.is_none_or(|to| self.block_number <= to)
            && topics.iter().enumerate().all(|(i, wanted)| {
                wanted.is_null() || self.topics.get(i).is_some_and(|topic| same(topic, wanted))
            })
    }
}

fn no_bytes() -> String {
    to_hex(&[])
}

fn no_hash() -> String {
    to_hex(&[0; 32])
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    to: String,
    data: String,
    #[serde(default)]
    returns: String,
    #[serde(default)]
    reverts: Option<String>,
}

/// The due instant of the default context.
const NOW_MS: u64 = 1_735_689_600_000;

thread_local! {
    static WORLD: RefCell<World> = RefCell::default();
}

impl World {
    /// The answers of a file as `argus module run --answers` reads it: `{"http": [...], "chains": [...]}`.
    ///
    /// # Panics
    /// Where the text is no such file: a test has nothing else to go on with.
    pub fn recorded(answers: &str) -> Self {
        serde_json::from_str(answers).expect("answers: {\"http\": [...], \"chains\": [...]}")
    }

    /// Answers `GET url`. Equal requests get their answers in order, the last one again.
    pub fn http(mut self, url: &str, status: u16, body: &str) -> Self {
        self.http.push(Http {
            url: url.to_owned(),
            status: Some(status),
            body: body.into(),
            ..Http::default()
        });
        self
    }

    /// Answers `eth_call`.
    pub fn evm_call(mut self, chain_id: u64, to: impl ToString, data: &[u8], returns: &[u8]) -> Self {
        let call = Call { to: to.to_string(), data: to_hex(data), returns: to_hex(returns), reverts: None };
        self.chains.push(Chain { id: chain_id, calls: vec![call], balances: Vec::new(), logs: Vec::new() });
        self
    }

    /// Runs a script and gives what a keeper would see of it.
    pub fn run<A: Into<Value>>(
        self,
        script: impl FnOnce(Context) -> Result<A>,
        context: Context,
    ) -> Result<Value> {
        self.run_logged(script, context).0
    }

    /// The same, with its log.
    pub fn run_logged<A: Into<Value>>(
        self,
        script: impl FnOnce(Context) -> Result<A>,
        context: Context,
    ) -> (Result<Value>, Vec<String>) {
        WORLD.with_borrow_mut(|world| *world = self);
        let answer = script(context).map(Into::into);
        (answer, WORLD.with_borrow_mut(std::mem::take).log)
    }

    fn fetch(&mut self, request: &Value) -> std::result::Result<Value, HostError> {
        let (method, url) =
            (request["method"].as_str().unwrap_or("GET"), request["url"].as_str().unwrap_or_default());
        let asked = spelled(url);
        let body = request["body"].as_str().and_then(|hex| crate::from_hex(hex).ok()).unwrap_or_default();
        let fits = |answer: &Http| {
            answer.method.as_deref().unwrap_or("GET").eq_ignore_ascii_case(method)
                && spelled(&answer.url) == asked
                && match &answer.sent {
                    None => true,
                    Some(Value::String(text)) => text.as_bytes() == body,
                    Some(json) => serde_json::from_slice::<Value>(&body).is_ok_and(|given| given == *json),
                }
        };
        let fitting: Vec<usize> = (0..self.http.len()).filter(|i| fits(&self.http[*i])).collect();
        let next = fitting.iter().find(|i| !self.http[**i].given).or(fitting.last());
        let Some(&next) = next else { return Err(absent(&format!("{method} {url}"))) };
        let answer = &mut self.http[next];
        answer.given = true;
        if let Some(reason) = &answer.fails {
            let kind = if reason == "timeout" { "timeout" } else { "transport" };
            return Err(HostError { kind: kind.to_owned(), message: reason.clone(), data: None });
        }
        let text = match &answer.body {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            json => json.to_string(),
        };
        let headers: Vec<Value> =
            answer.headers.iter().map(|(n, v)| json!([n.to_ascii_lowercase(), v])).collect();
        let status = answer.status.unwrap_or(200);
        Ok(json!({ "status": status, "headers": headers, "body": to_hex(text.as_bytes()), "url": url }))
    }

    fn evm(&self, import: &str, request: &Value) -> std::result::Result<Value, HostError> {
        let same =
            |text: &str, name: &str| request[name].as_str().is_some_and(|r| r.eq_ignore_ascii_case(text));
        let chains = || self.chains.iter().filter(|chain| request["chain_id"] == chain.id);
        let found = match import {
            "evm_call" => {
                let call =
                    chains().flat_map(|c| &c.calls).find(|c| same(&c.to, "to") && same(&c.data, "data"));
                call.map(|call| match &call.reverts {
                    None => Ok(call.returns.clone().into()),
                    Some(data) => Err(HostError {
                        kind: "reverted".to_owned(),
                        message: "the call reverted".to_owned(),
                        data: Some(data.clone()),
                    }),
                })
            }
            "evm_balance" => {
                let balance = chains().flat_map(|c| &c.balances).find(|(of, _)| same(of, "address"));
                balance.map(|(_, wei)| Ok(wei.clone().into()))
            }
            "evm_logs" if chains().next().is_some() => {
                Some(Ok(chains().flat_map(|chain| &chain.logs).filter(|log| log.fits(request)).map(|log| json!(log)).collect()))
            }
            _ => None,
        };
        found.unwrap_or_else(|| Err(absent(&format!("{import} {request}"))))
    }
}

/// A URL as the parser writes it, without what is never sent of it; what is none stays as it is.
fn spelled(url: &str) -> String {
    let Ok(mut parsed) = Url::parse(url) else { return url.to_owned() };
    parsed.set_fragment(None);
    parsed.into()
}

fn absent(what: &str) -> HostError {
    HostError {
        kind: "transport".to_owned(),
        message: format!("no answer is recorded for {what}"),
        data: None,
    }
}

/// Answers a host call from the world of this thread.
pub(crate) fn answer(import: &str, request: &Value) -> std::result::Result<Value, HostError> {
    WORLD.with_borrow_mut(|world| {
        let key = || request["key"].as_str().unwrap_or_default().to_owned();
        Ok(match import {
            "http_fetch" => world.fetch(request)?,
            "log" => {
                world.log.push(request["message"].as_str().unwrap_or_default().to_owned());
                Value::Null
            }
            "env_now" => NOW_MS.into(),
            "env_random" => {
                let len = usize::try_from(request["len"].as_u64().unwrap_or_default()).unwrap_or_default();
                let bytes: Vec<u8> = (0..len).map(|i| i as u8).collect();
                to_hex(&bytes).into()
            }
            "env_secret" => format!("secret-{}", request["name"].as_str().unwrap_or_default()).into(),
            // Nobody's digest: what is asked for, so that a test sees what would be signed.
            "env_hmac" => {
                let part = |field: &str| request[field].as_str().unwrap_or_default().to_owned();
                format!("hmac-{}-{}-{}", part("name"), part("data"), part("encoding")).into()
            }
            "storage_get" => world.storage.get(&key()).cloned().unwrap_or_default(),
            "storage_set" => {
                world.storage.insert(key(), request["value"].clone());
                Value::Null
            }
            "storage_delete" => {
                world.storage.remove(&key());
                Value::Null
            }
            evm => world.evm(evm, request)?,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Arguments, arguments, evm, http};

    #[test]
    fn an_answer_is_for_every_spelling_of_its_url() {
        let answer = json!({ "url": "HTTPS://API.example.com:443?q=a b#part", "headers": [["ETag", "A"]] });
        let world = World::recorded(&json!({ "http": [answer] }).to_string());
        let etag = |url: &str| {
            let script = |_: Context| -> Result<Arguments> {
                Ok(arguments![http::get(url).send()?.header("etag")])
            };
            world.clone().run(script, Context::default())
        };
        for same in ["HTTPS://API.example.com:443?q=a b#part", "https://api.example.com/?q=a%20b"] {
            assert_eq!(etag(same), Ok(arguments!["A"].into()), "{same}");
        }
        for other in ["https://api.example.com/?q=a+b", "http://api.example.com/?q=a%20b", "no URL"] {
            assert!(etag(other).is_err(), "{other}");
        }
    }

    #[test]
    fn recorded_logs_are_those_that_are_asked_for() {
        let (of, topic) = ("0x00000000000000000000000000000000000000Aa", to_hex(&[7; 32]));
        let log = |block: u64, topics: &[&str]| json!({ "address": of, "topics": topics, "block_number": block });
        let logs = [log(9, &[&topic]), log(10, &[]), log(11, &[&topic]), log(12, &[&topic])];
        let world = World::recorded(&json!({ "chains": [{ "id": 1, "logs": logs }] }).to_string());
        let heights = |chain, topics: &[Option<&str>]| {
            let script = |_: Context| -> Result<Arguments> {
                let logs = evm::logs(chain, of.to_lowercase().parse()?, topics, 10, 11)?;
                Ok(Arguments(logs.iter().map(|log| log["block_number"].clone()).collect()))
            };
            world.clone().run(script, Context::default())
        };
        assert_eq!(heights(1, &[]), Ok(arguments![10, 11].into()));
        assert_eq!(heights(1, &[Some(&topic)]), Ok(arguments![11].into()));
        assert_eq!(heights(1, &[None, Some(&topic)]), Ok(arguments![].into()));
        assert!(heights(2, &[]).expect_err("another chain").to_string().contains("no answer is recorded"));
    }
}
