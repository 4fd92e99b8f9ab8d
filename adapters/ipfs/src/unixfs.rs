//! Files and folders in dag-pb blocks: <https://ipld.io/specs/codecs/dag-pb/spec/> and
//! <https://specs.ipfs.tech/unixfs/>.

use argus_ports::ContentError;
use bytes::Bytes;
use prost::Message;

use crate::name::Name;

// What `ipfs add --cid-version=1` does when nothing else is asked for, so that content has one name wherever it is
// published: leaves of this size, and this many parts to a node.
pub(crate) const LEAF_BYTES: usize = 256 * 1024;
const PARTS_MAX: usize = 174;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct PbNode {
    #[prost(bytes = "vec", optional, tag = "1")]
    pub data: Option<Vec<u8>>,
    #[prost(message, repeated, tag = "2")]
    pub links: Vec<PbLink>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct PbLink {
    #[prost(bytes = "vec", tag = "1")]
    pub hash: Vec<u8>,
    #[prost(string, optional, tag = "2")]
    pub name: Option<String>,
    #[prost(uint64, optional, tag = "3")]
    pub tsize: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct UnixFs {
    #[prost(int32, tag = "1")]
    pub kind: i32,
    #[prost(bytes = "vec", optional, tag = "2")]
    pub data: Option<Vec<u8>>,
    #[prost(uint64, optional, tag = "3")]
    pub filesize: Option<u64>,
    #[prost(uint64, repeated, packed = "false", tag = "4")]
    pub blocksizes: Vec<u64>,
}

// Kinds of UnixFS nodes.
const KIND_RAW: i32 = 0;
pub(crate) const KIND_FOLDER: i32 = 1;
pub(crate) const KIND_FILE: i32 = 2;
const KIND_SHARDED_FOLDER: i32 = 5;

/// What a block of a file holds: its own bytes, then those of its parts.
#[derive(Debug)]
pub(crate) struct FileNode {
    pub data: Vec<u8>,
    pub parts: Vec<Name>,
}

/// Reads a checked block of a file.
pub(crate) fn file(name: &Name, block: &[u8]) -> Result<FileNode, ContentError> {
    let (node, fs) = node(name, block)?;
    if ![KIND_RAW, KIND_FILE].contains(&fs.kind) {
        return Err(bad(name, "a folder or a link: give the CID of one file, or its path in the folder"));
    }
    let parts: Option<Vec<Name>> = node.links.iter().map(|link| Name::from_bytes(&link.hash)).collect();
    let parts = parts.ok_or_else(|| bad(name, "a file with parts that cannot be checked"))?;
    Ok(FileNode { data: fs.data.unwrap_or_default(), parts })
}

/// What a checked block of a folder has under this name.
pub(crate) fn entry(name: &Name, block: &[u8], wanted: &str) -> Result<Option<Name>, ContentError> {
    let (node, fs) = node(name, block)?;
    match fs.kind {
        KIND_FOLDER => {}
        KIND_SHARDED_FOLDER => return Err(bad(name, "a sharded folder: give the CID of the file itself")),
        _ => return Err(bad(name, "a file, not a folder")),
    }
    let found = node.links.iter().find(|link| link.name.as_deref() == Some(wanted));
    let checked = |link: &PbLink| {
        Name::from_bytes(&link.hash).ok_or_else(|| bad(name, "a folder whose entry cannot be checked"))
    };
    found.map(checked).transpose()
}

fn node(name: &Name, block: &[u8]) -> Result<(PbNode, UnixFs), ContentError> {
    let node = PbNode::decode(block).map_err(|_| bad(name, "a block that is no dag-pb node"))?;
    let fs = UnixFs::decode(node.data.as_deref().unwrap_or_default())
        .map_err(|_| bad(name, "a node that is no UnixFS file"))?;
    Ok((node, fs))
}

fn bad(name: &Name, what: &str) -> ContentError {
    ContentError::BadCid(format!("{} (it names {what})", name.cid()))
}

/// One block of a file that is being published, and what its parent says of it.
struct Part {
    name: Name,
    /// Bytes of the file in it and below.
    content: u64,
    /// Bytes of blocks in it and below.
    total: u64,
}

/// The blocks of content, each after its parts; the last one names the whole.
pub(crate) fn blocks(content: &Bytes) -> Vec<(Name, Bytes)> {
    let mut blocks = Vec::new();
    let mut parts = Vec::new();
    let mut rest = content.clone();
    loop {
        let leaf = rest.split_to(rest.len().min(LEAF_BYTES));
        let len = leaf.len() as u64;
        let name = Name::of_raw(&leaf);
        parts.push(Part { name: name.clone(), content: len, total: len });
        blocks.push((name, leaf));
        if rest.is_empty() {
            break;
        }
    }
    while parts.len() > 1 {
        let mut above = Vec::new();
        for group in parts.chunks(PARTS_MAX) {
            let block = parent(group);
            let name = Name::of_node(&block);
            above.push(Part {
                name: name.clone(),
                content: group.iter().map(|part| part.content).sum(),
                total: block.len() as u64 + group.iter().map(|part| part.total).sum::<u64>(),
            });
            blocks.push((name, block));
        }
        parts = above;
    }
    blocks
}

/// A node of a file. In dag-pb the links stand before the data, whatever their tags.
fn parent(parts: &[Part]) -> Bytes {
    let fs = UnixFs {
        kind: KIND_FILE,
        data: None,
        filesize: Some(parts.iter().map(|part| part.content).sum()),
        blocksizes: parts.iter().map(|part| part.content).collect(),
    };
    let links = parts.iter().map(|part| PbLink {
        hash: part.name.to_bytes(),
        name: Some(String::new()),
        tsize: Some(part.total),
    });
    let mut block = PbNode { data: None, links: links.collect() }.encode_to_vec();
    block.extend(PbNode { data: Some(fs.encode_to_vec()), links: Vec::new() }.encode_to_vec());
    block.into()
}
