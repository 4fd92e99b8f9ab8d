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

use std::cell::RefCell;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Context, Error, HostError, Result, to_hex};

/// The answers that a script meets.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct World {
    #[serde(default)]
    http: Vec<Http>,
    #[serde(default)]
    evm: Vec<Value>,
    /// What storage holds.
    #[serde(default)]
    storage: serde_json::Map<String, Value>,
    /// What the script logged.
    #[serde(skip)]
    log: Vec<String>,
    #[serde(skip)]
    now_ms: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Http {
    #[serde(default)]
    method: Option<String>,
    url: String,
    #[serde(default)]
    request_body: Option<Value>,
    #[serde(default)]
    status: Option<u16>,
    #[serde(default)]
    headers: serde_json::Map<String, Value>,
    #[serde(default)]
    body: Value,
    #[serde(default)]
    error: Option<String>,
    #[serde(skip)]
    given: bool,
}

thread_local! {
    static WORLD: RefCell<World> = RefCell::default();
}

impl World {
    /// The answers of a file as `argus module run --answers` reads it: `{"http": [...], "evm": [...]}`.
    ///
    /// # Panics
    /// Where the text is no such file: a test has nothing else to go on with.
    pub fn recorded(answers: &str) -> Self {
        serde_json::from_str(answers).expect("answers: {\"http\": [...], \"evm\": [...]}")
    }

    /// Answers `GET url`. Equal requests get their answers in order, the last one again.
    pub fn http(mut self, url: &str, status: u16, body: &str) -> Self {
        self.http.push(Http {
            method: None,
            url: url.to_owned(),
            request_body: None,
            status: Some(status),
            headers: serde_json::Map::new(),
            body: body.into(),
            error: None,
            given: false,
        });
        self
    }

    /// Answers `eth_call`.
    pub fn evm_call(mut self, chain_id: u64, to: impl ToString, data: &[u8], result: &[u8]) -> Self {
        let to = to.to_string();
        self.evm
            .push(json!({ "chain_id": chain_id, "to": to, "data": to_hex(data), "result": to_hex(result) }));
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
        WORLD.with_borrow_mut(|world| *world = Self { now_ms: 1_735_689_600_000, ..self });
        let answer = script(context).map(Into::into);
        (answer, WORLD.with_borrow_mut(std::mem::take).log)
    }

    fn fetch(&mut self, request: &Value) -> std::result::Result<Value, HostError> {
        let (method, url) =
            (request["method"].as_str().unwrap_or("GET"), request["url"].as_str().unwrap_or_default());
        let body = request["body"].as_str().and_then(|hex| crate::from_hex(hex).ok()).unwrap_or_default();
        let fits = |answer: &Http| {
            answer.method.as_deref().unwrap_or("GET").eq_ignore_ascii_case(method)
                && answer.url == url
                && match &answer.request_body {
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
        if let Some(reason) = &answer.error {
            return Err(HostError { kind: "transport".to_owned(), message: reason.clone(), data: None });
        }
        let text = match &answer.body {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            json => json.to_string(),
        };
        let headers: Vec<Value> = answer.headers.iter().map(|(n, v)| json!([n.to_lowercase(), v])).collect();
        let status = answer.status.unwrap_or(200);
        Ok(json!({ "status": status, "headers": headers, "body": to_hex(text.as_bytes()), "url": url }))
    }

    fn evm(&self, import: &str, request: &Value) -> std::result::Result<Value, HostError> {
        let same = |answer: &Value, name: &str| {
            let text = |value: &Value| value[name].to_string().to_lowercase();
            text(answer) == text(request)
        };
        let (names, result): (&[&str], _) = match import {
            "evm_call" => (&["chain_id", "to", "data"], "result"),
            "evm_balance" => (&["chain_id", "address"], "balance"),
            "evm_block_number" => (&["chain_id"], "block_number"),
            _ => (&["chain_id", "address"], "logs"),
        };
        let found = self.evm.iter().find(|answer| {
            names.iter().all(|name| same(answer, name))
                && (answer.get(result).is_some() || answer.get("reverted").is_some())
        });
        match found {
            Some(answer) if answer.get(result).is_some() => Ok(answer[result].clone()),
            Some(answer) => Err(HostError {
                kind: "reverted".to_owned(),
                message: "the call reverted".to_owned(),
                data: answer["reverted"].as_str().map(str::to_owned),
            }),
            None => Err(absent(&format!("{import} {request}"))),
        }
    }
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
            "env_now" => world.now_ms.into(),
            "env_random" => {
                let len = usize::try_from(request["len"].as_u64().unwrap_or_default()).unwrap_or_default();
                let bytes: Vec<u8> = (0..len).map(|i| i as u8).collect();
                to_hex(&bytes).into()
            }
            "env_secret" => format!("secret-{}", request["name"].as_str().unwrap_or_default()).into(),
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

/// The reason of a script that skipped.
pub fn skipped(answer: &Result<Value>) -> Option<&str> {
    match answer {
        Err(Error::Skip(reason)) => Some(reason),
        _ => None,
    }
}
