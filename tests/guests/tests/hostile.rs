//! Every hostile guest is stopped where it must be, tells its author why, and leaves the host and its neighbours well.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    io::{Read as _, Write as _},
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use argus_domain::{
    limits::Limits,
    module::Language,
    run::{RunEnd, RunInput},
};
use argus_guests_tests::hostile::{self, Hostile, Must};
use argus_host::{CompilerProcess, Host, HostConfig, default_input};
use argus_http::HttpEgress;
use argus_ports::{ModuleRunner, RunnerError};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// What the process may grow by while one of them runs: the largest memory of a job, and as much again for what the
/// host holds of modules and answers.
const GROWTH_MAX: u64 = 512 << 20;
/// Runs of one of them, and the time after which there is no further one: the neighbour needs some to be measured.
const RUNS_MAX: u32 = 20;
const ENOUGH: Duration = Duration::from_millis(250);
/// Of the well-behaved neighbour.
const NEIGHBOUR: &str =
    "let sum = 0; for (let i = 0; i < 1000; i++) sum += i; console.log(JSON.stringify([sum]))";
const NEIGHBOUR_SUM: u32 = 499_500;

fn host(allowed: SocketAddr) -> Arc<Host> {
    let config = HostConfig {
        slots: 4,
        compiler: Some(CompilerProcess {
            program: env!("CARGO_BIN_EXE_guest-host").into(),
            arguments: vec!["compile".into()],
            environment: Vec::new(),
        }),
        // Shorter than an operator's, for what must reach it; the good ones here take milliseconds.
        compile_timeout: Duration::from_secs(3),
        cache_dir: Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("hostile-compiled")),
        operator_hosts: vec![allowed.to_string()],
        ..HostConfig::default()
    };
    let egress = Arc::new(HttpEgress::new().expect("client"));
    Arc::new(Host::new(config, egress, BTreeMap::new()).expect("host"))
}

async fn run(host: &Host, guest: &Hostile, server: SocketAddr) -> Result<RunEnd, RunnerError> {
    let arguments = guest.asks.map(|path| json!(format!("http://{server}{path}"))).into_iter().collect();
    run_with(host, guest.source.clone(), guest.language, arguments, guest.limits).await
}

async fn run_with(
    host: &Host,
    source: Bytes,
    language: Language,
    arguments: Vec<Value>,
    limits: Limits,
) -> Result<RunEnd, RunnerError> {
    let input = RunInput { arguments, ..default_input() };
    Ok(host.run(source, language, Arc::new(input), limits, Arc::default()).await?.end)
}

async fn neighbour(host: &Host) -> Result<RunEnd, RunnerError> {
    run_with(host, NEIGHBOUR.into(), Language::JavaScript, Vec::new(), Limits::DEFAULT).await
}

/// Runs the neighbour again and again until told to stop; its times, or what it came to instead.
async fn keep_running(host: Arc<Host>, stop: Arc<AtomicBool>) -> Result<Vec<Duration>, String> {
    let mut times = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let started = Instant::now();
        match neighbour(&host).await {
            Ok(RunEnd::Value(value)) if value == json!([NEIGHBOUR_SUM]) => {}
            other => return Err(format!("its neighbour came to {other:?}")),
        }
        times.push(started.elapsed());
        tokio::task::yield_now().await;
    }
    Ok(times)
}

fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len().saturating_sub(1) * 99 / 100).copied().unwrap_or_default()
}

/// A number of /proc/self/status, bytes.
fn status(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("status");
    let line = status.lines().find(|line| line.starts_with(name)).expect("a line of it");
    let kilobytes: u64 = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("kB");
    kilobytes * 1024
}

/// Makes the kernel forget the largest resident size so far.
fn forget_peak() {
    fs::OpenOptions::new()
        .write(true)
        .open("/proc/self/clear_refs")
        .expect("open")
        .write_all(b"5")
        .expect("reset");
}

struct Row {
    name: &'static str,
    stopped_by: &'static str,
    wall: Duration,
    growth: u64,
    ratio: f64,
    said: String,
}

fn table(rows: &[Row]) -> String {
    let mut table =
        "| guest | stopped by | wall ms | peak RSS growth, MB | neighbour's p99 | its author reads |\n\
        |---|---|---|---|---|---|\n"
            .to_owned();
    for Row { name, stopped_by, wall, growth, ratio, said } in rows {
        let said: String = said.lines().next().unwrap_or_default().chars().take(160).collect();
        let said = said.replace('|', "\\|");
        let (ms, mb) = (wall.as_secs_f64() * 1e3, *growth as f64 / f64::from(1 << 20));
        let _infallible =
            writeln!(table, "| {name} | {stopped_by} | {ms:.1} | {mb:.1} | {ratio:.2}x | {said} |");
    }
    table
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_is_stopped_by_its_limit_and_hurts_nobody() {
    let mut servers = JoinSet::new();
    let server = serve(&mut servers).await;
    let host = host(server);
    host.warm_up().await.expect("warm");
    // Whatever is made once is made now: compilers, tools, pools.
    neighbour(&host).await.expect("neighbour");
    let stop = Arc::new(AtomicBool::new(false));
    let mut alone = JoinSet::new();
    alone.spawn(keep_running(host.clone(), stop.clone()));
    tokio::time::sleep(ENOUGH).await;
    stop.store(true, Ordering::Relaxed);
    let undisturbed = p99(alone.join_all().await.remove(0).expect("nothing is beside it"));

    let (mut rows, mut faults) = (Vec::new(), String::new());
    for guest in hostile::all() {
        let stop = Arc::new(AtomicBool::new(false));
        let mut beside = JoinSet::new();
        beside.spawn(keep_running(host.clone(), stop.clone()));
        let before = status("VmRSS:");
        forget_peak();
        let started = Instant::now();
        let (mut runs, mut said) = (0, String::new());
        while runs < RUNS_MAX && (runs == 0 || started.elapsed() < ENOUGH) {
            runs += 1;
            match guest.must.check(&run(&host, &guest, server).await) {
                Ok(words) => said = words,
                Err(fault) => {
                    let _infallible = write!(faults, "\n{}: {fault}", guest.name);
                    break;
                }
            }
        }
        let wall = started.elapsed() / runs;
        let growth = status("VmHWM:").saturating_sub(before);
        stop.store(true, Ordering::Relaxed);
        let times = beside.join_all().await.remove(0).unwrap_or_else(|fault| {
            let _infallible = write!(faults, "\n{}: {fault}", guest.name);
            Vec::new()
        });
        let ratio = p99(times).as_secs_f64() / undisturbed.as_secs_f64();
        if growth > GROWTH_MAX {
            let _infallible = write!(faults, "\n{}: the process grew by {growth} bytes", guest.name);
        }
        rows.push(Row { name: guest.name, stopped_by: guest.stopped_by, wall, growth, ratio, said });
    }
    let table = table(&rows);
    println!("{table}");
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../hostile-guests.md");
    fs::write(file, table).expect("the table's file");
    assert!(faults.is_empty(), "{faults}");
    assert_eq!(
        neighbour(&host).await.map(|end| matches!(end, RunEnd::Value(_))),
        Ok(true),
        "the host runs on"
    );
}

/// Forms of private addresses, and what else leads to them. Each run asks for as many as it may.
#[tokio::test]
async fn no_script_reaches_a_private_address() {
    let mut servers = JoinSet::new();
    let server = serve(&mut servers).await;
    let port = server.port();
    let host = host(SocketAddr::from(([192, 0, 2, 1], 1)));
    let own: Vec<String> = [
        "127.0.0.1",
        "127.1",
        "127.255.255.254",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "localhost",
        "LOCALHOST.",
        "a.localhost",
        "0.0.0.0",
        "0",
        "user@127.0.0.1",
        "user:word@127.0.0.1",
        "①②⑦.⓪.⓪.①",
    ]
    .iter()
    .map(|host| format!("http://{host}:{port}/json"))
    .collect();
    let others = [
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
        "http://172.16.0.1/",
        "http://192.168.1.1/",
        "http://100.64.0.1/",
        "http://[fe80::1]/",
        "http://[fc00::1]/",
        "http://metadata.google.internal/",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "unix:/var/run/docker.sock",
    ];
    let urls: Vec<String> = own.into_iter().chain(others.map(str::to_owned)).collect();
    let source = include_str!("../hostile/ssrf.js");
    for five in urls.chunks(5) {
        let arguments = five.iter().map(|url| json!(url)).collect();
        let end = run_with(&host, source.into(), Language::JavaScript, arguments, Limits::DEFAULT).await;
        assert!(
            matches!(&end, Ok(RunEnd::Value(reached)) if reached.as_array().is_some_and(Vec::is_empty)),
            "{five:?}: {end:?}"
        );
    }
    // The same server is there, for a job whose operator allows it: what was refused above was there to be reached.
    let allowed = self::host(server);
    let arguments = vec![json!(format!("http://{server}/json"))];
    let end = run_with(&allowed, source.into(), Language::JavaScript, arguments, Limits::DEFAULT).await;
    assert!(matches!(&end, Ok(RunEnd::Value(reached)) if reached.to_string().contains("/json")), "{end:?}");
}

/// A table whose check cannot fail would show nothing.
#[test]
fn another_end_than_expected_is_a_fault() {
    use argus_domain::run::{FailureKind, RunFailure};
    let must = Must::Fail(FailureKind::Limit, &["fuel limit"]);
    let failed = |kind, message: &str| Ok(RunEnd::Failed(RunFailure { kind, message: message.to_owned() }));
    assert_eq!(
        must.check(&failed(FailureKind::Limit, "the fuel limit of 1")),
        Ok("the fuel limit of 1".into())
    );
    assert!(must.check(&failed(FailureKind::Limit, "the memory limit of 1")).is_err());
    assert!(must.check(&failed(FailureKind::Script, "the fuel limit of 1")).is_err());
    assert!(must.check(&Err(RunnerError::Host("gone".to_owned()))).is_err());
    assert!(must.check(&Ok(RunEnd::Value(json!([1])))).is_err());
}

/// A server that answers by path, and means no good.
async fn serve(servers: &mut JoinSet<()>) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("bind");
    let address = listener.local_addr().expect("address");
    servers.spawn(async move {
        let mut open = JoinSet::new();
        while let Ok((socket, _)) = listener.accept().await {
            open.spawn(answer(socket));
            while open.try_join_next().is_some() {}
        }
    });
    address
}

async fn answer(mut socket: TcpStream) {
    let mut head = vec![0; 4096];
    let n = socket.read(&mut head).await.unwrap_or(0);
    let head = String::from_utf8_lossy(&head[..n]).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default();
    let ok = |more: &str, body: &[u8]| {
        let mut answer = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n{more}\r\n").into_bytes();
        answer.extend_from_slice(body);
        answer
    };
    let to = |url: &str| {
        format!("HTTP/1.1 302 Found\r\nlocation: {url}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            .into_bytes()
    };
    let bytes = match path {
        "/json" => ok("content-length: 2\r\n", b"{}"),
        "/gzip" => ok("content-encoding: gzip\r\n", &gzip_bomb()),
        "/deflate" => ok("content-encoding: deflate\r\n", &deflate_bomb()),
        "/brotli" => ok("content-encoding: br\r\n", &BROTLI_BOMB),
        "/to-metadata" => to("http://169.254.169.254/latest/meta-data/"),
        "/to-itself" => to("/to-itself"),
        "/endless" | "/drip" => ok("", b""),
        _ => Vec::new(),
    };
    let mut sent = socket.write_all(&bytes).await;
    let (piece, pause) = match path {
        "/endless" => (vec![b'x'; 65_536], Duration::ZERO),
        "/drip" => (vec![b'x'], Duration::from_millis(200)),
        "/never" => (Vec::new(), Duration::from_secs(600)),
        _ => return,
    };
    // Until the other side has had enough.
    while sent.is_ok() {
        sent = socket.write_all(&piece).await;
        tokio::time::sleep(pause).await;
    }
}

/// Far above what an answer may have.
const BOMB_BYTES: u64 = 16 << 20;
/// As many bytes `x`.
const BROTLI_BOMB: [u8; 27] = [
    0xcb, 0xff, 0xff, 0x3f, 0xf8, 0x25, 0xf0, 0xe2, 0xb1, 0x40, 0x20, 0xf7, 0xfe, 0x2f, 0xff, 0xff, 0xff,
    0xf0, 0x4b, 0x00, 0xc4, 0x61, 0x11, 0x80, 0xee, 0xfd, 0x1f,
];

fn gzip_bomb() -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::copy(&mut std::io::repeat(b'x').take(BOMB_BYTES), &mut packer).expect("pack");
    packer.finish().expect("pack")
}

fn deflate_bomb() -> Vec<u8> {
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::copy(&mut std::io::repeat(b'x').take(BOMB_BYTES), &mut packer).expect("pack");
    packer.finish().expect("pack")
}
