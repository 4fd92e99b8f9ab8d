//! One build: laid out in a folder of its own, done by confined steps, and nothing left behind.

use std::{
    ffi::OsString,
    fs, io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use argus_domain::{
    B256,
    build::BuilderId,
    digest::digest_of,
    limits::{ERROR_TEXT_BYTES_MAX, WASI_COMMAND_BYTES_MAX},
    module::Refusal,
};
use argus_ports::BuildError;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::{
    confine::{Confinement, Limits, NOT_STARTED, Network, UNCUT},
    folder::{Folder, Folders},
    lay::{self, BARE_MOD, LOCK_MOD, LOCK_SUM, NotLaid, Program, ROUND_TRIP, SDK},
    process::{self, Ended, Step},
    toolchain::{GO_VERSION, Toolchain},
};

/// What decides the bytes that come out. `timetzdata` puts the time zones in: a script has no files.
const FLAGS: [&str; 4] = ["-tags=timetzdata", "-trimpath", "-buildvcs=false", "-ldflags=-s -w"];
/// What is built for.
const TARGET: [(&str, &str); 3] = [("GOOS", "wasip1"), ("GOARCH", "wasm"), ("CGO_ENABLED", "0")];
/// Compilations at a time, within one build: with the memory of each, what a build may take in all.
const PARALLEL: &str = "-p=2";
/// A first build compiles the standard library too, which takes half a minute on an idle machine of two cores.
const WALL: Duration = Duration::from_secs(240);
const LIMITS: Limits = Limits { cpu_s: 120, memory_bytes: 4 << 30, file_bytes: 256 << 20, files: 1024 };

/// How the toolchain says that a module is neither at hand nor to be fetched.
const UNKNOWN_MODULE: [&str; 2] =
    ["module lookup disabled by GOPROXY=off", "no required module provides package"];

/// How this machine builds.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The toolchain.
    pub toolchain: Toolchain,
    /// Where compiled packages and fetched modules are kept between builds, and the builds themselves while they last;
    /// it may hold modules beforehand.
    pub cache: PathBuf,
    /// Fetched modules, where they are not kept in `cache`: an author's own.
    pub modules: Option<PathBuf>,
    /// Where missing modules are fetched from, as GOPROXY says it; `None`: they are not.
    pub module_proxy: Option<String>,
    /// How the toolchain is confined.
    pub confinement: Confinement,
}

/// Builds programs.
#[derive(Debug, Clone)]
pub struct Go {
    settings: Settings,
    folders: Folders,
}

impl Go {
    /// With its cache folders made, and without what a killed process left of its builds.
    ///
    /// # Errors
    /// Where they cannot be.
    pub fn new(settings: Settings) -> io::Result<Self> {
        let cache = &settings.cache;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(cache)?;
        if settings.confinement.user.is_some() {
            // The other user passes through it to its own.
            fs::set_permissions(cache, fs::Permissions::from_mode(0o711))?;
        }
        let go = Self { folders: Folders::open(cache.join("builds"))?, settings };
        for folder in [go.compiled(), go.modules()] {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
            go.hand_over(&folder)?;
        }
        Ok(go)
    }

    /// What a build depends on besides its source.
    pub fn id() -> BuilderId {
        BuilderId(digest_of(
            "argus/builder/1",
            &(GO_VERSION, FLAGS, TARGET, ROUND_TRIP, BARE_MOD, LOCK_MOD, LOCK_SUM, SDK),
        ))
    }

    fn compiled(&self) -> PathBuf {
        self.settings.cache.join("compiled")
    }

    fn modules(&self) -> PathBuf {
        self.settings.modules.clone().unwrap_or_else(|| self.settings.cache.join("modules"))
    }

    /// Gives a file or folder to the user that builds run as.
    fn hand_over(&self, path: &Path) -> io::Result<()> {
        match self.settings.confinement.user {
            Some(user) => std::os::unix::fs::chown(path, Some(user), Some(user)),
            None => Ok(()),
        }
    }

    /// The module that a program comes to.
    ///
    /// # Errors
    /// [`BuildError::Refused`] with what the compiler says, or with the limit that was met.
    pub async fn build(&self, program: &Program) -> Result<Bytes, BuildError> {
        let (folder, target) = self.lay(program).map_err(|problem| match problem {
            NotLaid::Refused(refusal) => BuildError::Refused(refusal),
            NotLaid::Io(error) => failed("the build's folder", &error),
        })?;
        if self.settings.module_proxy.is_some() {
            // With the network, and compiling nothing: `list` finds what the program needs, and fetches it.
            let mut line = self.line(Network::Open, "list");
            line.extend(["-deps", target].map(Into::into));
            self.step(&folder, line, Network::Open).await?;
        }
        let mut line = self.line(Network::Cut, "build");
        line.extend(["-o".into(), folder.at("out/module.wasm").into(), target.into()]);
        self.step(&folder, line, Network::Cut).await?;
        read_module(&folder.at("out/module.wasm"))
    }

    fn lay(&self, program: &Program) -> Result<(Folder, &'static str), NotLaid> {
        let folder = self.folders.make()?;
        for name in ["src", "sdk", "out", "tmp", "home", "overlay"] {
            fs::create_dir(folder.at(name))?;
        }
        let target = lay::program(program, &folder.at("src"), &folder.at("sdk"))?;
        fs::write(folder.at("overlay/roundtrip.go"), ROUND_TRIP)?;
        let replaced = self.settings.toolchain.root.join("src/net/http/roundtrip.go");
        let overlay = serde_json::json!({ "Replace": { replaced.to_string_lossy(): folder.at("overlay/roundtrip.go") } });
        fs::write(folder.at("overlay.json"), overlay.to_string())?;
        if self.settings.confinement.user.is_some() {
            // Another user reads the sources and owns what it writes.
            open_up(&folder.at("src"))?;
            open_up(&folder.at("sdk"))?;
            open_up(&folder.at("overlay"))?;
            fs::set_permissions(folder.at("overlay.json"), fs::Permissions::from_mode(0o644))?;
        }
        for name in ["out", "tmp", "home"] {
            self.hand_over(&folder.at(name))?;
        }
        Ok((folder, target))
    }

    fn line(&self, network: Network, verb: &str) -> Vec<OsString> {
        let mut line =
            self.settings.confinement.command(&LIMITS, network, self.settings.toolchain.go.clone());
        line.push(verb.into());
        line.extend(FLAGS.map(Into::into));
        line.push(PARALLEL.into());
        line
    }

    fn environment(&self, folder: &Folder, network: Network) -> Vec<(&'static str, OsString)> {
        let proxy = match (network, &self.settings.module_proxy) {
            (Network::Open, Some(proxy)) => proxy.as_str(),
            (Network::Cut, _) | (_, None) => "off",
        };
        let mut environment: Vec<(&'static str, OsString)> = vec![
            ("HOME", folder.at("home").into()),
            ("TMPDIR", folder.at("tmp").into()),
            ("GOCACHE", self.compiled().into()),
            ("GOMODCACHE", self.modules().into()),
            ("GOPROXY", proxy.into()),
            // Every module is held to its go.sum; no second party is asked.
            ("GOSUMDB", "off".into()),
            ("GOFLAGS", OsString::new()),
            ("GOENV", "off".into()),
            ("GOWORK", "off".into()),
            ("GOTOOLCHAIN", "local".into()),
            ("GO111MODULE", "on".into()),
            ("GOVCS", "*:off".into()),
            // As many threads as a build is meant to use, whatever the machine has.
            ("GOMAXPROCS", "2".into()),
        ];
        environment.extend(TARGET.map(|(name, value)| (name, value.into())));
        environment
    }

    async fn step(
        &self,
        folder: &Folder,
        mut line: Vec<OsString>,
        network: Network,
    ) -> Result<(), BuildError> {
        // After the verb: flags come before what is built.
        let at = line.iter().position(|word| word == FLAGS[0]).unwrap_or(line.len());
        let mut overlay = OsString::from("-overlay=");
        overlay.push(folder.at("overlay.json"));
        line.insert(at, overlay);
        let step = Step {
            line,
            environment: &self.environment(folder, network),
            folder: &folder.at("src"),
            wall: WALL,
        };
        let ended = process::run(step).await;
        if matches!(&ended, Ok(Ended::With(_, said)) if said.contains(UNCUT)) {
            tracing::warn!(
                "a build runs on this machine's network, which the system lets nobody leave: all that keeps it from \
                 fetching is that the toolchain is told not to. Allow user namespaces, or run the builder as root"
            );
        }
        match ended {
            Ok(Ended::With(status, _)) if status.success() => Ok(()),
            Ok(Ended::With(status, said)) if status.code() == Some(NOT_STARTED.into()) => {
                Err(BuildError::Failed(format!("the toolchain cannot be started: {}", cut(said.trim()))))
            }
            Ok(Ended::With(status, said)) => Err(refused(self.explain(&said, folder, status))),
            Ok(Ended::TooSlow) => Err(refused(format!(
                "the build time limit of {} s is used up: build it with `argus module build` and publish the module",
                WALL.as_secs()
            ))),
            Err(error) => Err(failed("the toolchain", &error)),
        }
    }

    /// The compiler's words without this machine's paths.
    fn explain(&self, said: &str, folder: &Folder, status: ExitStatus) -> String {
        let is_ours = |line: &str| line.starts_with("# ") || line == UNCUT || line.trim().is_empty();
        let lines = said.lines().filter(|line| !is_ours(line));
        let lines = lines.map(|line| line.strip_prefix("./").unwrap_or(line));
        let mut text = lines.collect::<Vec<_>>().join("\n");
        for (path, name) in [
            (folder.at("src").join(""), ""),
            (folder.path().to_owned(), "BUILD"),
            (self.settings.toolchain.root.clone(), "GOROOT"),
            (self.modules(), "GOMODCACHE"),
            (self.settings.cache.clone(), "CACHE"),
        ] {
            text = text.replace(&*path.to_string_lossy(), name);
        }
        if UNKNOWN_MODULE.iter().any(|sign| text.contains(sign)) {
            return format!(
                "the program imports modules that are not here and may not be fetched: import only the standard \
                 library, go-ethereum and argus/guest, or give the program a folder with a go.mod, build it there with \
                 `argus module build`, and publish the module\n{}",
                cut(&text)
            );
        }
        if text.is_empty() {
            return format!(
                "the compiler broke off ({status}): the program needs more time or memory than a build has"
            );
        }
        format!("the program does not compile:\n{}", cut(&text))
    }
}

fn open_up(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        } else {
            fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o644))?;
        }
    }
    Ok(())
}

/// What came out, if it is a program.
fn read_module(path: &Path) -> Result<Bytes, BuildError> {
    let size = fs::symlink_metadata(path).map_err(|error| failed("the module", &error))?.len();
    if size > WASI_COMMAND_BYTES_MAX {
        return Err(refused(format!(
            "the module has {size} bytes, the limit is {} MB: import less",
            WASI_COMMAND_BYTES_MAX >> 20
        )));
    }
    let wasm = fs::read(path).map_err(|error| failed("the module", &error))?;
    if !wasm.starts_with(b"\0asm") {
        return Err(refused(
            "the package is no program: begin with `package main` and a func main".to_owned(),
        ));
    }
    Ok(wasm.into())
}

/// SHA-256 of bytes.
pub(crate) fn sha256(bytes: &[u8]) -> B256 {
    let hash: [u8; 32] = Sha256::digest(bytes).into();
    B256::from(hash)
}

fn cut(text: &str) -> &str {
    text.char_indices().nth(ERROR_TEXT_BYTES_MAX / 2).map_or(text, |(at, _)| &text[..at])
}

fn refused(reason: String) -> BuildError {
    BuildError::Refused(Refusal { reasons: vec![reason] })
}

fn failed(what: &str, error: &io::Error) -> BuildError {
    BuildError::Failed(format!("{what}: {error}"))
}
