//! Files in dag-pb blocks: <https://ipld.io/specs/codecs/dag-pb/spec/> and
//! <https://specs.ipfs.tech/unixfs/>.

use argus_ports::ContentError;
use prost::Message;

use crate::name::Name;

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
    #[prost(string, tag = "2")]
    pub name: String,
    #[prost(uint64, tag = "3")]
    pub tsize: u64,
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

// Kinds of UnixFS nodes that are files.
const KIND_RAW: i32 = 0;
pub(crate) const KIND_FILE: i32 = 2;

/// What a block of a file holds: its own bytes, then those of its parts.
#[derive(Debug)]
pub(crate) struct FileNode {
    pub data: Vec<u8>,
    pub parts: Vec<Name>,
}

/// Reads a checked block.
pub(crate) fn read(name: &Name, block: &[u8]) -> Result<FileNode, ContentError> {
    let no_file = |what: &str| {
        ContentError::BadCid(format!("{} (it names {what}: give the CID of one file)", name.cid()))
    };
    let node = PbNode::decode(block).map_err(|_| no_file("a block that is no dag-pb node"))?;
    let data = node.data.unwrap_or_default();
    let file = UnixFs::decode(&data[..]).map_err(|_| no_file("a node that is no UnixFS file"))?;
    if ![KIND_RAW, KIND_FILE].contains(&file.kind) {
        return Err(no_file("a folder or a link"));
    }
    let parts: Option<Vec<Name>> = node.links.iter().map(|link| Name::from_bytes(&link.hash)).collect();
    let parts = parts.ok_or_else(|| no_file("a file with parts that cannot be checked"))?;
    Ok(FileNode { data: file.data.unwrap_or_default(), parts })
}
