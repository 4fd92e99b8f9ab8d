//! Builds that were made once: the module on this machine's disk, the signed record with the platform's facts.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use argus_domain::{
    B256,
    build::{Build, SignedBuild},
    call::Signature,
    digest::digest_of,
    module::WasmHash,
};
use argus_ports::{Archive, BuildError, Built, Signer};
use bytes::Bytes;

use crate::go::{Go, sha256};

/// What a builder needs from the world.
#[derive(Clone)]
pub struct Ports {
    /// Signs records.
    pub signer: Arc<dyn Signer>,
    /// Keeps records.
    pub archive: Arc<dyn Archive>,
}

/// Modules and records.
pub(crate) struct Kept {
    ports: Ports,
    /// Modules by their hash.
    folder: PathBuf,
}

impl Kept {
    /// In `folder`, which is made.
    pub fn open(folder: PathBuf, ports: Ports) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        Ok(Self { ports, folder })
    }

    /// A build that was recorded before, by this signer under these rules, and whose module is still here.
    pub async fn find(&self, source_hash: B256) -> Result<Option<Built>, BuildError> {
        let Some(blob) = self.ports.archive.get(self.name(source_hash)).await.map_err(failed)? else {
            return Ok(None);
        };
        let Some((hash, signature)) = blob.split_at_checked(32) else { return Ok(None) };
        let Ok(signature) = signature.try_into() else { return Ok(None) };
        let record = SignedBuild {
            build: Build { source_hash, builder: Go::id(), wasm_hash: WasmHash(B256::from_slice(hash)) },
            signer: self.ports.signer.address(),
            signature: Signature(signature),
        };
        let signer = &self.ports.signer;
        if !signer.is_signed_by(record.signer, record.build.digest(), &record.signature) {
            return Ok(None);
        }
        let wasm = fs::read(self.path(record.build.wasm_hash)).map(Bytes::from).ok();
        // Hashed again: the disk's word is nobody's.
        let wasm = wasm.filter(|wasm| sha256(wasm) == record.build.wasm_hash.0);
        Ok(wasm.map(|wasm| Built { record, wasm }))
    }

    /// Signs and keeps what a source was built to.
    pub async fn put(&self, source_hash: B256, wasm: Bytes) -> Result<Built, BuildError> {
        let build = Build { source_hash, builder: Go::id(), wasm_hash: WasmHash(sha256(&wasm)) };
        let signature = self.ports.signer.sign_digest(build.digest()).await.map_err(failed)?;
        keep(&self.folder, &self.path(build.wasm_hash), &wasm).map_err(failed)?;
        let blob = [build.wasm_hash.0.as_slice(), &signature.0].concat();
        self.ports.archive.put(self.name(source_hash), blob.into()).await.map_err(failed)?;
        let record = SignedBuild { build, signer: self.ports.signer.address(), signature };
        Ok(Built { record, wasm })
    }

    /// The record's name in the archive: another signer or other rules make another record.
    fn name(&self, source_hash: B256) -> B256 {
        digest_of("argus/build-record/1", &(source_hash, Go::id(), self.ports.signer.address()))
    }

    fn path(&self, wasm_hash: WasmHash) -> PathBuf {
        self.folder.join(format!("{:x}.wasm", wasm_hash.0))
    }
}

/// Written whole or not at all.
fn keep(folder: &Path, path: &Path, wasm: &[u8]) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(wasm)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

fn failed(error: impl std::fmt::Display) -> BuildError {
    BuildError::Failed(error.to_string())
}
