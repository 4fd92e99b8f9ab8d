//! Public content by its CID: a directory of blocks, and the operator's IPFS node and HTTP gateways where a block is
//! not there.
//!
//! A block is believed for its hash and for nothing else, wherever it comes from: a node, a gateway, or our own disk.
//! A CID names raw bytes, or a UnixFS file (dag-pb) of one block or of several, each of which is checked under its
//! own CID. What is published here has the name that `ipfs add --cid-version=1` gives it, is kept in the directory
//! first, and is pinned on the node where there is one: so a node that is lost takes nothing with it.

mod directory;
mod gateways;
mod name;
mod node;
mod sources;
mod unixfs;

use std::{path::PathBuf, sync::Arc};

use argus_domain::module::Cid;
use argus_ports::{ContentError, ContentStore, Egress, Reach};
use async_trait::async_trait;
use bytes::Bytes;

use crate::{directory::Directory, gateways::Gateway, name::Name, node::Node, sources::Source};

/// A file may hang from this many blocks: 4 MiB in the usual blocks of 256 KiB are 17.
const BLOCKS_MAX: usize = 1024;
/// What a dag-pb block may be larger than the content it carries.
const FRAME_BYTES: u64 = 64 * 1024;
/// A folder's block is not larger than this.
const FOLDER_BYTES: u64 = 2 << 20;
/// Folders in a path.
const PATH_DEPTH_MAX: usize = 32;

/// The canonical form of a CID's text.
///
/// # Errors
/// [`ContentError::BadCid`] where it is none that we can check.
pub fn parse(text: &str) -> Result<Cid, ContentError> {
    Name::parse(text).map(|name| name.cid())
}

/// Whether these bytes, which somebody gave for a CID, are what it names: as one raw block, or as we would publish
/// them. A file that was cut into other blocks cannot be checked by its content alone.
///
/// # Errors
/// [`ContentError::Mismatch`] where they are not, [`ContentError::BadCid`] where the CID is none of ours.
pub fn check(cid: &Cid, bytes: &[u8]) -> Result<(), ContentError> {
    let name = Name::parse(&cid.0)?;
    let as_published =
        || unixfs::blocks(&Bytes::copy_from_slice(bytes)).pop().is_some_and(|(root, _)| root == name);
    if name.is_raw() && name.names(bytes) || as_published() {
        Ok(())
    } else {
        Err(ContentError::Mismatch(cid.clone()))
    }
}

/// Where content is kept and looked for.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// The folder of blocks, made (0700) if it is not there.
    pub root: PathBuf,
    /// The RPC of the operator's IPFS node, like `http://127.0.0.1:5001`.
    pub node: Option<String>,
    /// Base URLs of gateways, like `https://ipfs.example`, likeliest first.
    pub gateways: Vec<String>,
    /// Hosts of gateways on private addresses, which the egress filter would refuse otherwise.
    pub operator: Vec<String>,
}

/// The content store.
#[derive(Clone)]
pub struct IpfsContent {
    directory: Arc<Directory>,
    /// The node first: it is near.
    sources: Arc<[Source]>,
}

impl IpfsContent {
    /// Opens the folder; node and gateways are reached only when they are needed.
    ///
    /// # Errors
    /// [`ContentError::Unavailable`] where the folder cannot be made or written, or a URL is none.
    pub fn open(places: &Places, egress: &Arc<dyn Egress>) -> Result<Self, ContentError> {
        let reach = Reach { allow: Vec::new(), operator: places.operator.clone() };
        let node = places.node.iter().map(|url| Node::new(url).map(Source::Node));
        let gateways = places
            .gateways
            .iter()
            .map(|base| Gateway::new(Arc::clone(egress), base, reach.clone()).map(Source::Gateway));
        let sources = node.chain(gateways).collect::<Result<_, _>>()?;
        Ok(Self { directory: Arc::new(Directory::open(&places.root)?), sources })
    }

    /// One block, checked.
    async fn block(&self, name: &Name, max: u64) -> Result<Bytes, ContentError> {
        let at_home = self.directory.read(name, max).await;
        if self.sources.is_empty()
            || !matches!(&at_home, Err(ContentError::Absent(_) | ContentError::Mismatch(_)))
        {
            return at_home;
        }
        let bytes = sources::fetch(&self.sources, name, max).await?;
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
        let mut root = Name::of_raw(&[]);
        for (name, block) in unixfs::blocks(&bytes) {
            self.directory.write(&name, block).await?;
            root = name;
        }
        for source in self.sources.iter() {
            if let Source::Node(node) = source {
                node.publish(&bytes, &root).await?;
            }
        }
        Ok(root.cid())
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
            let node = unixfs::file(&next, &block)?;
            if node.data.len() as u64 > left {
                return Err(ContentError::TooLarge { max });
            }
            content.extend_from_slice(&node.data);
            waiting.extend(node.parts.into_iter().rev());
        }
        Ok(content.into())
    }

    async fn resolve(&self, path: &str) -> Result<Cid, ContentError> {
        let mut steps = path.split('/').filter(|step| !step.is_empty());
        let mut name = Name::parse(steps.next().unwrap_or_default())?;
        for (depth, step) in steps.enumerate() {
            if depth == PATH_DEPTH_MAX || name.is_raw() {
                return Err(ContentError::Absent(name.cid()));
            }
            let block = self.block(&name, FOLDER_BYTES).await?;
            name = unixfs::entry(&name, &block, step)?.ok_or_else(|| ContentError::Absent(name.cid()))?;
        }
        Ok(name.cid())
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
