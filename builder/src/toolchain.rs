//! The one Go toolchain: found, and asked which it is.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{process::Command, time::timeout};

/// The toolchain that modules are built with. Another release makes other bytes, so its name is part of the
/// builder's id. `scripts/versions.sh` names the same one.
pub const GO_VERSION: &str = "go1.26.8";

/// It only prints what it knows.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// Why there is no toolchain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ToolchainError {
    /// No Go at all.
    #[error(
        "Go is not installed here: modules are built with exactly {GO_VERSION}. Install it (https://go.dev/dl), or run \
         scripts/setup, or name its `go` in [builder] go"
    )]
    Absent,
    /// Others than the right one.
    #[error(
        "modules are built with exactly {GO_VERSION}, because another release makes other bytes; found {}. Install \
         {GO_VERSION} (`go install golang.org/dl/{GO_VERSION}@latest && {GO_VERSION} download`), or run scripts/setup, \
         or name its `go` in [builder] go",
        found.join(", ")
    )]
    Another {
        /// What was found, each with its place.
        found: Vec<String>,
    },
}

/// A toolchain of the right version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toolchain {
    /// The `go` command.
    pub go: PathBuf,
    /// Its GOROOT.
    pub root: PathBuf,
}

impl Toolchain {
    /// The configured `go`, or else the first of these folders that holds the right one.
    ///
    /// # Errors
    /// Says what was found instead, and what to do.
    pub async fn find(configured: Option<&Path>, folders: &[PathBuf]) -> Result<Self, ToolchainError> {
        let candidates: Vec<PathBuf> = match configured {
            Some(go) => vec![go.to_path_buf()],
            None => folders.iter().map(|folder| folder.join("go")).filter(|go| go.is_file()).collect(),
        };
        let mut found = Vec::new();
        for go in candidates {
            match ask(&go).await {
                Ok((version, root)) if version == GO_VERSION => return Ok(Self { go, root }),
                Ok((version, _)) => found.push(format!("{version} at {}", go.display())),
                Err(said) => found.push(format!("{}, which does not answer ({said})", go.display())),
            }
        }
        Err(if found.is_empty() { ToolchainError::Absent } else { ToolchainError::Another { found } })
    }
}

/// Its version and its GOROOT.
async fn ask(go: &Path) -> Result<(String, PathBuf), String> {
    let asking = Command::new(go)
        .args(["env", "GOVERSION", "GOROOT"])
        .env_clear()
        // Nothing is fetched and nothing of this user's settings is read.
        .envs([("GOTOOLCHAIN", "local"), ("GOENV", "off"), ("GOFLAGS", ""), ("HOME", "/nonexistent")])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(ANSWER_WITHIN, asking)
        .await
        .map_err(|_| "no answer in time".to_owned())?
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.lines().collect::<Vec<_>>()[..] {
        [version, root] if output.status.success() => Ok((version.to_owned(), root.into())),
        _ => Err(format!("{} {}", output.status, String::from_utf8_lossy(&output.stderr).trim())),
    }
}
