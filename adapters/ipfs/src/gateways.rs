//! Trustless gateways: they are asked for raw blocks, and each block is checked
//! (<https://specs.ipfs.tech/http-gateways/trustless-gateway/>).

use std::{sync::Arc, time::Duration};

use argus_ports::{ContentError, Egress, EgressError, EgressRequest, Method, Reach};
use bytes::Bytes;
use url::Url;

use crate::name::Name;

/// Public gateways redirect to a host per CID, once or twice.
const REDIRECTS_MAX: usize = 3;

/// Gateways in the order in which they are asked.
pub(crate) struct Gateways {
    egress: Arc<dyn Egress>,
    bases: Vec<Url>,
    reach: Reach,
    timeout: Duration,
}

/// What one gateway came to.
enum Answer {
    Block(Bytes),
    Other,
    Absent,
    TooLarge,
    Fault(String),
}

impl Gateways {
    /// By their base URLs. `timeout` is for one request.
    ///
    /// # Errors
    /// [`ContentError::Unavailable`] with the first URL that is none.
    pub(crate) fn new(
        egress: Arc<dyn Egress>,
        bases: &[String],
        reach: Reach,
        timeout: Duration,
    ) -> Result<Self, ContentError> {
        let base = |text: &String| {
            let bad = |why: String| ContentError::Unavailable(format!("{text:?} is no gateway: {why}"));
            let url = Url::parse(text).map_err(|e| bad(e.to_string()))?;
            if url.cannot_be_a_base() { Err(bad("give an http or https URL".to_owned())) } else { Ok(url) }
        };
        let bases = bases.iter().map(base).collect::<Result<_, _>>()?;
        Ok(Self { egress, bases, reach, timeout })
    }

    pub(crate) fn is_none(&self) -> bool {
        self.bases.is_empty()
    }

    /// A block of at most `max` bytes from the first gateway that has the right one.
    pub(crate) async fn fetch(&self, name: &Name, max: u64) -> Result<Bytes, ContentError> {
        let (mut lied, mut large, mut faults) = (false, false, Vec::new());
        for base in &self.bases {
            match self.ask(base, name, max).await {
                Answer::Block(bytes) => return Ok(bytes),
                Answer::Absent => {}
                Answer::TooLarge => large = true,
                Answer::Other => {
                    tracing::warn!(gateway = %base, cid = %name.cid(), "the gateway sent other bytes");
                    lied = true;
                }
                Answer::Fault(fault) => faults.push(fault),
            }
        }
        // What says most about the content comes first.
        if large {
            Err(ContentError::TooLarge { max })
        } else if lied {
            Err(ContentError::Mismatch(name.cid()))
        } else if faults.is_empty() {
            Err(ContentError::Absent(name.cid()))
        } else {
            Err(ContentError::Unavailable(faults.join("; ")))
        }
    }

    async fn ask(&self, base: &Url, name: &Name, max: u64) -> Answer {
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
                timeout: self.timeout,
                max_body: max,
                reach: self.reach.clone(),
            };
            let response = match self.egress.fetch(request).await {
                Ok(response) => response,
                Err(EgressError::TooLarge(_)) => return Answer::TooLarge,
                Err(e) => return Answer::Fault(format!("{base}: {e}")),
            };
            match response.status {
                200 if response.body.len() as u64 > max => return Answer::TooLarge,
                200 if name.names(&response.body) => return Answer::Block(response.body),
                200 => return Answer::Other,
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
