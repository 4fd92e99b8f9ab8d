//! Blocks as files, named by their CID.

use std::{
    fs::{DirBuilder, File},
    io::{ErrorKind, Read, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use argus_ports::ContentError;
use bytes::Bytes;

use crate::name::Name;

pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn open(folder: &Path) -> Result<Self, ContentError> {
        make(folder)?;
        // Shows now, and not at the first block, whether it can be written.
        tempfile::tempfile_in(folder)
            .map_err(|e| unavailable("the block directory cannot be written", &e))?;
        Ok(Self(folder.to_owned()))
    }

    /// `folder/<last two letters>/<cid>`: the first letters of all CIDs are alike.
    fn path(&self, name: &Name) -> PathBuf {
        let cid = name.cid().0;
        self.0.join(&cid[cid.len().saturating_sub(2)..]).join(cid)
    }

    /// The block, hashed again: `Absent`, or `Mismatch` where the disk has other bytes than were written.
    pub(crate) async fn read(&self, name: &Name, max: u64) -> Result<Bytes, ContentError> {
        let (path, name) = (self.path(name), name.clone());
        blocking(move || read(&path, &name, max)).await
    }

    /// Keeps a block that was checked. Durable when it returns.
    pub(crate) async fn write(&self, name: &Name, bytes: Bytes) -> Result<(), ContentError> {
        let (path, name) = (self.path(name), name.clone());
        blocking(move || write(&path, &name, &bytes)).await
    }
}

async fn blocking<T: Send + 'static>(
    act: impl FnOnce() -> Result<T, ContentError> + Send + 'static,
) -> Result<T, ContentError> {
    let ended = tokio::task::spawn_blocking(act).await;
    ended.unwrap_or_else(|e| Err(ContentError::Unavailable(format!("the block directory: {e}"))))
}

fn make(folder: &Path) -> Result<(), ContentError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|e| unavailable("the block directory cannot be made", &e))
}

fn read(path: &Path, name: &Name, max: u64) -> Result<Bytes, ContentError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Err(ContentError::Absent(name.cid())),
        Err(e) => return Err(unavailable("a block cannot be read", &e)),
    };
    let mut bytes = Vec::new();
    let read = file.take(max.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|e| unavailable("a block cannot be read", &e))?;
    if bytes.len() as u64 > max {
        return Err(ContentError::TooLarge { max });
    }
    if name.names(&bytes) { Ok(bytes.into()) } else { Err(ContentError::Mismatch(name.cid())) }
}

fn write(path: &Path, name: &Name, bytes: &[u8]) -> Result<(), ContentError> {
    if read(path, name, bytes.len() as u64).is_ok() {
        return Ok(());
    }
    let folder = path.parent().ok_or_else(|| ContentError::Absent(name.cid()))?;
    make(folder)?;
    let fault = |e: &std::io::Error| unavailable("a block cannot be written", e);
    // Named only once it is whole and on the disk; the file is the owner's alone (0600).
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|e| fault(&e))?;
    file.write_all(bytes).map_err(|e| fault(&e))?;
    file.as_file().sync_all().map_err(|e| fault(&e))?;
    file.persist(path).map_err(|e| fault(&e.error))?;
    // The names too: of the file, and of its folder where that is new.
    for folder in [Some(folder), folder.parent()].into_iter().flatten() {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(|e| fault(&e))?;
    }
    Ok(())
}

fn unavailable(what: &str, e: &std::io::Error) -> ContentError {
    let advice = match e.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "; make room",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => "; check its permissions",
        _ => "",
    };
    ContentError::Unavailable(format!("{what}: {e}{advice}"))
}
