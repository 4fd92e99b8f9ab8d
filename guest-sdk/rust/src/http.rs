//! HTTP through the host: no sockets, every answer recorded.

use serde_json::{Value, json};

use crate::{HostError, Result, from_hex, guest, to_hex};

/// A request on its way.
#[derive(Debug, Clone)]
#[must_use = "a request goes out with .send()"]
pub struct Request(Value);

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// The headers that scripts see, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, decoded.
    pub body: Vec<u8>,
    /// Where the answer came from, after redirects.
    pub url: String,
}

/// `GET url`.
pub fn get(url: impl Into<String>) -> Request {
    request("GET", url)
}

/// `POST url` with a JSON body.
pub fn post_json(url: impl Into<String>, body: &Value) -> Request {
    request("POST", url).header("content-type", "application/json").body(body.to_string())
}

/// Any other method: HEAD, PUT, PATCH, DELETE.
pub fn request(method: &str, url: impl Into<String>) -> Request {
    Request(json!({ "method": method, "url": url.into(), "headers": [] }))
}

impl Request {
    /// With one more header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Some(headers) = self.0["headers"].as_array_mut() {
            headers.push(json!([name, value]));
        }
        self
    }

    /// With this body.
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.0["body"] = to_hex(body.as_ref()).into();
        self
    }

    /// With a time-out of its own, 5,000 ms at most.
    pub fn timeout_ms(mut self, ms: u64) -> Self {
        self.0["timeout_ms"] = ms.into();
        self
    }

    /// Sends it. A status of 400 or more is an answer like any other.
    pub fn send(self) -> std::result::Result<Response, HostError> {
        let reply = guest::http_fetch(self.0)?;
        response(&reply).ok_or_else(|| HostError {
            kind: "invalid".to_owned(),
            message: "the host's answer is no HTTP answer".to_owned(),
            data: None,
        })
    }
}

fn response(reply: &Value) -> Option<Response> {
    let headers = reply["headers"].as_array()?.iter();
    Some(Response {
        status: u16::try_from(reply["status"].as_u64()?).ok()?,
        headers: headers
            .map(|pair| Some((pair[0].as_str()?.to_owned(), pair[1].as_str()?.to_owned())))
            .collect::<Option<_>>()?,
        body: from_hex(reply["body"].as_str()?).ok()?,
        url: reply["url"].as_str()?.to_owned(),
    })
}

impl Response {
    /// Whether the status is 2xx.
    pub fn is_ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as text.
    pub fn text(&self) -> Result<String> {
        Ok(String::from_utf8(self.body.clone())?)
    }

    /// The body as JSON, if the status is 2xx.
    pub fn json(&self) -> Result<Value> {
        if !self.is_ok() {
            return Err(crate::Error::Failed(format!("{} answered {}", self.url, self.status)));
        }
        Ok(serde_json::from_slice(&self.body)?)
    }

    /// A header; names are in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}
