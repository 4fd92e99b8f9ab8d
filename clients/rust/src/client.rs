//! One request: its address, its deadline, its tries.

use std::{fmt, time::Duration};

use bytes::{Bytes, BytesMut};
use reqwest::{
    Method, Response,
    header::{HeaderMap, HeaderValue},
    redirect::Policy,
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{sleep, timeout};
use url::Url;

use crate::{Error, Refusal, Result};

/// Longest time of a call: creating a job runs its script first, and the platform gives that 110 seconds.
const DEADLINE: Duration = Duration::from_secs(120);
/// Most tries of what is safe to send again.
const TRIES: u32 = 3;
/// Pause before the second try; each one after is twice as long.
const PAUSE: Duration = Duration::from_millis(200);
/// Longest answer, bytes.
const ANSWER_MAX: usize = 64 << 20;

/// Where the platform is, and who asks. Cloning shares its connections.
#[derive(Clone)]
pub struct Client {
    pub(crate) http: reqwest::Client,
    /// Ends in `/api/`.
    base: Url,
    pub(crate) key: Option<HeaderValue>,
    pub(crate) deadline: Duration,
    tries: u32,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

/// Settings of a [`Client`].
#[derive(Clone)]
pub struct Builder {
    url: String,
    key: Option<String>,
    deadline: Duration,
    tries: u32,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Builder {
    /// The key that requests carry; without one only public routes answer.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Longest time of one call with all its tries; 120 s.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Most tries of what is safe to send again, 1 for no second one; 3.
    #[must_use]
    pub fn tries(mut self, tries: u32) -> Self {
        self.tries = tries.max(1);
        self
    }

    /// The client.
    ///
    /// # Errors
    /// [`Error::Input`] where the URL is none of http or https, or the key cannot stand in a header.
    pub fn build(self) -> Result<Client> {
        let origin = self.url.trim_end_matches('/').trim_end_matches("/api");
        let base = Url::parse(&format!("{origin}/api/"))
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| Error::Input(format!("{} is no http or https URL", self.url)))?;
        let key = self.key.map(|key| {
            let mut value = HeaderValue::from_str(&key)
                .map_err(|_| Error::Input("an API key has visible ASCII characters alone".to_owned()))?;
            value.set_sensitive(true);
            Ok::<_, Error>(value)
        });
        // Straight to the platform and nowhere else, because the key goes along; WebSockets are upgraded from HTTP/1.1.
        let http = reqwest::Client::builder().no_proxy().redirect(Policy::none()).http1_only().build();
        let http = http.map_err(|e| Error::Input(format!("no TLS: {e}")))?;
        Ok(Client { http, base, key: key.transpose()?, deadline: self.deadline, tries: self.tries })
    }
}

/// A request.
pub(crate) struct Ask {
    method: Method,
    url: Url,
    body: Option<String>,
    once: Option<String>,
}

impl Ask {
    /// A query's parameter, where it says something.
    pub(crate) fn query(mut self, name: &str, value: Option<impl ToString>) -> Self {
        if let Some(value) = value {
            self.url.query_pairs_mut().append_pair(name, &value.to_string());
        }
        self
    }

    /// Its body.
    pub(crate) fn body(mut self, body: &impl serde::Serialize) -> Result<Self> {
        self.body = Some(serde_json::to_string(body).map_err(|e| Error::Input(e.to_string()))?);
        Ok(self)
    }

    /// Under a name of its own, so that it is done once however often it is sent.
    pub(crate) fn once(mut self) -> Self {
        self.once = Some(uuid::Uuid::new_v4().to_string());
        self
    }

    fn is_safe_again(&self) -> bool {
        self.method == Method::GET || self.once.is_some()
    }
}

/// An answer of 2xx.
pub(crate) struct Answer {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// Through [`Value`], whose numbers keep their digits inside of flattened fields too.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T> {
        let value: Value = serde_json::from_slice(&self.body).map_err(|e| Error::Answer(e.to_string()))?;
        serde_json::from_value(value).map_err(|e| Error::Answer(e.to_string()))
    }
}

impl Client {
    /// A client of the platform at this URL, with `/api` or without.
    pub fn builder(url: impl Into<String>) -> Builder {
        Builder { url: url.into(), key: None, deadline: DEADLINE, tries: TRIES }
    }

    /// Any route under `/api`, by its path with its query, for those without a function here. Nothing is sent twice
    /// but a GET.
    ///
    /// # Errors
    /// As every call's.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let answer = self.answer(self.raw(method, path, body)?).await?;
        if answer.body.is_empty() {
            return Ok(Value::Null);
        }
        // The caller gets what was said, also where that is no JSON.
        Ok(answer.read().unwrap_or_else(|_| String::from_utf8_lossy(&answer.body).into_owned().into()))
    }

    /// GET of a file under `/api`, `max` bytes at most.
    ///
    /// # Errors
    /// As every call's; [`Error::Answer`] where it is longer.
    pub async fn download(&self, path: &str, max: usize) -> Result<Bytes> {
        Ok(self.send(self.raw(Method::GET, path, None)?, max).await?.body)
    }

    fn raw(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Ask> {
        let url = self.base.join(path.trim_start_matches('/')).ok();
        let url = url.filter(|url| url.as_str().starts_with(self.base.as_str()));
        let url = url.ok_or_else(|| Error::Input(format!("{path} is no path under /api")))?;
        Ok(Ask { method, url, body: body.map(Value::to_string), once: None })
    }

    /// A request to the route that these parts of a path name; whatever is in them, they stay parts.
    pub(crate) fn ask(&self, method: Method, parts: &[&str]) -> Result<Ask> {
        if let Some(part) = parts.iter().find(|part| part.is_empty() || **part == "." || **part == "..") {
            return Err(Error::Input(format!("{part:?} is no name of anything")));
        }
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(parts);
        }
        Ok(Ask { method, url, body: None, once: None })
    }

    pub(crate) fn get(&self, parts: &[&str]) -> Result<Ask> {
        self.ask(Method::GET, parts)
    }

    /// Sends and reads the answer's JSON.
    pub(crate) async fn json<T: DeserializeOwned>(&self, ask: Ask) -> Result<T> {
        self.answer(ask).await?.read()
    }

    pub(crate) async fn answer(&self, ask: Ask) -> Result<Answer> {
        self.send(ask, ANSWER_MAX).await
    }

    async fn send(&self, ask: Ask, max: usize) -> Result<Answer> {
        timeout(self.deadline, self.tried(&ask, max)).await.unwrap_or(Err(Error::Deadline(self.deadline)))
    }

    async fn tried(&self, ask: &Ask, max: usize) -> Result<Answer> {
        let mut left = if ask.is_safe_again() { self.tries } else { 1 };
        let mut pause = PAUSE;
        loop {
            left -= 1;
            let wait = match self.once(ask, max).await {
                Err(Error::Connection { .. }) if left > 0 => pause,
                Err(Error::Refused(refusal)) if left > 0 && refusal.is_transient() => {
                    refusal.retry_after.unwrap_or(pause)
                }
                done => return done,
            };
            sleep(wait).await;
            pause *= 2;
        }
    }

    async fn once(&self, ask: &Ask, max: usize) -> Result<Answer> {
        let mut request = self.http.request(ask.method.clone(), ask.url.clone());
        if let Some(key) = &self.key {
            request = request.header("x-api-key", key.clone());
        }
        if let Some(body) = &ask.body {
            request = request.header("content-type", "application/json").body(body.clone());
        }
        if let Some(name) = &ask.once {
            request = request.header("idempotency-key", name);
        }
        let response = request.send().await.map_err(|e| unanswered(&ask.url, e))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = taken(response, max).await.map_err(|e| e.unwrap_or_else(|e| unanswered(&ask.url, e)))?;
        if status.is_success() {
            return Ok(Answer { headers, body });
        }
        let again = headers.get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let text = String::from_utf8_lossy(&body);
        let refusal = Refusal::read(status.as_u16(), again.map(Duration::from_secs), &text);
        Err(Error::Refused(Box::new(refusal)))
    }

    /// Where changes come from.
    pub(crate) fn socket_url(&self) -> Result<Url> {
        Ok(self.get(&["ws", "tasks"])?.url)
    }
}

/// A body of `max` bytes at most.
async fn taken(mut response: Response, max: usize) -> std::result::Result<Bytes, TakenError> {
    let mut body = BytesMut::new();
    while let Some(part) = response.chunk().await.map_err(TakenError::Connection)? {
        if body.len() + part.len() > max {
            return Err(TakenError::TooLong(max));
        }
        body.extend_from_slice(&part);
    }
    Ok(body.freeze())
}

enum TakenError {
    Connection(reqwest::Error),
    TooLong(usize),
}

impl TakenError {
    fn unwrap_or_else(self, unanswered: impl FnOnce(reqwest::Error) -> Error) -> Error {
        match self {
            Self::Connection(e) => unanswered(e),
            Self::TooLong(max) => Error::Answer(format!("it has more than {max} bytes")),
        }
    }
}

/// The library's own words have the whole URL in them.
pub(crate) fn unanswered(url: &Url, source: reqwest::Error) -> Error {
    Error::Connection { url: url.origin().ascii_serialization(), source: Box::new(source.without_url()) }
}
