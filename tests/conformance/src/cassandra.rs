//! A real Cassandra node, alone on this machine, for as long as a test needs it.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

/// A node that knows no other.
pub struct Cassandra {
    jars: PathBuf,
    data: tempfile::TempDir,
    ports: [u16; 3],
    node: Child,
    /// Host and port for clients.
    pub address: String,
}

/// When what a node took is where a sudden end of it leaves it.
#[derive(Clone, Copy)]
enum Keeping {
    /// A moment after the answer: what is cheap.
    After,
    /// Before it.
    Before,
}

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

impl Cassandra {
    /// Starts one; `None` where there is no program for it, which fails in CI and is said loudly elsewhere.
    ///
    /// # Panics
    /// Where the program is there and does not come up.
    pub fn start() -> Option<Self> {
        Self::keeping(Keeping::After)
    }

    /// Starts one that loses nothing when it is killed, as several nodes that are not killed at once do not.
    ///
    /// # Panics
    /// As [`Cassandra::start`].
    pub fn start_durable() -> Option<Self> {
        Self::keeping(Keeping::Before)
    }

    fn keeping(keeping: Keeping) -> Option<Self> {
        let jars = find()?;
        let data = tempfile::tempdir().expect("a folder");
        let ports = free_ports();
        configure(data.path(), ports, keeping);
        let node = run(&jars, data.path(), ports);
        Some(Self { jars, data, ports, node, address: format!("127.0.0.1:{}", ports[1]) })
    }

    /// Ends it at once, as a crash would.
    ///
    /// # Panics
    /// Where it cannot be ended.
    pub fn kill(&mut self) {
        self.node.kill().expect("killed");
        self.node.wait().expect("ended");
    }

    /// Starts it again where it was, with what it had.
    ///
    /// # Panics
    /// Where it does not come up.
    pub fn restart(&mut self) {
        self.node = run(&self.jars, self.data.path(), self.ports);
    }
}

/// Starts the node and waits until it takes clients.
fn run(jars: &Path, data: &Path, [_, native, jmx]: [u16; 3]) -> Child {
    let mut node = command(jars, data, jmx).spawn().expect("java starts");
    let lines = BufReader::new(node.stdout.take().expect("its output"));
    let (said, up) = mpsc::sync_channel(1);
    // Goes on reading: the node would stop at a full pipe.
    std::thread::spawn(move || {
        let mut last = Vec::new();
        for line in lines.lines().map_while(Result::ok) {
            let is_up = line.contains(UP);
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
    while TcpStream::connect(("127.0.0.1", native)).is_err() {
        assert!(node.try_wait().expect("java").is_none(), "the Cassandra node ended");
        std::thread::sleep(Duration::from_millis(50));
    }
    node
}

impl Drop for Cassandra {
    fn drop(&mut self) {
        let _ended = self.node.kill();
        let _ended = self.node.wait();
    }
}

/// Ports that are free now: nobody else takes them while the node starts, as far as one can tell.
fn free_ports() -> [u16; 3] {
    let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("its address").port())
}

fn configure(data: &Path, [storage, native, _]: [u16; 3], keeping: Keeping) {
    let sync = match keeping {
        Keeping::After => "periodic\ncommitlog_sync_period: 10000ms",
        Keeping::Before => "batch",
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
      - seeds: \"127.0.0.1:{storage}\"
listen_address: 127.0.0.1
rpc_address: 127.0.0.1
storage_port: {storage}
native_transport_port: {native}
start_native_transport: true
auto_snapshot: false
concurrent_compactors: 1
read_request_timeout: 20s
range_request_timeout: 20s
write_request_timeout: 20s
cas_contention_timeout: 10s
request_timeout: 20s
",
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

fn command(jars: &Path, data: &Path, jmx: u16) -> Command {
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
        .arg("-Dcassandra.ring_delay_ms=1")
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

fn find() -> Option<PathBuf> {
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
