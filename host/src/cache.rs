//! Compiled modules on disk: machine code that is mapped, so nothing foreign may get in.
//!
//! The directory is ours alone (0700). Each `.cwasm` has a MAC beside it under a key that never leaves the
//! directory; a file without the right MAC is not loaded but compiled again. Names hold the module's hash and the
//! engine, so another wasmtime or CPU never meets these files.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Read, Seek, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use argus_domain::module::EngineId;
use wasmtime::{Engine, Module, component::Component};

use crate::error::HostError;

const KEY_FILE: &str = "mac.key";
const MAC_BYTES: usize = 32;
/// Read at a time while a file is authenticated.
const CHUNK: usize = 64 * 1024;

/// What machine code is loaded as: a module or a component.
pub(crate) trait Compiled: Sized + Send + 'static {
    /// # Safety
    /// The file must hold what a compiler of ours made for the same engine settings.
    #[expect(unsafe_code, reason = "machine code is trusted")]
    unsafe fn open(engine: &Engine, file: File) -> wasmtime::Result<Self>;

    /// # Safety
    /// As for [`Compiled::open`].
    #[expect(unsafe_code, reason = "machine code is trusted")]
    unsafe fn load(engine: &Engine, code: &[u8]) -> wasmtime::Result<Self>;
}

impl Compiled for Module {
    #[expect(unsafe_code, reason = "machine code is trusted")]
    unsafe fn open(engine: &Engine, file: File) -> wasmtime::Result<Self> {
        // SAFETY: as the caller says.
        unsafe { Self::deserialize_open_file(engine, file) }
    }

    #[expect(unsafe_code, reason = "machine code is trusted")]
    unsafe fn load(engine: &Engine, code: &[u8]) -> wasmtime::Result<Self> {
        // SAFETY: as the caller says.
        unsafe { Self::deserialize(engine, code) }
    }
}

impl Compiled for Component {
    // Read and not mapped: wasmtime maps components by path alone, and behind a path there may be another file.
    #[expect(unsafe_code, reason = "machine code is trusted")]
    unsafe fn open(engine: &Engine, mut file: File) -> wasmtime::Result<Self> {
        let mut code = Vec::new();
        file.read_to_end(&mut code)?;
        // SAFETY: as the caller says.
        unsafe { Self::load(engine, &code) }
    }

    #[expect(unsafe_code, reason = "machine code is trusted")]
    unsafe fn load(engine: &Engine, code: &[u8]) -> wasmtime::Result<Self> {
        // SAFETY: as the caller says.
        unsafe { Self::deserialize(engine, code) }
    }
}

/// The cache of one engine in one directory.
pub(crate) struct Cache {
    dir: PathBuf,
    key: [u8; 32],
    /// Engine id, target, CPU features and settings, as part of every name.
    engine: String,
    /// Makes temporary names of this process distinct.
    counter: AtomicU64,
}

impl Cache {
    /// Opens or creates the directory and its key.
    ///
    /// # Errors
    /// Where the directory belongs to someone else or is open to others, or cannot be written.
    pub fn open(dir: &Path, engine: &Engine, id: EngineId) -> Result<Self, HostError> {
        let fail = |reason: String| HostError::Cache { dir: dir.display().to_string(), reason };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(|e| fail(format!("cannot be created: {e}")))?;
        let meta = fs::metadata(dir).map_err(|e| fail(e.to_string()))?;
        if !meta.is_dir() || meta.permissions().mode() & 0o077 != 0 {
            return Err(fail("must be a directory that only its owner can enter: chmod 700 it".to_owned()));
        }
        let key = key(dir).map_err(|e| fail(format!("its key {KEY_FILE} cannot be used: {e}")))?;
        if fs::metadata(dir.join(KEY_FILE)).map_err(|e| fail(e.to_string()))?.uid() != meta.uid() {
            return Err(fail(format!("{KEY_FILE} belongs to another user than the directory")));
        }
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let engine = format!("{}-{:016x}", hex::encode(&id.0[..8]), hasher.finish());
        Ok(Self { dir: dir.to_owned(), key, engine, counter: AtomicU64::new(0) })
    }

    /// The compiled module, mapped; `None` where it is not there or not authentic.
    pub fn load<C: Compiled>(&self, engine: &Engine, wasm_hash: &str) -> Option<C> {
        let name = self.name(wasm_hash);
        let mut file = File::open(self.dir.join(&name)).ok()?;
        let stored = fs::read(self.dir.join(format!("{name}.mac"))).ok()?;
        let actual = self.mac(&name, &mut file).ok()?;
        // blake3's Hash compares in constant time.
        if blake3::Hash::from_slice(&stored).ok()? != actual {
            tracing::warn!(file = %name, "a compiled module is not authentic and will be compiled again");
            return None;
        }
        file.rewind().ok()?;
        // SAFETY: the bytes of this very file have just been authenticated as written by `store`, by an engine
        // with the same settings, and nobody else can write into the directory.
        #[expect(unsafe_code, reason = "the one way to load a compiled module")]
        let module = unsafe { C::open(engine, file) };
        module
            .inspect_err(|error| tracing::warn!(file = %name, %error, "a compiled module does not load"))
            .ok()
    }

    /// Keeps machine code. A failure costs only the next start's time and is therefore logged, not returned.
    pub fn store(&self, code: &[u8], wasm_hash: &str) {
        let name = self.name(wasm_hash);
        let kept = self
            .mac(&name, &mut &*code)
            .and_then(|mac| self.write(&format!("{name}.mac"), mac.as_bytes()))
            .and_then(|()| self.write(&name, code));
        if let Err(error) = kept {
            tracing::warn!(file = %name, %error, "a compiled module could not be kept");
        }
    }

    fn name(&self, wasm_hash: &str) -> String {
        format!("{wasm_hash}-{}.cwasm", self.engine)
    }

    /// Over the name too, so that a file cannot stand in for another.
    fn mac(&self, name: &str, content: &mut dyn Read) -> io::Result<blake3::Hash> {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&(name.len() as u64).to_le_bytes());
        hasher.update(name.as_bytes());
        let mut chunk = vec![0; CHUNK];
        loop {
            match content.read(&mut chunk)? {
                0 => return Ok(hasher.finalize()),
                n => hasher.update(&chunk[..n]),
            };
        }
    }

    fn write(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let n = self.counter.fetch_add(1, Ordering::Relaxed);
        let temporary = self.dir.join(format!(".{}-{n}.tmp", std::process::id()));
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, self.dir.join(name))?;
        File::open(&self.dir)?.sync_all()
    }
}

/// A module from machine code that has just been compiled, where no cache keeps it.
///
/// # Errors
/// Where it was made for another engine.
pub(crate) fn from_compiler<C: Compiled>(engine: &Engine, code: &[u8]) -> wasmtime::Result<C> {
    // SAFETY: the bytes come from our own compiler and were never where anybody else can write.
    #[expect(unsafe_code, reason = "the one way to load a compiled module")]
    unsafe {
        C::load(engine, code)
    }
}

/// The directory's key; made on first use. Of two processes that start together, one makes it.
fn key(dir: &Path) -> io::Result<[u8; MAC_BYTES]> {
    let path = dir.join(KEY_FILE);
    if !path.exists() {
        let mut fresh = [0; MAC_BYTES];
        File::open("/dev/urandom")?.read_exact(&mut fresh)?;
        let temporary = dir.join(format!(".{}-key.tmp", hex::encode(blake3::hash(&fresh).as_bytes())));
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(&fresh)?;
        file.sync_all()?;
        match fs::hard_link(&temporary, &path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => fs::remove_file(&temporary)?,
        }
    }
    if fs::metadata(&path)?.permissions().mode() & 0o077 != 0 {
        return Err(io::Error::other("others can read it: delete the directory and start again"));
    }
    let bytes = fs::read(&path)?;
    bytes.try_into().map_err(|_| io::Error::other(format!("it must have {MAC_BYTES} bytes")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine;

    fn fixture() -> (tempfile::TempDir, Engine, Cache) {
        let dir = tempfile::tempdir().expect("dir");
        let engine = engine::build(1).expect("engine");
        let cache = Cache::open(&dir.path().join("cwasm"), &engine, engine::id()).expect("cache");
        (dir, engine, cache)
    }

    #[test]
    fn what_was_stored_is_loaded_and_what_was_touched_is_not() {
        let (_dir, engine, cache) = fixture();
        let compiler = engine::build_compiler().expect("compiler");
        let wasm = wat::parse_str("(module (func (export \"f\")))").expect("wat");
        let code = compiler.precompile_module(&wasm).expect("code");
        assert!(cache.load::<Module>(&engine, "aa").is_none());
        cache.store(&code, "aa");
        assert!(cache.load::<Module>(&engine, "aa").is_some());
        assert!(cache.load::<Module>(&engine, "bb").is_none());

        // Another module's authentic file under this name.
        let (from, to) = (cache.dir.join(cache.name("aa")), cache.dir.join(cache.name("bb")));
        fs::copy(&from, &to).expect("copy");
        fs::copy(from.with_extension("cwasm.mac"), to.with_extension("cwasm.mac")).expect("copy");
        assert!(cache.load::<Module>(&engine, "bb").is_none());

        let mut bytes = fs::read(&from).expect("read");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&from, bytes).expect("write");
        assert!(cache.load::<Module>(&engine, "aa").is_none());
    }

    #[test]
    fn a_second_open_has_the_same_key_and_an_open_directory_is_refused() {
        let (dir, engine, cache) = fixture();
        let again = Cache::open(&cache.dir, &engine, engine::id()).expect("cache");
        assert_eq!(again.key, cache.key);
        let open = dir.path().join("open");
        DirBuilder::new().mode(0o755).create(&open).expect("dir");
        fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).expect("chmod");
        assert!(matches!(Cache::open(&open, &engine, engine::id()), Err(HostError::Cache { .. })));
    }
}
