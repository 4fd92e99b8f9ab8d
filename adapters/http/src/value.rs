//! Observed values: JSON from a URL, and the number in it.

use std::{sync::Arc, time::Duration};

use argus_domain::{
    Value,
    decimal::Decimal,
    rule::{SourceKind, ValueSource, extract},
};
use argus_ports::{
    Egress, EgressError, EgressRequest, EgressResponse, Method, Reach, ValueError, ValueReader,
};
use async_trait::async_trait;
use url::Url;

use crate::socket::Sockets;

/// Redirects that are followed, each checked anew.
const HOPS_MAX: usize = 5;
/// Largest answer, bytes.
const BODY_MAX: u64 = 1024 * 1024;
/// Messages of a WebSocket that are looked at.
const MESSAGES_MAX: usize = 20;
/// Of one hop, or of one look at a WebSocket.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Reads sources through an egress.
pub struct HttpValues {
    egress: Arc<dyn Egress>,
    sockets: Sockets,
    reach: Reach,
}

impl HttpValues {
    /// With the operator's list of hosts.
    pub fn new(egress: Arc<dyn Egress>, operator: Vec<String>) -> Self {
        Self { egress, sockets: Sockets::default(), reach: Reach { allow: Vec::new(), operator } }
    }

    async fn get(&self, url: &str) -> Result<EgressResponse, EgressError> {
        let mut url = url.to_owned();
        for _ in 0..=HOPS_MAX {
            let request = EgressRequest {
                method: Method::Get,
                url: url.clone(),
                headers: vec![("accept".to_owned(), "application/json".to_owned())],
                body: None,
                timeout: TIMEOUT,
                max_body: BODY_MAX,
                reach: self.reach.clone(),
            };
            let response = self.egress.fetch(request).await?;
            let location =
                response.headers.iter().find(|(name, _)| name == "location").map(|(_, value)| value);
            match location {
                Some(location) if matches!(response.status, 301 | 302 | 303 | 307 | 308) => {
                    url = Url::parse(&url)
                        .and_then(|base| base.join(location))
                        .map_err(|e| EgressError::Transport(format!("a redirect that is no URL: {e}")))?
                        .to_string();
                }
                _ => return Ok(response),
            }
        }
        Err(EgressError::Transport(format!("more than {HOPS_MAX} redirects")))
    }
}

impl HttpValues {
    /// Connects, and waits for the first message that holds the number: feeds like to begin with a greeting.
    async fn listen(&self, source: &ValueSource) -> Result<Decimal, ValueError> {
        let mut socket = self.sockets.connect(&source.url, &self.reach, BODY_MAX as usize).await?;
        let mut fault = ValueError::Shape("it sends no message with a number".to_owned());
        for _ in 0..MESSAGES_MAX {
            let Some(message) = socket.next().await? else { return Err(fault) };
            match number_in(&message, source) {
                Ok(number) => return Ok(number),
                Err(shape) => fault = shape,
            }
        }
        Err(fault)
    }
}

fn number_in(body: &[u8], source: &ValueSource) -> Result<Decimal, ValueError> {
    let json: Value =
        serde_json::from_slice(body).map_err(|e| ValueError::Shape(format!("the answer is no JSON: {e}")))?;
    extract(&json, source.route.as_ref()).map_err(|e| ValueError::Shape(e.to_string()))
}

#[async_trait]
impl ValueReader for HttpValues {
    async fn read(&self, source: &ValueSource) -> Result<Decimal, ValueError> {
        match source.kind {
            SourceKind::Static => source.url.parse().map_err(|e| ValueError::Shape(format!("{e}"))),
            SourceKind::WebSocket => tokio::time::timeout(TIMEOUT, self.listen(source))
                .await
                .unwrap_or(Err(ValueError::Fetch(EgressError::Timeout(TIMEOUT)))),
            SourceKind::Api | SourceKind::Oracle => {
                let response = self.get(&source.url).await?;
                if !(200..300).contains(&response.status) {
                    return Err(ValueError::Status(response.status));
                }
                number_in(&response.body, source)
            }
        }
    }
}
