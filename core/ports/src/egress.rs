//! The one way to other people's URLs.

use std::{fmt, time::Duration};

use argus_domain::{decimal::Decimal, rule::ValueSource};
use async_trait::async_trait;
use bytes::Bytes;

/// HTTP methods that go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// GET
    Get,
    /// HEAD
    Head,
    /// POST
    Post,
    /// PUT
    Put,
    /// PATCH
    Patch,
    /// DELETE
    Delete,
}

/// One hop. Redirects are answers like any other: whoever follows one makes a new request, which is checked anew.
#[derive(Clone, PartialEq, Eq)]
pub struct EgressRequest {
    /// Method.
    pub method: Method,
    /// `http` or `https` URL; userinfo is refused.
    pub url: String,
    /// Headers as given.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Option<Bytes>,
    /// From the first look-up to the last byte.
    pub timeout: Duration,
    /// Largest decoded body.
    pub max_body: u64,
    /// Hosts that may be reached.
    pub reach: Reach,
}

/// Says nothing of what is sent: secrets are in it.
impl fmt::Debug for EgressRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EgressRequest").field("method", &self.method).finish_non_exhaustive()
    }
}

/// Which hosts may be reached.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reach {
    /// Empty: any host with a public address. Otherwise only these: `name`, `name:port`, `address`,
    /// `address:port`. A name grants only its public addresses; an address literal grants exactly that address,
    /// a loopback or private one included.
    pub allow: Vec<String>,
    /// The operator's list, reachable besides: the same forms.
    pub operator: Vec<String>,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EgressResponse {
    /// Status code.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body, decoded (gzip, deflate, br).
    pub body: Bytes,
}

/// Why nothing came back. All but `Denied` say nothing about the next try.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// The filter refuses: scheme, userinfo, address, or not on the list.
    #[error("not allowed: {0}")]
    Denied(String),
    /// Too slow.
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// Larger than allowed once decoded.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(u64),
    /// Name, connection, TLS or protocol.
    #[error("{0}")]
    Transport(String),
}

/// Goes out, through the filter.
#[async_trait]
pub trait Egress: Send + Sync {
    /// Carries out one hop: resolve, check every address, pin, connect.
    async fn fetch(&self, request: EgressRequest) -> Result<EgressResponse, EgressError>;

    /// Whether the filter would refuse this URL as far as can be said without a look-up.
    fn check(&self, url: &str, reach: &Reach) -> Result<(), EgressError>;
}

/// Why a source gave no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// It could not be reached.
    #[error("the source could not be read: {0}")]
    Fetch(#[from] EgressError),
    /// It answered with another status than 2xx.
    #[error("the source answered with status {0}")]
    Status(u16),
    /// Its answer holds no number there.
    #[error("the source's answer holds no number: {0}")]
    Shape(String),
}

/// Reads observed values.
#[async_trait]
pub trait ValueReader: Send + Sync {
    /// The source's value now.
    async fn read(&self, source: &ValueSource) -> Result<Decimal, ValueError>;
}
