//! Reading the repository: its tracked files, and its crates as cargo sees them.

use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};

use crate::edges::{Edge, Member, Use};
use crate::text::File;

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .expect("tests/house lies two below the root")
}

/// Every tracked file that is text and still there.
///
/// # Panics
/// Where git is missing or the folder is no checkout: the rules speak of tracked files.
pub fn tracked_files() -> Vec<File> {
    let root = root();
    let listed = Command::new("git").arg("-C").arg(&root).args(["ls-files", "-z"]).output();
    let listed = listed.expect("git is needed: the house rules speak of tracked files");
    assert!(listed.status.success(), "git ls-files: {}", String::from_utf8_lossy(&listed.stderr));
    String::from_utf8_lossy(&listed.stdout)
        .split('\0')
        .filter(|path| !path.is_empty())
        .filter_map(|path| {
            Some(File { path: path.to_owned(), text: std::fs::read_to_string(root.join(path)).ok()? })
        })
        .collect()
}

/// The workspace as cargo resolved it for this machine.
pub fn workspace() -> Workspace {
    let mut command = MetadataCommand::new();
    let options = ["--locked".to_owned(), format!("--filter-platform={}", host_triple())];
    let metadata = command.manifest_path(root().join("Cargo.toml")).other_options(options).exec();
    Workspace(metadata.unwrap_or_else(|error| panic!("cargo metadata --locked: {error}")))
}

fn host_triple() -> String {
    let version = Command::new(env!("CARGO")).arg("-vV").output().expect("cargo runs: it runs this test");
    let text = String::from_utf8_lossy(&version.stdout).into_owned();
    text.lines().find_map(|line| line.strip_prefix("host: ")).expect("cargo -vV names its host").to_owned()
}

/// Our crates and what they depend on.
pub struct Workspace(Metadata);

impl Workspace {
    /// Every crate of ours.
    pub fn members(&self) -> Vec<Member> {
        self.0.workspace_packages().into_iter().map(|package| self.member(package)).collect()
    }

    /// Every dependency of one crate of ours on another.
    pub fn edges(&self) -> Vec<Edge> {
        let packages = self.0.workspace_packages();
        let is_ours = |name: &str| packages.iter().any(|package| package.name == name);
        let edges = packages.iter().flat_map(|package| {
            let ours = package.dependencies.iter().filter(|dependency| is_ours(&dependency.name));
            ours.map(|dependency| Edge {
                from: package.name.to_string(),
                to: dependency.name.clone(),
                used: match dependency.kind {
                    DependencyKind::Development => Use::Tests,
                    _ => Use::Shipped,
                },
            })
        });
        edges.collect()
    }

    /// Names of the crates that `member` lists for what it ships.
    pub fn listed_by(&self, member: &Member) -> Vec<&str> {
        let package = self.0.workspace_packages().into_iter().find(|package| package.name == member.name);
        let dependencies = package.into_iter().flat_map(|package| &package.dependencies);
        dependencies
            .filter(|listed| listed.kind == DependencyKind::Normal)
            .map(|listed| listed.name.as_str())
            .collect()
    }

    /// Names of all crates that `member` reaches in what it ships, build scripts and tests aside.
    pub fn reached_by(&self, member: &Member) -> Vec<&str> {
        let resolve = self.0.resolve.as_ref().expect("cargo metadata resolves unless told otherwise");
        let start = self.0.workspace_packages().into_iter().find(|package| package.name == member.name);
        let mut open: Vec<&PackageId> = start.into_iter().map(|package| &package.id).collect();
        let mut reached: Vec<&PackageId> = Vec::new();
        while let Some(id) = open.pop() {
            let Some(node) = resolve.nodes.iter().find(|node| node.id == *id) else { continue };
            for dependency in &node.deps {
                let ships = dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal);
                if ships && !self.is_macro(&dependency.pkg) && !reached.contains(&&dependency.pkg) {
                    reached.push(&dependency.pkg);
                    open.push(&dependency.pkg);
                }
            }
        }
        reached.into_iter().map(|id| self.0[id].name.as_str()).collect()
    }

    /// A procedural macro runs in the compiler: what it uses does not ship.
    fn is_macro(&self, id: &PackageId) -> bool {
        self.0[id].targets.iter().any(cargo_metadata::Target::is_proc_macro)
    }

    fn member(&self, package: &Package) -> Member {
        let dir =
            package.manifest_path.parent().and_then(|dir| dir.strip_prefix(&self.0.workspace_root).ok());
        let dir = dir.map(|dir| dir.as_str().replace('\\', "/")).unwrap_or_default();
        Member { name: package.name.to_string(), dir }
    }
}
