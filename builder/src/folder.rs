//! The folder of one build. It goes with the value that stands for it, and where the process was killed meanwhile,
//! with the next builder that starts on the same cache: whoever is alive holds a lock on its folders.

use std::{
    fs::{self, File, Permissions},
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::fs::{FlockOperation, flock};

/// A process that was killed goes on for moments, and a file that it makes keeps its folder from being removed.
const REMOVAL_TRIES: u32 = 40;
const REMOVAL_PAUSE: Duration = Duration::from_millis(50);

/// Where a cache keeps the folders of builds.
#[derive(Debug, Clone)]
pub(crate) struct Folders(PathBuf);

/// What the toolchain reads and writes during one build.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// Locked for as long as it is open.
    _lock: File,
}

impl Folders {
    /// Made where it is absent, and without what a killed process left in it.
    pub fn open(path: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&path)?;
        // Other users pass through it to the build that is theirs, and see no other.
        fs::set_permissions(&path, Permissions::from_mode(0o711))?;
        let _alone = locked(&path, FlockOperation::LockExclusive)?;
        for entry in fs::read_dir(&path)? {
            let left = entry?.path();
            if locked(&left, FlockOperation::NonBlockingLockExclusive).is_ok()
                && let Err(error) = fs::remove_dir_all(&left)
            {
                tracing::warn!(folder = %left.display(), %error, "what a build left cannot be removed");
            }
        }
        Ok(Self(path))
    }

    /// A new one.
    pub fn make(&self) -> io::Result<Folder> {
        // Nobody tidies up between its making and its locking.
        let _alone = locked(&self.0, FlockOperation::LockExclusive)?;
        let path = tempfile::Builder::new().prefix("build-").tempdir_in(&self.0)?.keep();
        fs::set_permissions(&path, Permissions::from_mode(0o711))?;
        let lock = locked(&path, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Folder { path, _lock: lock })
    }
}

impl Folder {
    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file or folder in it.
    pub fn at(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        for _ in 0..REMOVAL_TRIES {
            match fs::remove_dir_all(&self.path) {
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
                    std::thread::sleep(REMOVAL_PAUSE)
                }
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(folder = %self.path.display(), %error, "a build's folder stays until the next start");
                    return;
                }
            }
        }
    }
}

fn locked(path: &Path, how: FlockOperation) -> io::Result<File> {
    let folder = File::open(path)?;
    flock(&folder, how)?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folders: &Folders) -> Vec<PathBuf> {
        fs::read_dir(&folders.0).expect("a folder").map(|entry| entry.expect("an entry").path()).collect()
    }

    #[test]
    fn what_nobody_holds_is_removed_at_the_next_start_and_nothing_else() {
        let place = tempfile::tempdir().expect("a folder");
        let folders = Folders::open(place.path().join("builds")).expect("open");
        let (left, alive) = (folders.make().expect("made"), folders.make().expect("made"));
        fs::create_dir_all(left.at("tmp/deep")).expect("a folder");
        fs::write(left.at("tmp/deep/file"), "left").expect("a file");
        let path = left.path().to_owned();
        // As the end of a process does it: the lock goes, the files stay.
        let Folder { _lock: lock, .. } = &left;
        flock(lock, FlockOperation::Unlock).expect("unlocked");
        std::mem::forget(left);
        Folders::open(folders.0.clone()).expect("open");
        assert!(!path.exists());
        assert_eq!(names(&folders), [alive.path()]);
        drop(alive);
        assert_eq!(names(&folders), Vec::<PathBuf>::new());
    }

    #[test]
    fn a_folder_that_is_still_written_to_goes_once_that_ends() {
        let place = tempfile::tempdir().expect("a folder");
        let folder = Folders::open(place.path().join("builds")).expect("open").make().expect("made");
        let path = folder.path().to_owned();
        let into = folder.at("tmp");
        fs::create_dir(&into).expect("a folder");
        let (began, begins) = std::sync::mpsc::sync_channel(1);
        let writer = std::thread::spawn(move || {
            let until = std::time::Instant::now() + Duration::from_millis(300);
            for n in 0.. {
                // Fails for good once the folder is gone.
                if std::time::Instant::now() > until || fs::create_dir(into.join(n.to_string())).is_err() {
                    return;
                }
                let _heard = began.try_send(());
            }
        });
        begins.recv().expect("it writes");
        drop(folder);
        writer.join().expect("it ends");
        assert!(!path.exists());
    }
}
