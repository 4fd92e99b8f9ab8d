//! Trustless gateways: they are asked for raw blocks, and each block is checked
//! (<https://specs.ipfs.tech/http-gateways/trustless-gateway/>).

use std::{sync::Arc, time::Duration};

use argus_ports::{ContentError, Egress, EgressError, EgressRequest, Method, Reach};
use url::Url;

use crate::{name::Name, sources::Answer};

/// Public gateways redirect to a host per CID, once or twice.
const REDIRECTS_MAX: usize = 3;
/// One request.
const TIMEOUT: Duration = Duration::from_secs(10);

/// One gateway.
pub(crate) struct Gateway {
    egress: Arc<dyn Egress>,
    base: Url,
    reach: Reach,
}

impl Gateway {
    /// By its base URL.
    ///
    /// # Errors
    /// [`ContentError::Unavailable`] where that is none.
    pub(crate) fn new(egress: Arc<dyn Egress>, base: &str, reach: Reach) -> Result<Self, ContentError> {
        let bad = |why: &str| ContentError::Unavailable(format!("{base:?} is no gateway: {why}"));
        let url = Url::parse(base).map_err(|e| bad(&e.to_string()))?;
        if url.cannot_be_a_base() {
            return Err(bad("give an http or https URL"));
        }
        Ok(Self { egress, base: url, reach })
    }

    pub(crate) fn url(&self) -> &str {
        self.base.as_str()
    }

    /// A block as the gateway gives it; the caller checks it.
    pub(crate) async fn block(&self, name: &Name, max: u64) -> Answer {
        let base = &self.base;
        let mut url = base.clone();
        let path = format!("{}/ipfs/{}", base.path().trim_end_matches('/'), name.cid());
        url.set_path(&path);
        url.set_query(Some("format=raw"));
        for _ in 0..=REDIRECTS_MAX {
            let request = EgressRequest {
                method: Method::Get,
                url: url.to_string(),
                headers: vec![("accept".to_owned(), "application/vnd.ipld.raw".to_owned())],
                body: None,
                timeout: TIMEOUT,
                max_body: max,
                reach: self.reach.clone(),
            };
            let response = match self.egress.fetch(request).await {
                Ok(response) => response,
                Err(EgressError::TooLarge(_)) => return Answer::TooLarge,
                Err(e) => return Answer::Fault(format!("{base}: {e}")),
            };
            match response.status {
                200 => return Answer::Block(response.body),
                301 | 302 | 303 | 307 | 308 => {
                    let to = response.headers.iter().find(|(header, _)| header == "location");
                    match to.and_then(|(_, to)| url.join(to).ok()) {
                        Some(to) => url = to,
                        None => return Answer::Fault(format!("{base}: a redirect to nowhere")),
                    }
                }
                404 | 410 => return Answer::Absent,
                status => return Answer::Fault(format!("{base}: status {status}")),
            }
        }
        Answer::Fault(format!("{base}: more than {REDIRECTS_MAX} redirects"))
    }
}
