//! Goes out: one hop at a time, to addresses that the filter has seen.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use argus_ports::{Egress, EgressError, EgressRequest, EgressResponse, Method, Reach};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use reqwest::{
    Client, ClientBuilder,
    dns::{Addrs, Name, Resolve, Resolving},
    header::HeaderValue,
    redirect,
};

use crate::{address::is_public, filter};

/// Longest time-out that a caller can ask for.
const TIMEOUT_MAX: Duration = Duration::from_secs(60);
/// Most bytes of response headers that are kept.
const HEADERS_MAX: usize = 64 * 1024;

/// HTTP to other people's hosts. Names are resolved here and connected to by the address that was checked, so that a
/// name which changes its mind between check and connection changes nothing.
pub struct HttpEgress {
    client: Client,
}

impl HttpEgress {
    /// One client for all requests; connections are kept for reuse, by host.
    pub fn new() -> Result<Self, EgressError> {
        let client = builder().build().map_err(unbuilt)?;
        Ok(Self { client })
    }
}

/// What every client here has: no redirects, no proxies, public addresses alone.
pub(crate) fn builder() -> ClientBuilder {
    builder_with(Arc::new(|host| {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, 0)).await?.collect()) })
    }))
}

fn builder_with(lookup: Lookup) -> ClientBuilder {
    Client::builder()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .dns_resolver(PublicOnly { lookup })
        .connect_timeout(Duration::from_secs(10))
        .pool_idle_timeout(Duration::from_secs(30))
        .pool_max_idle_per_host(8)
        .referer(false)
        .user_agent(concat!("argus/", env!("CARGO_PKG_VERSION")))
}

pub(crate) fn unbuilt(error: reqwest::Error) -> EgressError {
    EgressError::Transport(format!("the HTTP client cannot start: {error}"))
}

#[async_trait]
impl Egress for HttpEgress {
    async fn fetch(&self, request: EgressRequest) -> Result<EgressResponse, EgressError> {
        let timeout = request.timeout.min(TIMEOUT_MAX);
        match tokio::time::timeout(timeout, self.hop(request)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(EgressError::Timeout(timeout)),
        }
    }

    fn check(&self, url: &str, reach: &Reach) -> Result<(), EgressError> {
        filter::check(url, reach).map(|_| ())
    }
}

impl HttpEgress {
    async fn hop(&self, request: EgressRequest) -> Result<EgressResponse, EgressError> {
        let allowed = filter::check(&request.url, &request.reach)?;
        let mut outgoing = self.client.request(method(request.method), allowed.url);
        for (name, value) in &request.headers {
            if is_ours(name) {
                continue;
            }
            let mut value = HeaderValue::from_str(value)
                .map_err(|_| EgressError::Transport(format!("the header {name} is malformed")))?;
            // It may be a secret: no library is to show it in its own log.
            value.set_sensitive(true);
            outgoing = outgoing.header(name, value);
        }
        if let Some(body) = request.body {
            outgoing = outgoing.body(body);
        }
        let mut response = outgoing.send().await.map_err(explain)?;
        let mut headers = Vec::new();
        let mut size = 0;
        for (name, value) in response.headers() {
            size += name.as_str().len() + value.len();
            if size > HEADERS_MAX {
                break;
            }
            headers.push((name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        }
        let status = response.status().as_u16();
        let mut body = BytesMut::new();
        // Counted as decoded, chunk by chunk: a small answer that unpacks into a large one ends here.
        while let Some(chunk) = response.chunk().await.map_err(explain)? {
            if (body.len() + chunk.len()) as u64 > request.max_body {
                return Err(EgressError::TooLarge(request.max_body));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(EgressResponse { status, headers, body: Bytes::from(body) })
    }
}

/// Headers that the connection itself decides.
fn is_ours(name: &str) -> bool {
    [
        "host",
        "connection",
        "content-length",
        "transfer-encoding",
        "upgrade",
        "te",
        "trailer",
        "proxy-authorization",
    ]
    .iter()
    .any(|ours| name.eq_ignore_ascii_case(ours))
}

fn method(m: Method) -> reqwest::Method {
    match m {
        Method::Get => reqwest::Method::GET,
        Method::Head => reqwest::Method::HEAD,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Patch => reqwest::Method::PATCH,
        Method::Delete => reqwest::Method::DELETE,
    }
}

/// The innermost reason, which is the one that says something; never the URL, whose query may hold a key.
pub(crate) fn explain(error: reqwest::Error) -> EgressError {
    let error = error.without_url();
    let mut inner: &dyn std::error::Error = &error;
    while let Some(source) = inner.source() {
        if let Some(denied) = source.downcast_ref::<NoPublicAddress>() {
            return EgressError::Denied(denied.to_string());
        }
        inner = source;
    }
    EgressError::Transport(inner.to_string())
}

/// All addresses of a name.
type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// Resolves names to their public addresses, once for each connection: what it gives is what is connected to.
struct PublicOnly {
    lookup: Lookup,
}

/// A name that leads nowhere public.
#[derive(Debug, thiserror::Error)]
#[error("{0} has no public address")]
struct NoPublicAddress(String);

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        let found = (self.lookup)(host.clone());
        Box::pin(async move {
            let public: Vec<_> = found.await?.into_iter().filter(|a| is_public(a.ip())).collect();
            if public.is_empty() {
                return Err(Box::new(NoPublicAddress(host)) as Box<dyn std::error::Error + Send + Sync>);
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::net::TcpListener;

    use super::*;

    /// A name whose owner changes its mind: each look-up takes the next of these.
    fn rebinding(answers: &[&[&str]]) -> Lookup {
        let parse = |list: &[&str]| list.iter().map(|a| a.parse().expect("an address")).collect();
        let answers: Mutex<Vec<Vec<SocketAddr>>> =
            Mutex::new(answers.iter().rev().map(|a| parse(a)).collect());
        Arc::new(move |_| {
            let next = answers.lock().expect("lock").pop();
            Box::pin(
                async move { next.ok_or_else(|| io::Error::other("looked up once more than connected")) },
            )
        })
    }

    #[tokio::test]
    async fn a_name_is_looked_up_once_and_its_private_addresses_are_left_out() {
        let resolver = PublicOnly {
            lookup: rebinding(&[
                &["127.0.0.1:0", "8.8.8.8:0", "[::1]:0", "10.0.0.1:0", "[2606:4700::1111]:0"],
                &["169.254.169.254:0"],
            ]),
        };
        let resolve = || resolver.resolve("rebound.example".parse().expect("a name"));
        let first: Vec<String> = resolve().await.expect("public ones").map(|a| a.ip().to_string()).collect();
        assert_eq!(first, ["8.8.8.8", "2606:4700::1111"]);
        let second = resolve().await.map(Iterator::collect::<Vec<_>>);
        assert_eq!(second.expect_err("none is public").to_string(), "rebound.example has no public address");
    }

    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_not_connected_to() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("bind");
        let port = listener.local_addr().expect("address").port();
        let lookup = rebinding(&[&["127.0.0.1:0"], &["[::ffff:127.0.0.1]:0"]]);
        let egress = HttpEgress { client: builder_with(lookup).build().expect("client") };
        for _ in 0..2 {
            let outcome = egress.fetch(EgressRequest {
                method: Method::Get,
                url: format!("http://rebound.example:{port}/"),
                headers: Vec::new(),
                body: None,
                timeout: Duration::from_secs(30),
                max_body: 10,
                reach: Reach { allow: vec!["rebound.example".to_owned()], operator: Vec::new() },
            });
            let outcome = outcome.await;
            assert_eq!(outcome, Err(EgressError::Denied("rebound.example has no public address".to_owned())));
        }
        let nobody = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
        assert!(nobody.is_err(), "somebody connected");
    }
}
