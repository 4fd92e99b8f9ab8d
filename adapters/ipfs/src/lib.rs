//! Public content by its CID: a directory of blocks, and HTTP gateways where a block is not there.
//!
//! A block is believed for its hash and for nothing else, wherever it comes from: a gateway, or our own disk. A CID
//! names raw bytes, or a UnixFS file (dag-pb) of one block or of several, each of which is checked under its own CID.
//! What is published here is one raw block.

mod directory;
mod gateways;
mod name;
mod unixfs;

use std::{path::Path, sync::Arc, time::Duration};

use argus_domain::module::Cid;
use argus_ports::{ContentError, ContentStore, Egress, Reach};
use async_trait::async_trait;
use bytes::Bytes;

use crate::{directory::Directory, gateways::Gateways, name::Name};

/// A file may hang from this many blocks: 4 MiB in the usual blocks of 256 KiB are 17.
const BLOCKS_MAX: usize = 1024;
/// What a dag-pb block may be larger than the content it carries.
const FRAME_BYTES: u64 = 64 * 1024;
/// One request to one gateway.
const GATEWAY_TIMEOUT: Duration = Duration::from_secs(10);

/// The canonical form of a CID's text.
///
/// # Errors
/// [`ContentError::BadCid`] where it is none that we can check.
pub fn parse(text: &str) -> Result<Cid, ContentError> {
    Name::parse(text).map(|name| name.cid())
}

/// Whether these bytes, which somebody gave for a CID, are what it names. Only one raw block is, which is what we
/// publish: of a file in several blocks there is more to check than its content.
///
/// # Errors
/// [`ContentError::Mismatch`] where they are not, [`ContentError::BadCid`] where the CID is none of ours.
pub fn check(cid: &Cid, bytes: &[u8]) -> Result<(), ContentError> {
    let name = Name::parse(&cid.0)?;
    if name.is_raw() && name.names(bytes) { Ok(()) } else { Err(ContentError::Mismatch(cid.clone())) }
}

/// The content store.
#[derive(Clone)]
pub struct IpfsContent {
    directory: Arc<Directory>,
    gateways: Arc<Gateways>,
}

impl IpfsContent {
    /// Blocks in the folder `root`, which is made (0700) if it is not there. What is absent is asked of the gateways
    /// in their order, and kept; they are base URLs like `https://ipfs.example`. `operator` names those on private
    /// addresses, which the egress filter would refuse otherwise.
    ///
    /// # Errors
    /// [`ContentError::Unavailable`] where the folder cannot be made or written, or a gateway is no URL.
    pub fn open(
        root: &Path,
        gateways: Vec<String>,
        egress: Arc<dyn Egress>,
        operator: Vec<String>,
    ) -> Result<Self, ContentError> {
        let reach = Reach { allow: Vec::new(), operator };
        let gateways = Gateways::new(egress, &gateways, reach, GATEWAY_TIMEOUT)?;
        Ok(Self { directory: Arc::new(Directory::open(root)?), gateways: Arc::new(gateways) })
    }

    /// One block, checked.
    async fn block(&self, name: &Name, max: u64) -> Result<Bytes, ContentError> {
        let at_home = self.directory.read(name, max).await;
        if self.gateways.is_none()
            || !matches!(&at_home, Err(ContentError::Absent(_) | ContentError::Mismatch(_)))
        {
            return at_home;
        }
        let bytes = self.gateways.fetch(name, max).await?;
        if let Err(e) = self.directory.write(name, bytes.clone()).await {
            // It was fetched and checked; keeping it only saves the next fetch.
            tracing::warn!(cid = %name.cid(), error = %e, "a fetched block cannot be kept");
        }
        Ok(bytes)
    }
}

#[async_trait]
impl ContentStore for IpfsContent {
    async fn put(&self, bytes: Bytes) -> Result<Cid, ContentError> {
        let name = Name::of_raw(&bytes);
        self.directory.write(&name, bytes).await?;
        Ok(name.cid())
    }

    async fn get(&self, cid: &Cid, max: u64) -> Result<Bytes, ContentError> {
        let name = Name::parse(&cid.0)?;
        if name.is_raw() {
            return self.block(&name, max).await;
        }
        let mut content = Vec::new();
        // Depth first, so that the parts come in their order.
        let mut waiting = vec![name];
        let mut blocks = 0;
        while let Some(next) = waiting.pop() {
            blocks += 1;
            if blocks > BLOCKS_MAX {
                return Err(ContentError::TooLarge { max });
            }
            let left = max.saturating_sub(content.len() as u64);
            if next.is_raw() {
                content.extend_from_slice(&self.block(&next, left).await.map_err(|e| whole(e, max))?);
                continue;
            }
            let block =
                self.block(&next, left.saturating_add(FRAME_BYTES)).await.map_err(|e| whole(e, max))?;
            let node = unixfs::read(&next, &block)?;
            if node.data.len() as u64 > left {
                return Err(ContentError::TooLarge { max });
            }
            content.extend_from_slice(&node.data);
            waiting.extend(node.parts.into_iter().rev());
        }
        Ok(content.into())
    }

    fn parse(&self, text: &str) -> Result<Cid, ContentError> {
        parse(text)
    }
}

/// A part is too large because the whole is.
fn whole(e: ContentError, max: u64) -> ContentError {
    match e {
        ContentError::TooLarge { .. } => ContentError::TooLarge { max },
        other => other,
    }
}

#[cfg(test)]
mod tests;
