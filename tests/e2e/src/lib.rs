//! The built program as its users meet it. Each scenario starts `argus dev` on a folder and ports of its own, speaks
//! REST, WebSocket and JSON-RPC with it, and believes the chain alone.

pub mod chain;
pub mod command;
pub mod corpus;
pub mod echo;
mod jaeger;
pub mod jobs;
pub mod keeper;
pub mod platform;
pub mod process;
pub mod receiver;
pub mod socket;
pub mod source;
pub mod story;
pub mod typescript;
pub mod wait;
pub mod wire;

pub use echo::Echo;
pub use jaeger::Jaeger;
pub use keeper::Keeper;
pub use platform::{Platform, Reply, Start, Topology};
pub use receiver::Receiver;
pub use socket::Socket;
pub use source::{Feed, Source};
pub use typescript::TypeScript;
pub use wait::{deadline, stays, until};
pub use wire::Wire;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// The forms in which every scenario runs.
pub const TOPOLOGIES: &[Topology] = &[Topology::OneProcess, Topology::Processes];

/// The program under test, where cargo puts it: beside the folder of this test's own executable.
///
/// # Panics
/// If it has not been built: a test that runs nothing must not pass.
pub fn program() -> PathBuf {
    built("argus", "argus")
}

/// The keeper that breaks the rules.
///
/// # Panics
/// As [`program`].
pub fn hostile_keeper() -> PathBuf {
    built("hostile-keeper", "argus-e2e")
}

/// What docs/api-guide.md shows in Rust.
///
/// # Panics
/// As [`program`].
pub fn guide() -> PathBuf {
    built("guide", "argus-e2e")
}

/// Where platforms of all tests and test runs keep what they compile: a name there says by what it was made.
pub fn compiled() -> PathBuf {
    program().with_file_name("argus-e2e-compiled")
}

fn built(name: &str, package: &str) -> PathBuf {
    let here = std::env::current_exe().expect("the path of this executable");
    let program = here.ancestors().nth(2).expect("a target folder").join(name);
    assert!(
        program.is_file(),
        "{} is not there: build it with `cargo build -p {package}` (with the same profile as the tests)",
        program.display()
    );
    program
}

/// Whether there is a chain to run. Where CI runs, its absence is a failure; elsewhere it is said loudly.
pub fn has_anvil() -> bool {
    let named = std::env::var_os("ARGUS_ANVIL").map(PathBuf::from);
    let path: Vec<PathBuf> =
        std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    is_there(argus_evm::anvil::find(named.as_deref(), &path, &cache())).is_some()
}

/// The folder with the npm packages of `tests/e2e/sdk`, as `scripts/setup test` installs them; `None` as in
/// [`has_anvil`].
pub fn sdk_packages() -> Option<PathBuf> {
    let packages = cache().join("argus/tools/sdk/node_modules");
    let missing = || format!("no npm packages at {}: run scripts/setup test", packages.display());
    is_there(if packages.is_dir() { Ok(packages.clone()) } else { Err(missing()) })
}

/// Where the TypeScript client is.
pub fn client_ts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../clients/ts")
}

/// The TypeScript compiler, as `scripts/setup test` installs it, and a Node.js that has WebSockets; `None` as in
/// [`has_anvil`].
pub fn typescript() -> Option<PathBuf> {
    let compiler = cache().join("argus/tools/ts/node_modules/typescript/bin/tsc");
    let node = Command::new("node").args(["--experimental-websocket", "-e", "new Function()"]).status();
    is_there(match node.is_ok_and(|status| status.success()) {
        true if compiler.is_file() => Ok(compiler),
        true => Err(format!("no TypeScript compiler at {}: run scripts/setup test", compiler.display())),
        false => {
            Err("the TypeScript client's tests need Node.js 20.10 or newer: https://nodejs.org".to_owned())
        }
    })
}

/// Prometheus, of this machine or as `scripts/setup test` unpacks it; `None` as in [`has_anvil`].
pub fn prometheus() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let unpacked = cache().join("argus/tools/prometheus/usr/bin");
    let mut places = std::env::split_paths(&path).chain([unpacked]).map(|place| place.join("prometheus"));
    is_there(places.find(|program| program.is_file()).ok_or("no prometheus: run scripts/setup test"))
}

/// schemathesis, as `scripts/setup test` installs it; `None` as in [`has_anvil`].
pub fn schemathesis() -> Option<PathBuf> {
    let folder = cache().join("argus/tools/schemathesis");
    // The set-up writes this last.
    let is_whole = folder.join("requirements.txt").is_file();
    let missing = || format!("no schemathesis at {}: run scripts/setup test", folder.display());
    is_there(if is_whole { Ok(folder.join("bin/schemathesis")) } else { Err(missing()) })
}

/// Where this user's programs keep what can be had again.
fn cache() -> PathBuf {
    std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))
        .unwrap_or_default()
}

fn is_there<T, E: std::fmt::Display>(found: Result<T, E>) -> Option<T> {
    match found {
        Ok(found) => Some(found),
        Err(error) if std::env::var_os("CI").is_some() => panic!("{error}"),
        Err(error) => {
            eprintln!("\n*** SKIPPED, nothing was tested: {error} ***\n");
            None
        }
    }
}
