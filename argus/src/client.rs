//! What the commands say to a running platform: plain REST, as any other client would.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use reqwest::{Method, Response, StatusCode};
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

/// Longest wait for an answer: creating a job runs its script first.
const TIMEOUT: Duration = Duration::from_secs(120);
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
    pub async fn download(&self, path: &str, max: usize) -> anyhow::Result<Vec<u8>> {
        let mut response = self.ask(Method::GET, path, None).await?;
        let status = response.status();
        let mut bytes = Vec::new();
        while let Some(part) = response.chunk().await? {
            if bytes.len() + part.len() > max {
                bail!("the answer has more than {max} bytes");
            }
            bytes.extend_from_slice(&part);
        }
        if !status.is_success() {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            bail!(refusal(status, &serde_json::from_str(&text).unwrap_or(Value::String(text))));
        }
        Ok(bytes)
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let until = Instant::now() + BUILD_MAX;
        let mut is_told = false;
        loop {
            let response = self.ask(method.clone(), path, body).await?;
            let (status, pause) = (response.status(), retry_after(&response));
            let text = response.text().await?;
            let json: Value = serde_json::from_str(&text).unwrap_or(Value::String(text));
            if status.is_success() {
                return Ok(json);
            }
            if json["code"] != "BUILD_UNDERWAY" || Instant::now() > until {
                bail!(refusal(status, &json));
            }
            if !is_told {
                show::progress("the platform is building the source; waiting for it");
                is_told = true;
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Response> {
        let Some(key) = &self.key else {
            bail!("no API key: give --key or set ARGUS_API_KEY (`argus dev` prints keys when it starts)");
        };
        let url = format!("{}/api{path}", self.api.trim_end_matches('/').trim_end_matches("/api"));
        let client = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build()?;
        let mut request = client.request(method, &url).header("x-api-key", key);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        request.send().await.with_context(|| {
            format!("{} does not answer: is the platform running, and is --api right?", self.api)
        })
    }
}

/// When the platform wants to be asked again.
fn retry_after(response: &Response) -> Duration {
    let secs = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
    Duration::from_secs(secs.unwrap_or(1))
}

/// A refusal in words: the sentence, its code, and every detail on a line of its own.
fn refusal(status: StatusCode, body: &Value) -> String {
    let mut text = match (body["error"].as_str(), body["code"].as_str()) {
        (Some(error), Some(code)) => format!("{error} ({code}, HTTP {})", status.as_u16()),
        _ => format!("HTTP {}: {body}", status.as_u16()),
    };
    match &body["details"] {
        Value::Array(details) => {
            for d in details {
                let line = match (d["path"].as_str(), d["message"].as_str()) {
                    (Some(path), Some(message)) => format!("{path}: {message}"),
                    _ => d.to_string(),
                };
                text.push_str(&format!("\n  - {line}"));
            }
        }
        Value::Null => {}
        other => text.push_str(&format!("\n  {other}")),
    }
    text
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
