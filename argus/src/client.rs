//! What the commands say to a running platform: plain REST, as any other client would.

use std::time::{Duration, Instant};

use anyhow::{anyhow, bail};
use argus_client::{Client, Error, Method};
use bytes::Bytes;
use serde_json::Value;

use crate::cli::show;

/// Where the platform is, and who asks.
#[derive(Debug, Clone, clap::Args)]
pub struct Server {
    /// Address of the platform's API, for example http://127.0.0.1:9002
    #[arg(long, env = "ARGUS_API_URL", default_value = "http://127.0.0.1:9002", value_name = "URL")]
    pub api: String,
    /// API key; better given in the environment, where other users of the machine do not see it
    #[arg(long, env = "ARGUS_API_KEY", hide_env_values = true, value_name = "KEY")]
    pub key: Option<String>,
}

/// Longest wait for a source that the platform builds: others may be built before it.
const BUILD_MAX: Duration = Duration::from_secs(600);

/// An id or a name, as one part of a route's path: nothing in it can lead to another route.
pub fn one_name(text: &str) -> Result<String, String> {
    let is_one =
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if is_one { Ok(text.to_owned()) } else { Err("it has letters, digits, _ and - alone".to_owned()) }
}

impl Server {
    /// GET; the answer's JSON.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.send(Method::GET, path, None).await
    }

    /// POST with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.send(Method::POST, path, Some(body)).await
    }

    /// PUT with a JSON body.
    pub async fn put(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.send(Method::PUT, path, Some(body)).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> anyhow::Result<Value> {
        self.send(Method::DELETE, path, None).await
    }

    /// GET of a file, `max` bytes at most.
    pub async fn download(&self, path: &str, max: usize) -> anyhow::Result<Bytes> {
        self.client()?.download(path, max).await.map_err(told)
    }

    fn client(&self) -> anyhow::Result<Client> {
        let Some(key) = &self.key else {
            bail!("no API key: give --key or set ARGUS_API_KEY (`argus dev` prints keys when it starts)");
        };
        Ok(Client::builder(&self.api).key(key).build()?)
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let client = self.client()?;
        let until = Instant::now() + BUILD_MAX;
        let mut is_told = false;
        loop {
            let refused = match client.call(method.clone(), path, body).await {
                Err(Error::Refused(r)) if r.code == "BUILD_UNDERWAY" && Instant::now() <= until => r,
                done => return done.map_err(told),
            };
            if !is_told {
                show::progress("the platform is building the source; waiting for it");
                is_told = true;
            }
            tokio::time::sleep(refused.retry_after.unwrap_or(Duration::from_secs(1))).await;
        }
    }
}

/// An error in words: a refusal's sentence, its code, and every detail on a line of its own.
fn told(error: Error) -> anyhow::Error {
    let lines: String = match error.refusal().map(|refusal| &refusal.details) {
        None | Some(Value::Null) => return error.into(),
        Some(Value::Array(details)) => details
            .iter()
            .map(|d| match (d["path"].as_str(), d["message"].as_str()) {
                (Some(path), Some(message)) => format!("\n  - {path}: {message}"),
                _ => format!("\n  - {d}"),
            })
            .collect(),
        Some(other) => format!("\n  {other}"),
    };
    anyhow!("{error}{lines}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_part_of_a_path() {
        for name in ["1001", "0xabbb2d", "API_KEY", "a-b"] {
            assert_eq!(one_name(name).as_deref(), Ok(name));
        }
        for other in ["", "..", "../../update/1001", "1001?x=1", "%31001", "a b", "a#b"] {
            assert!(one_name(other).is_err(), "{other}");
        }
    }
}
