//! The link to a remote signer that speaks Web3Signer's HTTP (<https://docs.web3signer.consensys.io>, eth1 mode):
//! which keys it has, and signatures over what it hashes itself.

use std::{sync::Arc, time::Duration};

use alloy::{
    primitives::{Address, hex},
    transports::http::reqwest::{
        self, Certificate, Client, Identity, RequestBuilder, StatusCode, Url, redirect::Policy,
    },
};
use argus_ports::SignerError;
use secp256k1::PublicKey;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{RemoteSigner, address_of};

/// Requests that are made of one signer at once: those of a hardware device queue there anyway.
const ASKED_AT_ONCE: usize = 32;
/// Longest answer to a signature, bytes: 132 are expected.
const SIGNATURE_MAX: usize = 4 * 1024;
/// Longest list of keys, bytes: that of some 7,000.
const KEYS_MAX: usize = 1024 * 1024;

/// Where a remote signer is, and how it is spoken to.
pub struct Web3SignerConfig {
    /// Its `http` or `https` URL, below which `/api/v1/eth1` lies.
    pub url: String,
    /// Longest that a signature may take, with all that is tried again.
    pub timeout: Duration,
    /// What it is shown.
    pub credentials: Option<Credentials>,
    /// Certificates of the authorities that are believed, PEM; `None`: those that the system believes.
    pub authorities: Option<Vec<u8>>,
    /// Our own certificate and its key, PEM.
    pub identity: Option<SecretString>,
}

/// What a signer, or the proxy before it, asks of those who call.
pub enum Credentials {
    /// RFC 7617.
    Basic {
        /// Whose password it is.
        user: String,
        /// The password.
        password: SecretString,
    },
    /// RFC 6750.
    Bearer(SecretString),
}

impl Credentials {
    /// From `user:password`, or from a token, which has no colon; `None`: it is neither.
    pub fn read(text: &SecretString) -> Option<Self> {
        let text = text.expose_secret();
        let is_sound = !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
        match text.split_once(':') {
            _ if !is_sound => None,
            Some((user, password)) if !user.is_empty() && !password.is_empty() => {
                Some(Self::Basic { user: user.to_owned(), password: password.to_owned().into() })
            }
            Some(_) => None,
            None if text.contains(' ') => None,
            None => Some(Self::Bearer(text.to_owned().into())),
        }
    }
}

/// Why a signer cannot be asked. Repeats no credential.
#[derive(Debug, thiserror::Error)]
pub enum BadSigner {
    /// Not a URL, of another scheme, or with more in it than where the signer is.
    #[error("the signer's URL is an http or https URL without user, password, query and fragment")]
    Url,
    /// Not what it should be.
    #[error("the authorities of the signer are no certificates in PEM: {0}")]
    Authorities(reqwest::Error),
    /// Not what it should be.
    #[error("the certificate that the signer is shown is no PEM of a certificate and its key: {0}")]
    Identity(reqwest::Error),
    /// The library cannot be set up.
    #[error("the HTTP client for the signer cannot start: {0}")]
    Client(reqwest::Error),
}

/// A remote signer. Its keys share its connections.
#[derive(Clone)]
pub struct Web3Signer(Arc<Link>);

struct Link {
    client: Client,
    /// With a slash at its end.
    base: Url,
    host: String,
    credentials: Option<Credentials>,
    timeout: Duration,
    slots: Semaphore,
}

impl Web3Signer {
    /// Opens no connection yet: a signer that is away may come later.
    ///
    /// # Errors
    /// [`BadSigner`] where nothing can come of it.
    pub fn new(config: Web3SignerConfig) -> Result<Self, BadSigner> {
        let Web3SignerConfig { url, timeout, credentials, authorities, identity } = config;
        let mut base = Url::parse(&url).map_err(|_| BadSigner::Url)?;
        let has_more = !base.username().is_empty() || base.password().is_some();
        let has_more = has_more || base.query().is_some() || base.fragment().is_some();
        if !matches!(base.scheme(), "http" | "https") || has_more {
            return Err(BadSigner::Url);
        }
        base.set_path(&format!("{}/", base.path().trim_end_matches('/')));
        let host = base.host_str().ok_or(BadSigner::Url)?;
        let host = base.port().map_or(host.to_owned(), |port| format!("{host}:{port}"));
        // As with nodes: one that redirects elsewhere is not the one that was configured, and no proxy of the
        // environment learns what is signed.
        let mut client = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .referer(false)
            .connect_timeout(timeout)
            .pool_max_idle_per_host(ASKED_AT_ONCE)
            .pool_idle_timeout(Duration::from_secs(30))
            .user_agent(concat!("argus/", env!("CARGO_PKG_VERSION")));
        if let Some(pem) = authorities {
            let authorities = Certificate::from_pem_bundle(&pem).map_err(BadSigner::Authorities)?;
            client = client.tls_certs_only(authorities);
        }
        if let Some(pem) = identity {
            let identity = Identity::from_pem(pem.expose_secret().as_bytes()).map_err(BadSigner::Identity)?;
            client = client.identity(identity);
        }
        let client = client.build().map_err(BadSigner::Client)?;
        let slots = Semaphore::new(ASKED_AT_ONCE);
        Ok(Self(Arc::new(Link { client, base, host, credentials, timeout, slots })))
    }

    /// One of its keys, by its address.
    pub fn signer(&self, address: Address) -> RemoteSigner {
        RemoteSigner::new(self.clone(), address)
    }

    /// Its host, for people.
    pub fn host(&self) -> &str {
        &self.0.host
    }

    /// Longest that a signature may take.
    pub(super) fn timeout(&self) -> Duration {
        self.0.timeout
    }

    /// Room for one more request. Waits for it.
    pub(super) async fn slot(&self) -> Result<SemaphorePermit<'_>, SignerError> {
        self.0.slots.acquire().await.map_err(|e| SignerError::Unreachable(e.to_string()))
    }

    /// The name by which it knows the key of an address, which is the public key.
    pub(super) async fn identifier(&self, address: Address) -> Result<String, SignerError> {
        let (status, text) = self.ask(self.0.client.get(self.url("publicKeys")), KEYS_MAX).await?;
        if status != StatusCode::OK {
            return Err(self.failed(status, &text, "its list of keys"));
        }
        let keys: Vec<String> = serde_json::from_str(&text)
            .map_err(|_| SignerError::Wrong(format!("{}: its list of keys is none", self.host())))?;
        let known = keys.iter().find(|key| address_of_hex(key) == Some(address)).cloned();
        known.ok_or_else(|| {
            let (host, n) = (self.host(), keys.len());
            SignerError::Refused(format!("{host} has no key of {address} among its {n}"))
        })
    }

    /// Its signature over the Keccak-256 hash of these bytes, as it gives it; `None`: it does not know that key.
    pub(super) async fn signature(
        &self,
        identifier: &str,
        preimage: &[u8],
    ) -> Result<Option<String>, SignerError> {
        let body = json!({ "data": hex::encode_prefixed(preimage) }).to_string();
        let request = self.0.client.post(self.url(&format!("sign/{identifier}")));
        let request = request.header("content-type", "application/json").body(body);
        match self.ask(request, SIGNATURE_MAX).await? {
            (StatusCode::OK, text) => Ok(Some(text)),
            (StatusCode::NOT_FOUND, _) => Ok(None),
            (status, text) => Err(self.failed(status, &text, "a signature")),
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}api/v1/eth1/{path}", self.0.base)
    }

    async fn ask(&self, request: RequestBuilder, most: usize) -> Result<(StatusCode, String), SignerError> {
        let request = match &self.0.credentials {
            None => request,
            Some(Credentials::Basic { user, password }) => {
                request.basic_auth(user, Some(password.expose_secret()))
            }
            Some(Credentials::Bearer(token)) => request.bearer_auth(token.expose_secret()),
        };
        let unreachable = |error: reqwest::Error| SignerError::Unreachable(self.innermost(error));
        let mut answer = request.send().await.map_err(unreachable)?;
        let status = answer.status();
        let mut text = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
            text.extend_from_slice(&chunk);
            if text.len() > most {
                let says = format!("{}: an answer of more than {most} bytes", self.host());
                return Err(SignerError::Wrong(says));
            }
        }
        Ok((status, String::from_utf8_lossy(&text).into_owned()))
    }

    /// The innermost reason, which is the one that says something.
    fn innermost(&self, error: reqwest::Error) -> String {
        let mut inner: &dyn std::error::Error = &error.without_url();
        while let Some(source) = inner.source() {
            inner = source;
        }
        format!("{}: {inner}", self.host())
    }

    /// What an answer of no success comes to. What it says besides is repeated only as far as it is a short text.
    fn failed(&self, status: StatusCode, text: &str, what: &str) -> SignerError {
        let text = text.trim();
        let is_short = !text.is_empty() && text.len() <= 200 && !text.contains(['<', '\n', '\r']);
        let besides = if is_short { format!(" ({text})") } else { String::new() };
        let says = format!("{} gives {what} with status {status}{besides}", self.host());
        match status {
            StatusCode::TOO_MANY_REQUESTS => SignerError::Unreachable(says),
            status if status.is_server_error() => SignerError::Unreachable(says),
            _ => SignerError::Refused(says),
        }
    }
}

/// The address of a public key: 64 bytes in hex, or 65 with the byte that says so.
fn address_of_hex(text: &str) -> Option<Address> {
    let bytes = hex::decode(text).ok()?;
    let whole = match bytes.len() {
        64 => [&[4], bytes.as_slice()].concat(),
        65 => bytes,
        _ => return None,
    };
    PublicKey::from_slice(&whole).ok().map(|key| address_of(&key))
}
