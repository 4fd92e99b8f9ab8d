//! Files that commands write for their users.

use std::{
    ffi::OsStr,
    fs,
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use anyhow::Context;

/// Writes a file whole or not at all: where the disk is full, what was there before is still there.
pub fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    replace(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // What a link names is replaced, not the link.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    if path.metadata().is_ok_and(|found| !found.is_file()) {
        // A pipe or a device.
        return fs::write(&path, bytes);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut part = tempfile::Builder::new()
        .prefix(".")
        .suffix(path.file_name().unwrap_or(OsStr::new("part")))
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(folder)?;
    part.write_all(bytes)?;
    part.as_file().sync_all()?;
    part.persist(&path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_where_it_lies_and_nothing_is_left_beside_it() {
        let place = tempfile::tempdir().expect("a folder");
        let (file, link) = (place.path().join("a.json"), place.path().join("link"));
        std::os::unix::fs::symlink(&file, &link).expect("a link");
        for (to, text) in [(&file, "one"), (&link, "two")] {
            // The link names nothing before the first one is written.
            write(to, text.as_bytes()).expect(text);
            assert_eq!(fs::read_to_string(&file).expect("the file"), text);
        }
        assert!(link.is_symlink());
        assert_eq!(fs::read_dir(place.path()).expect("the folder").count(), 2);
        write(Path::new("/dev/null"), b"gone").expect("a device takes it");
        assert!(!Path::new("/dev/null").metadata().expect("still a device").is_file());
        let error = write(&place.path().join("no/such/a.json"), b"").expect_err("no folder");
        assert!(format!("{error:#}").starts_with("cannot write "), "{error:#}");
    }
}
