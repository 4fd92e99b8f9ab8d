//! The process of one node: its configuration, and its start.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader},
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError, mpsc},
    time::{Duration, Instant},
};

use super::{Keeping, Seat};

/// It is up in some seconds on an idle machine.
const UP_WITHIN: Duration = Duration::from_secs(300);

/// What its log says then.
const UP: &str = "Starting listening for CQL clients";

/// What Java 17 keeps to itself otherwise.
const EXPORTS: [&str; 7] = [
    "java.base/jdk.internal.misc",
    "java.base/java.lang.ref",
    "java.management.rmi/com.sun.jmx.remote.internal.rmi",
    "java.rmi/sun.rmi.registry",
    "java.rmi/sun.rmi.server",
    "java.sql/java.sql",
    "jdk.unsupported/sun.misc",
];
const OPENS: [&str; 15] = [
    "java.base/java.io",
    "java.base/java.lang",
    "java.base/java.lang.module",
    "java.base/java.lang.reflect",
    "java.base/java.nio",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/jdk.internal.loader",
    "java.base/jdk.internal.math",
    "java.base/jdk.internal.module",
    "java.base/jdk.internal.ref",
    "java.base/jdk.internal.reflect",
    "java.base/jdk.internal.util.jar",
    "java.base/sun.nio.ch",
];

/// A node that runs.
pub(super) struct Process {
    pub(super) child: Child,
    /// The other nodes that it takes for alive, as its log tells.
    alive: Arc<Mutex<BTreeSet<Ipv4Addr>>>,
}

impl Process {
    /// Waits until it takes these for alive.
    pub(super) fn wait_for(&self, others: impl IntoIterator<Item = Ipv4Addr>) {
        let others: BTreeSet<Ipv4Addr> = others.into_iter().collect();
        let began = Instant::now();
        loop {
            let alive = self.alive.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if others.is_subset(&alive) {
                return;
            }
            assert!(began.elapsed() < UP_WITHIN, "a node hears of {alive:?}, and not of all {others:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// What a node's log says of another: its address, and whether it is alive now.
fn heard(line: &str) -> Option<(Ipv4Addr, bool)> {
    let (_, told) = line.split_once("InetAddress /")?;
    let (address, state) = told.split_once(" is now ")?;
    let (host, _port) = address.split_once(':')?;
    Some((host.parse().ok()?, state.trim() == "UP"))
}

/// Starts the node and waits until it takes clients.
pub(super) fn run(jars: &Path, data: &Path, seat: Seat) -> Process {
    let mut node = command(jars, data, seat).spawn().expect("java starts");
    let lines = BufReader::new(node.stdout.take().expect("its output"));
    let alive = Arc::new(Mutex::new(BTreeSet::new()));
    let seen = Arc::clone(&alive);
    let (said, up) = mpsc::sync_channel(1);
    // Goes on reading: the node would stop at a full pipe.
    std::thread::spawn(move || {
        let mut last = Vec::new();
        for line in lines.lines().map_while(Result::ok) {
            let is_up = line.contains(UP);
            if let Some((host, is_alive)) = heard(&line) {
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                if is_alive {
                    seen.insert(host)
                } else {
                    seen.remove(&host)
                };
            }
            last.push(line);
            if is_up {
                let _closed = said.send(Ok(()));
                last.clear();
            } else if last.len() > 60 {
                last.remove(0);
            }
        }
        let _closed = said.try_send(Err(last.join("\n")));
    });
    match up.recv_timeout(UP_WITHIN) {
        Ok(Ok(())) => {}
        Ok(Err(last)) => panic!("the Cassandra node ended:\n{last}"),
        Err(_) => {
            let _ended = node.kill();
            panic!("the Cassandra node did not come up within {UP_WITHIN:?}");
        }
    }
    // It says so just before it does.
    while TcpStream::connect((seat.host, seat.native)).is_err() {
        assert!(node.try_wait().expect("java").is_none(), "the Cassandra node ended");
        std::thread::sleep(Duration::from_millis(50));
    }
    Process { child: node, alive }
}

pub(super) fn configure(data: &Path, seat: Seat, cluster: &[Seat], keeping: Keeping) {
    let Seat { host, storage, native, .. } = seat;
    // Each is one that others ask first, so that any two of them may be away.
    let seeds: Vec<String> = cluster.iter().map(|seat| format!("{}:{}", seat.host, seat.storage)).collect();
    let sync = match keeping {
        Keeping::After => "periodic\ncommitlog_sync_period: 10000ms",
        Keeping::Before => "batch",
    };
    // One node on a busy machine is to be slow, and not to give up; of several, each gives up as it does by default.
    let timeouts = match cluster {
        [_] => {
            "read_request_timeout: 20s
range_request_timeout: 20s
write_request_timeout: 20s
cas_contention_timeout: 10s
request_timeout: 20s"
        }
        _ => "",
    };
    let dir = |name: &str| data.join(name).display().to_string();
    let yaml = format!(
        "cluster_name: test
num_tokens: 1
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
commitlog_sync: {sync}
commitlog_segment_size: 16MiB
memtable_heap_space: 64MiB
memtable_offheap_space: 64MiB
key_cache_size: 8MiB
file_cache_size: 32MiB
data_file_directories: [{data}]
commitlog_directory: {log}
saved_caches_directory: {caches}
hints_directory: {hints}
cdc_raw_directory: {cdc}
endpoint_snitch: SimpleSnitch
seed_provider:
  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
    parameters:
      - seeds: \"{seeds}\"
listen_address: {host}
rpc_address: {host}
storage_port: {storage}
native_transport_port: {native}
start_native_transport: true
auto_snapshot: false
concurrent_compactors: 1
{timeouts}
",
        seeds = seeds.join(","),
        data = dir("data"),
        log = dir("commitlog"),
        caches = dir("caches"),
        hints = dir("hints"),
        cdc = dir("cdc"),
    );
    fs::create_dir_all(data.join("conf")).expect("a folder");
    fs::write(data.join("conf/cassandra.yaml"), yaml).expect("its configuration");
    let logback =
        "<configuration><appender name=\"OUT\" class=\"ch.qos.logback.core.ConsoleAppender\"><encoder>
<pattern>%level %logger{0} %msg%n</pattern></encoder></appender>
<root level=\"INFO\"><appender-ref ref=\"OUT\"/></root></configuration>";
    fs::write(data.join("conf/logback.xml"), logback).expect("its configuration");
}

fn command(jars: &Path, data: &Path, Seat { jmx, ring_delay_ms, .. }: Seat) -> Command {
    let mut command = Command::new("java");
    command.args(["-Xms512m", "-Xmx512m", "-XX:+UseSerialGC", "-Xss512k", "-XX:TieredStopAtLevel=1"]);
    for export in EXPORTS {
        command.arg(format!("--add-exports={export}=ALL-UNNAMED"));
    }
    for open in OPENS {
        command.arg(format!("--add-opens={open}=ALL-UNNAMED"));
    }
    command.arg("--add-opens=jdk.management/com.sun.management.internal=ALL-UNNAMED");
    command
        .arg("-Djdk.attach.allowAttachSelf=true")
        .arg("-Dcassandra-foreground=yes")
        .arg("-Dcassandra.skip_wait_for_gossip_to_settle=0")
        .arg(format!("-Dcassandra.ring_delay_ms={ring_delay_ms}"))
        .arg(format!("-Dcassandra.jmx.local.port={jmx}"))
        .arg(format!("-Dcassandra.config=file://{}", data.join("conf/cassandra.yaml").display()))
        .arg(format!("-Dcassandra.storagedir={}", data.display()))
        .arg("-cp")
        .arg(format!("{}:{}/*", data.join("conf").display(), jars.display()))
        .arg("org.apache.cassandra.service.CassandraDaemon")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

pub(super) fn find() -> Option<PathBuf> {
    let named = std::env::var_os("ARGUS_CASSANDRA").map(PathBuf::from);
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))
        .unwrap_or_default()
        .join("argus/tools/cassandra/lib");
    let found = named.into_iter().chain([cache.clone()]).find(|jars| jars.is_dir());
    let java = Command::new("java").arg("-version").stderr(Stdio::null()).status().is_ok_and(|s| s.success());
    if found.is_none() || !java {
        let said = format!(
            "no Cassandra: looked for java 17 or newer, and at ARGUS_CASSANDRA and {}; scripts/setup installs it",
            cache.display()
        );
        assert!(std::env::var_os("CI").is_none(), "{said}");
        eprintln!("\n*** SKIPPED, nothing was tested: {said} ***\n");
        return None;
    }
    found
}
