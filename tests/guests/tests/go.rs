//! The builder of Go programs: the same bytes everywhere, each source built once, nothing that a program says done on
//! this machine.

use std::{
    ffi::OsString,
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Arc,
    time::Duration,
};

use argus_builder::{
    Builder, Confinement, GO_VERSION, Go, Ports, Program, Settings, Toolchain, ToolchainError,
};
use argus_domain::{digest::digest_of, module::Language};
use argus_evm::LocalSigner;
use argus_guests_tests::go::{settings, shared_cache, toolchain};
use argus_memory::MemoryArchive;
use argus_ports::{Archive, BuildError, Built, ModuleBuilder, Signer};
use rustix::process::geteuid;
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::task::JoinSet;

const LAUNCHER: &str = env!("CARGO_BIN_EXE_confined");
const HELLO: &str = "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(\"[1]\") }\n";

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

/// A toolchain that is a shell script: what it says is what the program is refused with.
fn stand_in(folder: &Path, script: &str) -> Settings {
    let go = folder.join("go");
    fs::write(&go, format!("#!/bin/sh\n{script}\nexit 1\n")).expect("write");
    fs::set_permissions(&go, fs::Permissions::from_mode(0o755)).expect("mode");
    Settings {
        toolchain: Toolchain { go, root: "/nowhere".into() },
        cache: folder.join("cache"),
        modules: None,
        module_proxy: None,
        confinement: Confinement { launcher: vec![LAUNCHER.into()], user: None },
    }
}

/// Why a program is refused.
async fn refusal(settings: Settings, program: Program) -> String {
    match Go::new(settings).expect("folders").build(&program).await {
        Err(BuildError::Refused(refusal)) => refusal.to_string(),
        other => panic!("{other:?}"),
    }
}

fn file(source: &str) -> Program {
    Program::File(source.to_owned().into())
}

#[tokio::test]
async fn two_builders_make_the_same_bytes() {
    let Some(toolchain) = toolchain().await else { return };
    let first = Go::new(settings(toolchain.clone(), LAUNCHER, &shared_cache())).expect("folders");
    let cache = folder();
    let second = Go::new(settings(toolchain, LAUNCHER, cache.path())).expect("folders");
    // The same program alone and in a folder of another name, with another cache.
    let module = folder();
    fs::write(module.path().join("go.mod"), "module script\n\ngo 1.24\n").expect("write");
    fs::write(module.path().join("main.go"), HELLO).expect("write");
    let one = first.build(&file(HELLO)).await.expect("it builds");
    assert!(one == second.build(&file(HELLO)).await.expect("it builds"), "the bytes differ");
    let in_folder = Program::at(module.path()).expect("a folder");
    let one = first.build(&in_folder).await.expect("it builds");
    assert!(one == second.build(&in_folder).await.expect("it builds"), "the bytes differ");
}

#[tokio::test]
async fn a_hostile_program_is_refused_or_harmless() {
    let Some(toolchain) = toolchain().await else { return };
    let root = toolchain.root.to_string_lossy().into_owned();
    let go = Go::new(settings(toolchain, LAUNCHER, &shared_cache())).expect("folders");
    let canary = folder();
    let made = canary.path().join("made");
    let touch = format!("touch {}", made.display());
    let embed = |pattern: &str| {
        format!(
            "package main\n\nimport _ \"embed\"\n\n//go:embed {pattern}\nvar s string\n\nfunc main() {{ print(s) }}\n"
        )
    };
    let cases = [
        ("package main\n\nfunc main() {\n\tx\n}\n".to_owned(), "main.go:4:2: undefined: x"),
        (
            "package main\n\nimport _ \"nosuch\"\n\nfunc main() {}\n".to_owned(),
            "package nosuch is not in std",
        ),
        ("package script\n\nfunc Main() {}\n".to_owned(), "package main"),
        (embed("/etc/passwd"), "invalid pattern syntax"),
        (embed("../../../etc/passwd"), "invalid pattern syntax"),
        (embed("home"), "no matching files found"),
        ("package main\n\nimport _ \"rsc.io/quote\"\n\nfunc main() {}\n".to_owned(), "may not be fetched"),
        ("package main\n\nimport _ \"../../../x\"\n\nfunc main() {}\n".to_owned(), "relative"),
        (
            format!(
                "package main\n\n// #cgo CFLAGS: -fplugin={touch}\n// int x;\nimport \"C\"\n\nfunc main() {{}}\n"
            ),
            "cgo",
        ),
        (
            format!("package main\n\n//go:cgo_ldflag \"-Wl,{touch}\"\nfunc main() {{}}\n"),
            "only allowed in cgo-generated code",
        ),
    ];
    for (source, expect) in cases {
        let said = match go.build(&file(&source)).await {
            Err(BuildError::Refused(refusal)) => refusal.to_string(),
            other => panic!("{source}: {other:?}"),
        };
        assert!(said.contains(expect), "{source}\n{said}");
        for path in ["build-", "guests-go", &root] {
            assert!(!said.contains(path), "a path of this machine is shown: {said}");
        }
    }
    let generates =
        format!("package main\n\n//go:generate {touch}\n//go:debug madvdontneed=1\nfunc main() {{}}\n");
    go.build(&file(&generates)).await.expect("a comment");
    assert!(!made.exists(), "a program made this machine do something");
}

#[tokio::test]
async fn a_folder_holds_all_that_it_is_built_from() {
    let settings = stand_in(folder().keep().as_path(), "echo ran >&2");
    let check = async |lay: &dyn Fn(&Path), expect: &str| {
        let module = folder();
        fs::write(module.path().join("main.go"), HELLO).expect("write");
        lay(module.path());
        let said = refusal(settings.clone(), Program::Folder(module.path().to_path_buf())).await;
        assert!(said.contains(expect), "{said}");
    };
    let go_mod = |folder: &Path, more: &str| {
        fs::write(folder.join("go.mod"), format!("module a\n\ngo 1.24\n{more}")).expect("write");
    };
    check(&|f| go_mod(f, ""), "ran").await;
    check(&|f| go_mod(f, "replace b.example/c => ../c\n"), "outside its folder").await;
    check(&|f| go_mod(f, "replace (\n\tb.example/c v1.0.0 => /etc\n)\n"), "outside its folder").await;
    check(
        &|f| {
            go_mod(f, "");
            symlink("/etc/passwd", f.join("data.txt")).expect("link");
        },
        "data.txt is no file of its own",
    )
    .await;
    check(
        &|f| {
            go_mod(f, "");
            symlink("/etc", f.join("data")).expect("link");
        },
        "data is no file of its own",
    )
    .await;
}

#[tokio::test]
async fn the_toolchain_is_given_nothing_and_leaves_nothing() {
    let said = refusal(
        stand_in(folder().keep().as_path(), "exec >&2; echo in $PWD; env; echo args $*"),
        file(HELLO),
    )
    .await;
    let names: Vec<&str> = said.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    for name in &names {
        let is_ours = name.starts_with("GO")
            || ["HOME", "TMPDIR", "PWD", "CGO_ENABLED", "args build -overlay"].contains(name);
        assert!(is_ours, "{name} of {said}");
    }
    for expect in
        ["GOPROXY=off", "GOTOOLCHAIN=local", "CGO_ENABLED=0", "GOENV=off", "GOFLAGS=\n", "-trimpath"]
    {
        assert!(said.contains(expect), "{expect} in {said}");
    }
    let place =
        said.lines().find_map(|line| line.strip_prefix("in ").or(line.split_once("in /").map(|(_, p)| p)));
    let place = PathBuf::from("/").join(place.expect("a place"));
    assert!(place.ends_with("src") && !place.exists(), "{} is still there", place.display());
}

/// Starts a shell confined: CPU seconds, memory, file size, open files, network.
fn confined(limits: [&str; 5], script: &str) -> Output {
    let words: Vec<OsString> =
        limits.iter().chain(&["same", "/bin/sh", "-c", script]).map(OsString::from).collect();
    Command::new(LAUNCHER).args(words).output().expect("a shell")
}

#[test]
fn a_confined_process_meets_its_limits() {
    let limits = ["2", "2000000000", "4096", "64", "cut"];
    let said =
        confined(limits, "ulimit -t; ulimit -v; ulimit -n; ulimit -c; grep NoNewPrivs /proc/self/status");
    assert_eq!(String::from_utf8_lossy(&said.stdout), "2\n1953125\n64\n0\nNoNewPrivs:\t1\n");
    // A limit that was met ends the process; that nothing else did is what the status says.
    let endless = confined(["1", "2000000000", "4096", "64", "cut"], "while :; do :; done");
    assert!(!endless.status.success() && endless.stdout.is_empty(), "{endless:?}");
    let place = folder();
    let file = place.path().join("big");
    let long = confined(limits, &format!("head -c 100000 /dev/zero > {}", file.display()));
    assert!(!long.status.success(), "{long:?}");
    assert!(fs::metadata(&file).expect("a file").len() <= 4096);
}

#[test]
fn a_confined_process_has_no_network() {
    let devices = |network| {
        let said = confined(["2", "2000000000", "4096", "64", network], "tail -n +3 /proc/net/dev");
        String::from_utf8_lossy(&said.stdout)
            .lines()
            .map(|l| l.split(':').next().unwrap_or_default().trim().to_owned())
            .collect::<Vec<_>>()
    };
    let can_unshare = Command::new("unshare").args(["-r", "-n", "true"]).status().is_ok_and(|s| s.success());
    if !can_unshare {
        assert!(std::env::var_os("CI").is_none(), "this system lets nobody leave its network");
        eprintln!("SKIPPED: this system lets nobody leave its network");
        return;
    }
    assert!(devices("cut").iter().all(|name| name == "lo"), "{:?}", devices("cut"));
    assert!(devices("open").len() >= devices("cut").len());
}

fn signer(byte: u8) -> Arc<LocalSigner> {
    Arc::new(LocalSigner::from_hex(&SecretString::from(format!("{byte:02x}").repeat(32))).expect("a key"))
}

/// A builder with what builds for it. Dropping it stops both.
struct Running {
    builder: Builder,
    _life: JoinSet<()>,
}

impl Running {
    fn new(settings: Settings, kept: &Path, ports: Ports, patience: Duration) -> Self {
        let go = Go::new(settings).expect("folders");
        let (builder, life) = argus_builder::new(go, kept.join("built"), ports, patience).expect("a builder");
        let mut lives = JoinSet::new();
        lives.spawn(life);
        Self { builder, _life: lives }
    }

    async fn build(&self, source: impl Into<bytes::Bytes>, language: Language) -> Result<Built, BuildError> {
        self.builder.build(source.into(), language).await
    }
}

/// A toolchain that must not be asked again.
fn idle(folder: &Path) -> Settings {
    stand_in(folder, "echo asked again >&2")
}

#[tokio::test]
async fn a_source_is_built_once_by_each_builder() {
    let Some(toolchain) = toolchain().await else { return };
    let (kept, other) = (folder(), folder());
    let archive = Arc::new(MemoryArchive::default());
    let builder = |settings: Settings, key: u8| {
        let ports = Ports { signer: signer(key), archive: archive.clone() };
        Running::new(settings, kept.path(), ports, Duration::from_secs(300))
    };
    let source = bytes::Bytes::from_static(HELLO.as_bytes());
    let first = builder(settings(toolchain, LAUNCHER, &shared_cache()), 1);
    let built = first.build(source.clone(), Language::Go).await.expect("it builds");
    let record = &built.record;
    assert_eq!(record.signer, signer(1).address());
    assert_eq!(signer(9).recover(record.build.digest(), &record.signature), Some(record.signer));
    // Again, also by a process that was started anew: nobody asks the toolchain.
    let again = builder(idle(other.path()), 1);
    assert_eq!(again.build(source.clone(), Language::Go).await.expect("it is known"), built);
    // Another key's word is another's; a module that was changed on the disk is not taken.
    let refused = |result: Result<Built, BuildError>| {
        let said = result.expect_err("it is not known").to_string();
        assert!(said.contains("asked again"), "{said}");
    };
    refused(builder(idle(other.path()), 2).build(source.clone(), Language::Go).await);
    let module = kept.path().join("built").join(format!("{:x}.wasm", record.build.wasm_hash.0));
    fs::write(&module, b"\0asm\x01\0\0\0").expect("write");
    refused(again.build(source.clone(), Language::Go).await);
    // Nor is a record that the signer did not sign.
    fs::write(&module, &built.wasm).expect("write");
    let forged = Arc::new(MemoryArchive::default());
    let name = digest_of("argus/build-record/1", &(record.build.source_hash, Go::id(), signer(1).address()));
    assert!(archive.get(name).await.expect("archive").is_some(), "the record has another name");
    let blob = [record.build.wasm_hash.0.as_slice(), &[1; 65]].concat();
    forged.put(name, blob.into()).await.expect("archive");
    let ports = Ports { signer: signer(1), archive: forged };
    let deceived = Running::new(idle(other.path()), kept.path(), ports, Duration::from_secs(300));
    refused(deceived.build(source, Language::Go).await);
}

/// A toolchain that notes each build and then waits until the file `gate` is there. What it makes of a source is a
/// module, unless that says `refuse`.
fn gated(folder: &Path) -> Settings {
    let place = folder.display();
    let script = format!(
        "echo run >> {place}/runs; while [ ! -e {place}/gate ]; do sleep 0.02; done\n\
         if grep -q refuse main.go; then echo refused >&2; exit 1; fi\n\
         while [ \"$1\" != -o ]; do shift; done; printf '\\0asm\\1\\0\\0\\0' > \"$2\"; exit 0"
    );
    stand_in(folder, &script)
}

fn runs(folder: &Path) -> usize {
    fs::read_to_string(folder.join("runs")).map_or(0, |text| text.lines().count())
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..600 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not in time: {what}");
}

fn impatient(place: &Path) -> Running {
    let ports = Ports { signer: signer(1), archive: Arc::new(MemoryArchive::default()) };
    Running::new(gated(place), place, ports, Duration::from_millis(100))
}

#[tokio::test]
async fn a_build_outlasts_who_asks_for_it_and_is_there_when_they_ask_again() {
    let place = folder();
    let builder = impatient(place.path());
    let ask = async |source: &'static str| builder.build(source, Language::Go).await;
    // Somebody who leaves, and two who stay for as long as anybody waits.
    let left = tokio::time::timeout(Duration::from_millis(10), ask("one")).await;
    assert!(left.is_err(), "{left:?}");
    let (a, b) = tokio::join!(ask("one"), ask("one"));
    assert_eq!((&a, &b), (&Err(BuildError::Underway), &Err(BuildError::Underway)));
    assert_eq!(runs(place.path()), 1);
    // A refusal is kept for the next one who asks, and for nobody else.
    assert_eq!(ask("refuse").await, Err(BuildError::Underway));
    fs::write(place.path().join("gate"), "").expect("write");
    let mut built = ask("one").await;
    while built == Err(BuildError::Underway) {
        built = ask("one").await;
    }
    assert_eq!(ask("one").await, built);
    assert!(built.is_ok(), "{built:?}");
    until("the other one is refused", || runs(place.path()) == 2).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let refused = |result: Result<Built, BuildError>| {
        assert!(matches!(result, Err(BuildError::Refused(_))), "{result:?}")
    };
    refused(ask("refuse").await);
    assert_eq!(runs(place.path()), 2);
    fs::remove_file(place.path().join("gate")).expect("removed");
    assert_eq!(ask("refuse").await, Err(BuildError::Underway));
    fs::write(place.path().join("gate"), "").expect("write");
    until("it is built anew", || runs(place.path()) == 3).await;
}

#[tokio::test]
async fn few_builds_wait_and_one_more_is_told_so() {
    let place = folder();
    let builder = impatient(place.path());
    let ask = async |n: usize| builder.build(format!("source {n}"), Language::Go).await;
    assert_eq!(ask(0).await, Err(BuildError::Underway));
    until("the first one is under way", || runs(place.path()) == 1).await;
    for n in 1..=8 {
        assert_eq!(ask(n).await, Err(BuildError::Underway), "{n}");
    }
    assert_eq!(ask(9).await, Err(BuildError::Busy { waiting: 8 }));
    // Who waits already takes no second place.
    assert_eq!(ask(8).await, Err(BuildError::Underway));
    assert_eq!(runs(place.path()), 1, "one at a time");
    fs::write(place.path().join("gate"), "").expect("write");
    until("all are built", || runs(place.path()) == 9).await;
    let mut last = ask(9).await;
    while last == Err(BuildError::Underway) {
        last = ask(9).await;
    }
    assert!(last.is_ok(), "{last:?}");
}

/// The folders of builds below a cache.
fn left(settings: &Settings) -> Vec<PathBuf> {
    let listed = fs::read_dir(settings.cache.join("builds")).expect("a folder");
    listed.map(|entry| entry.expect("an entry").path()).collect()
}

#[tokio::test]
async fn a_cancelled_build_leaves_no_folder_and_no_process() {
    let place = folder();
    let noted = place.path().join("pid");
    let script = format!(
        "(n=0; while :; do n=$((n+1)); mkdir -p $TMPDIR/$n/deep; done) & echo $! > {0}.new; mv {0}.new {0}; wait",
        noted.display()
    );
    let settings = stand_in(place.path(), &script);
    let go = Go::new(settings.clone()).expect("folders");
    let program = file(HELLO);
    tokio::select! {
        ended = go.build(&program) => panic!("{ended:?}"),
        () = until("it builds", || noted.exists()) => {}
    }
    assert_eq!(left(&settings), Vec::<PathBuf>::new());
    let child = fs::read_to_string(&noted).expect("a process");
    let state = || fs::read_to_string(format!("/proc/{}/stat", child.trim())).unwrap_or_default();
    until("it is dead", || state().is_empty() || state().contains(") Z") || state().contains(") X")).await;
}

#[tokio::test]
async fn what_a_killed_builder_left_goes_at_the_next_start_and_what_runs_stays() {
    let place = folder();
    let settings = gated(place.path());
    let go = Go::new(settings.clone()).expect("folders");
    let (program, mut building) = (file(HELLO), JoinSet::new());
    building.spawn(async move { go.build(&program).await });
    until("it builds", || runs(place.path()) == 1).await;
    let alive = left(&settings);
    // As the toolchain leaves it that is killed with its builder.
    let dead = settings.cache.join("builds/build-dead");
    fs::create_dir_all(dead.join("tmp/go-build1/b001")).expect("folders");
    fs::write(dead.join("tmp/go-build1/b001/_pkg_.a"), "x").expect("write");
    let next = Go::new(settings.clone()).expect("folders");
    assert_eq!(left(&settings), alive, "what is dead goes, and nothing else");
    fs::write(place.path().join("gate"), "").expect("write");
    let built = building.join_next().await.expect("a build").expect("no panic");
    assert_eq!(built, next.build(&file("package main")).await, "both build");
    assert!(built.is_ok(), "{built:?}");
    assert_eq!(left(&settings), Vec::<PathBuf>::new());
}

/// A user that owns nothing of ours.
const STRANGER: u32 = 54_321;

#[tokio::test]
async fn the_toolchain_runs_as_another_user() {
    if !geteuid().is_root() {
        eprintln!("SKIPPED, NOTHING WAS TESTED: only root can choose the user of builds");
        return;
    }
    let place = folder();
    // Others come through, and no further.
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o711)).expect("mode");
    let secret = place.path().join("platform.key");
    fs::write(&secret, "canary").expect("write");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).expect("mode");
    let as_stranger = |settings: Settings| {
        let confinement = Confinement { user: Some(STRANGER), ..settings.confinement };
        Settings { confinement, modules: None, cache: place.path().join("cache"), ..settings }
    };
    let script = format!(
        "exec >&2; id -u; id -g; id -G; cat {}; touch {}/made; grep -c : /proc/net/dev",
        secret.display(),
        place.path().display()
    );
    let said = refusal(as_stranger(stand_in(place.path(), &script)), file(HELLO)).await;
    assert!(said.contains(&format!("{STRANGER}\n{STRANGER}\n{STRANGER}\n")), "{said}");
    assert!(!said.contains("canary") && !place.path().join("made").exists(), "{said}");
    assert_eq!(said.matches("Permission denied").count(), 2, "{said}");
    assert!(said.ends_with("\n1") || said.ends_with("\n0"), "the network is cut: {said}");
    // A toolchain that it may not start is this machine's fault, and no program's.
    let shut = stand_in(place.path(), "");
    fs::set_permissions(&shut.toolchain.go, fs::Permissions::from_mode(0o700)).expect("mode");
    let ended = Go::new(as_stranger(shut)).expect("folders").build(&file(HELLO)).await;
    assert!(
        matches!(&ended, Err(BuildError::Failed(said)) if said.contains("Permission denied")),
        "{ended:?}"
    );
    // The module is the same, whoever built it.
    let Some(toolchain) = toolchain().await else { return };
    let ours = Go::new(settings(toolchain.clone(), LAUNCHER, &shared_cache())).expect("folders");
    let theirs = Settings { module_proxy: None, ..settings(toolchain, LAUNCHER, place.path()) };
    let theirs = Go::new(as_stranger(theirs)).expect("folders");
    let (one, other) = (ours.build(&file(HELLO)).await, theirs.build(&file(HELLO)).await);
    assert!(one.expect("it builds") == other.expect("it builds"), "the bytes differ");
}

#[tokio::test]
async fn another_toolchain_is_named_and_not_used() {
    let folder = folder();
    stand_in(folder.path(), "echo go1.2.3; echo /somewhere; exit 0");
    let found = Toolchain::find(None, &[folder.path().to_path_buf()]).await;
    let Err(error @ ToolchainError::Another { .. }) = found else { panic!("{found:?}") };
    let said = error.to_string();
    assert!(said.contains(GO_VERSION) && said.contains("go1.2.3 at "), "{said}");
    assert_eq!(Toolchain::find(None, &[]).await, Err(ToolchainError::Absent));
}

#[test]
fn the_setup_script_installs_what_the_builder_wants() {
    let versions = include_str!("../../../scripts/versions.sh");
    let named = versions.lines().find_map(|line| line.strip_prefix("GO_VERSION=")).expect("GO_VERSION");
    assert_eq!(format!("go{named}"), GO_VERSION);
}
