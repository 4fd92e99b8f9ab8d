//! A directory of blocks, one file per CID.

use std::{
    fs,
    io::{ErrorKind, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use argus_ports::ContentError;
use cid::Cid;

use crate::name;

/// Blocks on disk. A block that is there is whole: it came by a rename.
#[derive(Debug, Clone)]
pub struct Blocks {
    root: PathBuf,
}

impl Blocks {
    /// Makes the directory where it is missing, readable by its owner alone.
    pub fn open(root: &Path) -> Result<Self, ContentError> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(root).map_err(|e| unavailable(root, &e))?;
        Ok(Self { root: root.to_owned() })
    }

    /// Where a block lies: in a folder named after the end of its CID, so that no folder grows large.
    fn path(&self, cid: &Cid) -> PathBuf {
        let text = name::canonical(cid).0;
        let shard = text.get(text.len().saturating_sub(2)..).unwrap_or("00").to_owned();
        self.root.join(shard).join(text)
    }

    /// Keeps a block durably; a good one that is there already is left alone, a rotten one replaced.
    pub fn put(&self, cid: &Cid, block: &[u8]) -> Result<(), ContentError> {
        let path = self.path(cid);
        if fs::read(&path).is_ok_and(|there| name::is_block(cid, &there)) {
            return Ok(());
        }
        let folder = path.parent().unwrap_or(&self.root);
        let write = || {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(block)?;
            file.as_file().sync_all()?;
            file.persist(&path).map_err(|e| e.error)?;
            // The name is durable only once its folder is, and that folder's name once its own is.
            fs::File::open(folder)?.sync_all()?;
            fs::File::open(&self.root)?.sync_all()
        };
        write().map_err(|e| unavailable(&path, &e))
    }

    /// A block, hashed again; absent: `None`.
    pub fn get(&self, cid: &Cid, max: u64) -> Result<Option<Vec<u8>>, ContentError> {
        let path = self.path(cid);
        let size = match fs::metadata(&path) {
            Ok(found) => found.len(),
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(unavailable(&path, &e)),
        };
        if size > max {
            return Err(ContentError::TooLarge { max });
        }
        let block = fs::read(&path).map_err(|e| unavailable(&path, &e))?;
        if name::is_block(cid, &block) {
            Ok(Some(block))
        } else {
            Err(ContentError::Mismatch(name::canonical(cid)))
        }
    }
}

fn unavailable(path: &Path, error: &std::io::Error) -> ContentError {
    ContentError::Unavailable(format!("{}: {error}", path.display()))
}
