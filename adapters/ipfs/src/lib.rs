//! Content by CID: a directory of blocks, and HTTP gateways as a transport that is not trusted.
//!
//! Every byte is hashed again, whatever it came from. What it never does: believe a gateway, or name anything by
//! something else than its hash.

mod blocks;
mod name;

use std::{path::Path, sync::Arc, time::Duration};

use argus_domain::module;
use argus_ports::{ContentError, ContentStore, Egress, EgressError, EgressRequest, Method, Reach};
use async_trait::async_trait;
use blocks::Blocks;
use bytes::Bytes;
use cid::Cid;

/// Of one gateway.
const GATEWAY_TIMEOUT: Duration = Duration::from_secs(10);
/// What a dag-pb node adds to the bytes of its file, at most.
const NODE_OVERHEAD: u64 = 64;

/// Published content.
pub struct IpfsContent {
    blocks: Blocks,
    gateways: Vec<String>,
    egress: Arc<dyn Egress>,
    reach: Reach,
}

impl IpfsContent {
    /// Opens the directory. Gateways are origins like `https://ipfs.example`; they are asked in order for what is
    /// not here. `operator` names private hosts that may be reached all the same.
    pub fn open(
        root: &Path,
        gateways: Vec<String>,
        egress: Arc<dyn Egress>,
        operator: Vec<String>,
    ) -> Result<Self, ContentError> {
        let reach = Reach { allow: Vec::new(), operator };
        Ok(Self { blocks: Blocks::open(root)?, gateways, egress, reach })
    }

    /// Asks the gateways for the block itself, which can be verified whatever they are.
    async fn fetch(&self, cid: &Cid, max: u64) -> Result<Vec<u8>, ContentError> {
        let text = name::canonical(cid);
        let mut met = ContentError::Absent(text.clone());
        for gateway in &self.gateways {
            let request = EgressRequest {
                method: Method::Get,
                url: format!("{}/ipfs/{text}?format=raw", gateway.trim_end_matches('/')),
                headers: vec![("accept".to_owned(), "application/vnd.ipld.raw".to_owned())],
                body: None,
                timeout: GATEWAY_TIMEOUT,
                max_body: max,
                reach: self.reach.clone(),
            };
            match self.egress.fetch(request).await {
                Ok(answer) if answer.status == 200 && name::is_block(cid, &answer.body) => {
                    return Ok(answer.body.to_vec());
                }
                Ok(answer) if answer.status == 200 => {
                    tracing::warn!(%gateway, cid = %text, "a gateway gave other bytes than were named");
                    met = ContentError::Mismatch(text.clone());
                }
                Ok(_) => {}
                Err(EgressError::TooLarge(_)) => met = ContentError::TooLarge { max },
                Err(error) => tracing::debug!(%gateway, %error, "a gateway did not answer"),
            }
        }
        Err(met)
    }
}

#[async_trait]
impl ContentStore for IpfsContent {
    async fn put(&self, bytes: Bytes) -> Result<module::Cid, ContentError> {
        let cid = name::of(&bytes)?;
        let parsed = name::read(&cid.0)?;
        let blocks = self.blocks.clone();
        blocking(move || blocks.put(&parsed, &bytes)).await?;
        Ok(cid)
    }

    async fn get(&self, cid: &module::Cid, max: u64) -> Result<Bytes, ContentError> {
        let parsed = name::read(&cid.0)?;
        let most = max.saturating_add(NODE_OVERHEAD);
        let blocks = self.blocks.clone();
        let here = blocking(move || blocks.get(&parsed, most)).await;
        let block = match here {
            Ok(Some(block)) => block,
            // A block that rotted on disk is fetched again like one that was never here.
            Ok(None) | Err(ContentError::Mismatch(_)) if !self.gateways.is_empty() => {
                let block = self.fetch(&parsed, most).await?;
                let (blocks, copy) = (self.blocks.clone(), block.clone());
                blocking(move || blocks.put(&parsed, &copy)).await?;
                block
            }
            Ok(None) => return Err(ContentError::Absent(name::canonical(&parsed))),
            Err(error) => return Err(error),
        };
        let file = name::file_of(&parsed, &block).ok_or_else(|| {
            ContentError::BadCid(format!(
                "{cid} (it is no file of a single block; publish the script itself)"
            ))
        })?;
        if file.len() as u64 > max { Err(ContentError::TooLarge { max }) } else { Ok(file.into()) }
    }

    fn parse(&self, text: &str) -> Result<module::Cid, ContentError> {
        name::read(text.trim()).map(|cid| name::canonical(&cid))
    }
}

/// Disk work, off the threads that serve.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ContentError> + Send + 'static,
) -> Result<T, ContentError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => Err(ContentError::Unavailable(format!("the disk's thread ended: {error}"))),
    }
}
