//! Files that are read again once they have changed.

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use crate::TlsError;

/// Between two looks at the files, which happen when somebody asks for what is in them.
const LOOK: Duration = Duration::from_secs(1);

/// What was read from files.
pub(crate) struct Watched<T> {
    files: Vec<PathBuf>,
    read: Box<dyn Fn() -> Result<T, TlsError> + Send + Sync>,
    held: Mutex<Held<T>>,
}

struct Held<T> {
    value: Arc<T>,
    /// The files as they were before they were read.
    seen: Seen,
    /// The files as they were when it was last told that they cannot be read.
    told: Option<Seen>,
    next_look: Instant,
}

/// Of each file; `None` where there is none.
type Seen = Vec<Option<Stamp>>;

/// What changes with a file's content, or when another one takes its place.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
    inode: u64,
}

impl<T> Watched<T> {
    /// What is in these files now, as `read` reads it.
    pub fn open(
        files: Vec<PathBuf>,
        read: impl Fn() -> Result<T, TlsError> + Send + Sync + 'static,
    ) -> Result<Self, TlsError> {
        let seen = look_at(&files);
        let held = Held { value: Arc::new(read()?), seen, told: None, next_look: Instant::now() + LOOK };
        Ok(Self { files, read: Box::new(read), held: Mutex::new(held) })
    }

    /// What is in the files, or was when they could last be read.
    pub fn get(&self) -> Arc<T> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if Instant::now() < held.next_look {
            return held.value.clone();
        }
        held.next_look = Instant::now() + LOOK;
        let now = look_at(&self.files);
        if now != held.seen {
            match (self.read)() {
                Ok(value) => {
                    tracing::info!(files = ?self.files, "read anew");
                    *held = Held { value: Arc::new(value), seen: now, told: None, next_look: held.next_look };
                }
                // One file may be newer than another for a moment: a later look finds all of them.
                Err(cause) if held.told.as_ref() != Some(&now) => {
                    tracing::warn!(%cause, "what was read before stays in use");
                    held.told = Some(now);
                }
                Err(_) => (),
            }
        }
        held.value.clone()
    }

    /// The files, for people.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }
}

fn look_at(files: &[PathBuf]) -> Seen {
    let stamp = |file: &PathBuf| {
        let about = Path::metadata(file).ok()?;
        Some(Stamp { modified: about.modified().ok(), bytes: about.len(), inode: about.ino() })
    };
    files.iter().map(stamp).collect()
}
