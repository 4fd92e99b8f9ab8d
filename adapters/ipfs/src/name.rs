//! CIDs: how content is named, and whether bytes are what a name says.

use argus_domain::module;
use argus_ports::ContentError;
use cid::{Cid, Version};
use multihash::Multihash;
use sha2::{Digest, Sha256};

/// Multicodec: the bytes themselves.
const RAW: u64 = 0x55;
/// Multicodec: a node of a UnixFS file.
const DAG_PB: u64 = 0x70;
/// Multihash: sha2-256.
const SHA2_256: u64 = 0x12;

/// Longest text that is looked at.
const TEXT_MAX: usize = 128;

/// The name of bytes: CIDv1, raw, sha2-256.
pub fn of(bytes: &[u8]) -> Result<module::Cid, ContentError> {
    let hash = Multihash::<64>::wrap(SHA2_256, &Sha256::digest(bytes))
        .map_err(|e| ContentError::Unavailable(format!("hashing failed: {e}")))?;
    Ok(canonical(&Cid::new_v1(RAW, hash)))
}

/// Reads a CID of a kind that can be verified: CIDv0 or CIDv1, raw or dag-pb, sha2-256.
pub fn read(text: &str) -> Result<Cid, ContentError> {
    let bad = || ContentError::BadCid(text.chars().take(TEXT_MAX).collect());
    if text.len() > TEXT_MAX {
        return Err(bad());
    }
    let cid = Cid::try_from(text).map_err(|_| bad())?;
    let good =
        cid.hash().code() == SHA2_256 && cid.hash().size() == 32 && matches!(cid.codec(), RAW | DAG_PB);
    if good { Ok(cid) } else { Err(bad()) }
}

/// The text under which a CID is known here: version 1, base32. A version 0 CID is its version 1 twin.
pub fn canonical(cid: &Cid) -> module::Cid {
    let v1 = match cid.version() {
        Version::V0 => Cid::new_v1(DAG_PB, *cid.hash()),
        Version::V1 => *cid,
    };
    module::Cid(v1.to_string())
}

/// Whether a block is the one that is named.
pub fn is_block(cid: &Cid, block: &[u8]) -> bool {
    Sha256::digest(block)[..] == *cid.hash().digest()
}

/// The file that a verified block holds: itself for raw; for dag-pb the data of a UnixFS file of a single block.
pub fn file_of(cid: &Cid, block: &[u8]) -> Option<Vec<u8>> {
    match cid.codec() {
        RAW => Some(block.to_vec()),
        DAG_PB => unixfs_file(dag_pb_leaf(block)?),
        _ => None,
    }
}

/// The data of a dag-pb node without links (protobuf field 1; a field 2 is a link).
fn dag_pb_leaf(block: &[u8]) -> Option<&[u8]> {
    let mut data = None;
    let mut fields = Fields(block);
    while let Some((field, value)) = fields.next()? {
        match (field, value) {
            (1, Field::Bytes(bytes)) => data = Some(bytes),
            // A link: the file has more blocks than this one.
            _ => return None,
        }
    }
    data
}

/// The content of a UnixFS message of type file (2) or raw (0) that lists no further blocks.
fn unixfs_file(message: &[u8]) -> Option<Vec<u8>> {
    let (mut kind, mut data) = (None, Vec::new());
    let mut fields = Fields(message);
    while let Some((field, value)) = fields.next()? {
        match (field, value) {
            (1, Field::Number(n)) => kind = Some(n),
            (2, Field::Bytes(bytes)) => data = bytes.to_vec(),
            // Size of the file; it has to be the size of the data for a file of one block.
            (3, Field::Number(_)) => {}
            _ => return None,
        }
    }
    matches!(kind, Some(0 | 2)).then_some(data)
}

enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// Reads protobuf fields of the two wire types that dag-pb and UnixFS use.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// The next field; `Some(None)` at the end; `None` where it is malformed.
    #[allow(clippy::type_complexity, reason = "malformed, ended and found are three answers")]
    fn next(&mut self) -> Option<Option<(u64, Field<'a>)>> {
        if self.0.is_empty() {
            return Some(None);
        }
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Field::Number(self.varint()?),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                let bytes = self.0.get(..length)?;
                self.0 = &self.0[length..];
                Field::Bytes(bytes)
            }
            _ => return None,
        };
        Some(Some((tag >> 3, value)))
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_other_tools_give() {
        // `ipfs add --cid-version=1 --raw-leaves` of "hello world\n" without and with a wrapping node.
        let cid = of(b"hello world\n").expect("name");
        assert_eq!(cid.0, "bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4");
        let v0 = read("QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o").expect("v0");
        let block = [&[0x0a, 0x12, 0x08, 0x02, 0x12, 0x0c][..], b"hello world\n", &[0x18, 0x0c]].concat();
        assert!(is_block(&v0, &block));
        assert_eq!(file_of(&v0, &block).expect("file"), b"hello world\n");
        assert!(canonical(&v0).0.starts_with("bafybei"));
    }

    #[test]
    fn what_cannot_be_verified_is_refused() {
        for text in ["", "hello", "bafy", "QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5", &"b".repeat(500)] {
            assert!(matches!(read(text), Err(ContentError::BadCid(_))), "{text}");
        }
    }

    #[test]
    fn damaged_nodes_are_no_files() {
        let v0 = read("QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o").expect("v0");
        for block in
            [&[][..], &[0x0a], &[0x0a, 0xff, 0xff], &[0x12, 0x00], &[0x0a, 0x02, 0x08, 0x01], &[0xff; 20]]
        {
            assert_eq!(file_of(&v0, block), None, "{block:?}");
        }
    }
}
