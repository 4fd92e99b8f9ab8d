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

/// Redirects that are followed, each checked anew.
const HOPS_MAX: usize = 5;
/// Largest answer, bytes.
const BODY_MAX: u64 = 1024 * 1024;
/// Of one hop.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Reads sources through an egress.
pub struct HttpValues {
    egress: Arc<dyn Egress>,
    reach: Reach,
}

impl HttpValues {
    /// With the operator's list of hosts.
    pub fn new(egress: Arc<dyn Egress>, operator: Vec<String>) -> Self {
        Self { egress, reach: Reach { allow: Vec::new(), operator } }
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

#[async_trait]
impl ValueReader for HttpValues {
    async fn read(&self, source: &ValueSource) -> Result<Decimal, ValueError> {
        match source.kind {
            SourceKind::Static => source.url.parse().map_err(|e| ValueError::Shape(format!("{e}"))),
            SourceKind::WebSocket => Err(ValueError::Shape(
                "WebSocket sources are not read by this version; use an api source".to_owned(),
            )),
            SourceKind::Api | SourceKind::Oracle => {
                let response = self.get(&source.url).await?;
                if !(200..300).contains(&response.status) {
                    return Err(ValueError::Status(response.status));
                }
                let json: Value = serde_json::from_slice(&response.body)
                    .map_err(|e| ValueError::Shape(format!("the answer is no JSON: {e}")))?;
                extract(&json, source.route.as_ref()).map_err(|e| ValueError::Shape(e.to_string()))
            }
        }
    }
}
