//! A copy of a store that may be in use.

use std::{
    ffi::OsString,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags};

use crate::{
    database::{OpenError, Options, connect},
    migrate,
};

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is nothing to copy.
    #[error("there is no store at {0}")]
    Absent(PathBuf),
    /// An older copy would be lost.
    #[error("{0} is there already: name another file, a copy is never written over")]
    Exists(PathBuf),
    /// The store cannot be read, or is not sound.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The copy cannot be written.
    #[error("{file}: {cause}")]
    Write {
        /// Which file.
        file: PathBuf,
        /// What was met.
        cause: io::Error,
    },
}

/// Copies the platform's file as it is at one moment, while others read and write it, into a new file that is whole, on
/// the disk, and sound by SQLite's own check, whatever migrations it has; its length in bytes. Nothing is left where it
/// fails. Needs room for the copy, and for what is written to the store meanwhile.
///
/// # Errors
/// [`BackupError`].
pub fn backup(store: &Path, copy: &Path) -> Result<u64, BackupError> {
    if !store.exists() {
        return Err(BackupError::Absent(store.to_owned()));
    }
    if copy.exists() {
        return Err(BackupError::Exists(copy.to_owned()));
    }
    // Its own, so that two that copy at once are not in each other's way.
    let mut part = OsString::from(copy);
    part.push(format!(".{}.part", std::process::id()));
    let part = PathBuf::from(part);
    let made = make(store, &part, copy);
    let _ = fs::remove_file(&part);
    made
}

fn make(store: &Path, part: &Path, copy: &Path) -> Result<u64, BackupError> {
    let write = |cause| BackupError::Write { file: part.to_owned(), cause };
    // One with this number was stopped while it copied, and left it.
    match fs::remove_file(part) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(write(cause)),
        _ => {}
    }
    let name = part.to_str().ok_or_else(|| write(io::Error::other("the name is no UTF-8")))?;
    let db = connect(store, &Options::default())?;
    db.execute("VACUUM INTO ?1", [name]).map_err(OpenError::from)?;
    drop(db);
    check(part)?;
    let file = File::open(part).map_err(write)?;
    file.sync_all().map_err(write)?;
    // Unlike renaming, it takes the place of nothing that came meanwhile.
    fs::hard_link(part, copy).map_err(|cause| match cause.kind() {
        io::ErrorKind::AlreadyExists => BackupError::Exists(copy.to_owned()),
        _ => write(cause),
    })?;
    let folder = copy.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(write)?;
    Ok(file.metadata().map_err(write)?.len())
}

/// Whether a file is sound, and a store: an empty one is sound, too.
fn check(part: &Path) -> Result<(), OpenError> {
    let db = Connection::open_with_flags(part, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    migrate::sound(&db)?;
    let rows: i64 = db.query_row("SELECT count(*) FROM migrations", [], |row| row.get(0))?;
    if rows > 0 { Ok(()) } else { Err(OpenError::Damaged("no migration was ever applied to it".to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_what_is_being_written_is_whole_and_nothing_is_lost_by_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, copy) = (folder.path().join("argus.db"), folder.path().join("copy.db"));
        assert!(matches!(backup(&store, &copy), Err(BackupError::Absent(_))));
        migrate::up(&store, &Options::default()).expect("made");
        let db = connect(&store, &Options::default()).expect("open");
        db.execute_batch(
            "CREATE TABLE n (a INTEGER NOT NULL, b INTEGER NOT NULL); INSERT INTO n VALUES (0, 0)",
        )
        .expect("n");
        let written = std::thread::scope(|scope| {
            let writes = scope.spawn(move || {
                for n in 1..=500 {
                    db.execute_batch(&format!("BEGIN; UPDATE n SET a = {n}; UPDATE n SET b = {n}; COMMIT"))
                        .expect("written");
                }
                500
            });
            for n in 0..5 {
                let copy = folder.path().join(format!("copy-{n}.db"));
                let bytes = backup(&store, &copy).expect("copied");
                assert_eq!(bytes, copy.metadata().expect("there").len());
                let (a, b): (i64, i64) = Connection::open(&copy)
                    .and_then(|copy| {
                        copy.query_row("SELECT a, b FROM n", [], |row| Ok((row.get(0)?, row.get(1)?)))
                    })
                    .expect("readable");
                assert_eq!(a, b, "as of one moment");
                migrate::verify(&copy, &Options::default()).expect("a store like any other");
            }
            writes.join().expect("written")
        });
        assert_eq!(written, 500);
        let taken = folder.path().join("copy-0.db");
        assert!(matches!(backup(&store, &taken), Err(BackupError::Exists(_))));
        let left = folder.path().join(format!("copy.db.{}.part", std::process::id()));
        fs::write(left, "half").expect("left behind");
        backup(&store, &copy).expect("in the place of what was left");
        let left: Vec<_> = fs::read_dir(folder.path())
            .expect("a folder")
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| name.ends_with(".part"))
            .collect();
        assert_eq!(left, [""; 0]);
    }

    #[test]
    fn nothing_is_left_of_a_copy_that_could_not_be_made() {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, copy) = (folder.path().join("argus.db"), folder.path().join("copy.db"));
        fs::write(&store, vec![7; 8192]).expect("no store");
        assert!(matches!(backup(&store, &copy), Err(BackupError::Store(_))));
        // Sound, and no store.
        fs::write(&store, []).expect("empty");
        assert!(matches!(backup(&store, &copy), Err(BackupError::Store(_))));
        let left: Vec<_> = fs::read_dir(folder.path()).expect("a folder").filter_map(Result::ok).collect();
        let names: Vec<_> = left.iter().map(|entry| entry.file_name()).collect();
        assert!(names.iter().all(|name| name.to_string_lossy().starts_with("argus.db")), "{names:?}");
    }
}
