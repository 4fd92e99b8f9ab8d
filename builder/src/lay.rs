//! What is put into the folder of a build: the program, the modules it may use, and what replaces a part of Go's own.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use argus_domain::{limits::SOURCE_BYTES_MAX, module::Refusal};
use bytes::Bytes;

/// Takes the place of `net/http/roundtrip.go`.
pub(crate) const ROUND_TRIP: &str = include_str!("../go/overlay/roundtrip.go");
/// The modules that a program without a go.mod may use, with all that they need.
pub(crate) const LOCK_MOD: &str = include_str!("../go/lock/go.mod");
/// The hashes of those modules.
pub(crate) const LOCK_SUM: &str = include_str!("../go/lock/go.sum");
/// What a program without a go.mod gets that uses none of them.
pub(crate) const BARE_MOD: &str = "module script\n\ngo 1.24\n";

/// The SDK, which comes with the builder: no registry has it.
pub(crate) const SDK: [(&str, &str); 9] = [
    ("go.mod", include_str!("../../guest-sdk/go/go.mod")),
    ("abi.go", include_str!("../../guest-sdk/go/abi.go")),
    ("chain.go", include_str!("../../guest-sdk/go/chain.go")),
    ("doc.go", include_str!("../../guest-sdk/go/doc.go")),
    ("guest.go", include_str!("../../guest-sdk/go/guest.go")),
    ("host.go", include_str!("../../guest-sdk/go/host.go")),
    ("host_wasip1.go", include_str!("../../guest-sdk/go/host_wasip1.go")),
    ("secret.go", include_str!("../../guest-sdk/go/secret.go")),
    ("storage.go", include_str!("../../guest-sdk/go/storage.go")),
];
const SDK_NAME: &str = "argus/guest";

/// What imports of the pinned modules begin with.
const PINNED: &str = "\"github.com/ethereum/go-ethereum";
/// Most files of a module's folder, and their bytes together.
const FILES_MAX: usize = 5_000;
const FOLDER_BYTES_MAX: u64 = 64 << 20;
/// Most folders within folders.
const DEPTH_MAX: usize = 32;

/// A program to build.
#[derive(Debug, Clone)]
pub enum Program {
    /// One file, whatever it was called.
    File(Bytes),
    /// The package in a folder with a go.mod.
    Folder(PathBuf),
}

impl Program {
    /// What a path means: a file in a folder with a go.mod means that module, another file itself alone.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn at(path: &Path) -> io::Result<Self> {
        let folder = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new("")) };
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        if path.is_dir() || folder.join("go.mod").is_file() {
            return Ok(Self::Folder(folder.to_path_buf()));
        }
        fs::read(path).map(|bytes| Self::File(bytes.into()))
    }
}

/// Why a folder could not be laid out.
pub(crate) enum NotLaid {
    /// The program is at fault.
    Refused(Refusal),
    /// This machine is.
    Io(io::Error),
}

impl From<io::Error> for NotLaid {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn refused(reason: String) -> NotLaid {
    NotLaid::Refused(Refusal { reasons: vec![reason] })
}

/// Lays a program into an empty folder, and the SDK into another one; gives what the toolchain is told to build.
pub(crate) fn program(program: &Program, into: &Path, sdk: &Path) -> Result<&'static str, NotLaid> {
    match program {
        Program::File(source) => {
            let text =
                std::str::from_utf8(source).map_err(|_| refused("the source is no UTF-8 text".to_owned()))?;
            if source.len() as u64 > SOURCE_BYTES_MAX {
                return Err(refused(format!(
                    "the source has {} bytes, the limit is {} KB: leave data out of it",
                    source.len(),
                    SOURCE_BYTES_MAX / 1024
                )));
            }
            if text.lines().any(|line| line.trim_start().starts_with("import \"C\"")) {
                return Err(refused("cgo is not available to scripts: import no \"C\"".to_owned()));
            }
            let is_pinned = text.contains(PINNED);
            fs::write(into.join("main.go"), source)?;
            let mut modules = if is_pinned { LOCK_MOD } else { BARE_MOD }.to_owned();
            if text.contains(&format!("\"{SDK_NAME}\"")) {
                modules.push_str(&format!("\nrequire {SDK_NAME} v0.0.0\n"));
            }
            bring_sdk(&mut modules, sdk)?;
            fs::write(into.join("go.mod"), modules)?;
            if is_pinned {
                fs::write(into.join("go.sum"), LOCK_SUM)?;
            }
            // Named, and not as a package, so that `//go:build ignore` does not leave it out.
            Ok("main.go")
        }
        Program::Folder(folder) => {
            let mut modules = fs::read_to_string(folder.join("go.mod")).map_err(|error| {
                io::Error::new(error.kind(), format!("{}/go.mod: {error}", folder.display()))
            })?;
            check_replacements(&modules)?;
            let mut copied = Copied::default();
            copied.folder(folder, into, 0)?;
            bring_sdk(&mut modules, sdk)?;
            fs::write(into.join("go.mod"), modules)?;
            Ok(".")
        }
    }
}

/// Has a module that asks for the SDK find it, unless it brings its own.
fn bring_sdk(modules: &mut String, sdk: &Path) -> io::Result<()> {
    if !modules.contains(SDK_NAME) || modules.contains(&format!("{SDK_NAME} =>")) {
        return Ok(());
    }
    modules.push_str(&format!("\nreplace {SDK_NAME} => ../sdk\n"));
    SDK.iter().try_for_each(|(name, text)| fs::write(sdk.join(name), text))
}

/// Modules that stand for others must lie in the folder: elsewhere they are another thing on another machine.
fn check_replacements(modules: &str) -> Result<(), NotLaid> {
    for line in modules.lines() {
        let line = line.split("//").next().unwrap_or_default();
        let Some((_, to)) = line.split_once("=>") else { continue };
        let to = to.trim().trim_matches(['"', '`']);
        let is_path = to.starts_with(['.', '/']) || to.contains('\\');
        let is_outside = Path::new(to)
            .components()
            .any(|part| !matches!(part, std::path::Component::Normal(_) | std::path::Component::CurDir));
        if is_path && is_outside {
            return Err(refused(format!(
                "go.mod replaces a module by {to:.200}, which is outside its folder: move it into the folder, or name a version"
            )));
        }
    }
    Ok(())
}

#[derive(Default)]
struct Copied {
    files: usize,
    bytes: u64,
}

impl Copied {
    /// Copies files and folders, and nothing that leads elsewhere.
    fn folder(&mut self, from: &Path, into: &Path, depth: usize) -> Result<(), NotLaid> {
        if depth > DEPTH_MAX {
            return Err(refused(format!("{} lies more than {DEPTH_MAX} folders deep", from.display())));
        }
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            let (name, path) = (entry.file_name(), entry.path());
            let kind = entry.file_type()?;
            if name.as_encoded_bytes().starts_with(b".") || (kind.is_dir() && name == "node_modules") {
                continue;
            }
            let to = into.join(&name);
            if kind.is_dir() {
                fs::create_dir(&to)?;
                self.folder(&path, &to, depth + 1)?;
            } else if kind.is_file() {
                self.file(&path, &to)?;
            } else {
                return Err(refused(format!(
                    "{} is no file of its own but a link, a pipe or a device: put a copy there",
                    path.display()
                )));
            }
        }
        Ok(())
    }

    fn file(&mut self, from: &Path, to: &Path) -> Result<(), NotLaid> {
        self.files += 1;
        let left = FOLDER_BYTES_MAX.saturating_sub(self.bytes);
        // Opened without following a link that took the file's place meanwhile.
        let file = rustix::fs::open(
            from,
            rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::CLOEXEC,
            rustix::fs::Mode::empty(),
        )
        .map_err(io::Error::from)?;
        let mut file = fs::File::from(file).take(left + 1);
        self.bytes += io::copy(&mut file, &mut fs::File::create(to)?)?;
        if self.files > FILES_MAX || self.bytes > FOLDER_BYTES_MAX {
            return Err(refused(format!(
                "the folder has more than {FILES_MAX} files or {} MB: give the program a folder of its own",
                FOLDER_BYTES_MAX >> 20
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replacements_as_a_table() {
        for (line, is_fine) in [
            ("replace a.example/b => ./b", true),
            ("replace a.example/b => c.example/b v1.2.3", true),
            ("\ta.example/b v1.0.0 => ./deep/er", true),
            ("// replace a.example/b => ../b", true),
            ("replace a.example/b => ../b", false),
            ("\ta.example/b v1.0.0 => /etc", false),
            ("replace a.example/b => ./../../b", false),
            ("replace a.example/b => \"../b\"", false),
            ("replace a.example/b => `/b`", false),
        ] {
            assert_eq!(check_replacements(line).is_ok(), is_fine, "{line}");
        }
    }
}
