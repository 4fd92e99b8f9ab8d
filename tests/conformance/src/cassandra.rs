//! Real Cassandra nodes on this machine, for as long as a test needs them.

use std::{
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
};

use self::process::{Process, configure, find, run};

mod process;

/// One node that knows no other, or a cluster of three.
pub struct Cassandra {
    jars: PathBuf,
    nodes: Vec<Node>,
    /// Host and port for clients, of the first node.
    pub address: String,
}

struct Node {
    data: tempfile::TempDir,
    seat: Seat,
    process: Process,
}

/// Where a node listens. All of a cluster have the same ports, on addresses of their own: what nodes tell of each other
/// to clients is an address.
#[derive(Debug, Clone, Copy)]
struct Seat {
    host: Ipv4Addr,
    storage: u16,
    native: u16,
    jmx: u16,
    /// How long it waits for others that it should hear of.
    ring_delay_ms: u16,
}

/// When what a node took is where a sudden end of it leaves it.
#[derive(Clone, Copy)]
enum Keeping {
    /// A moment after the answer: what is cheap.
    After,
    /// Before it.
    Before,
}

impl Cassandra {
    /// Starts one; `None` where there is no program for it, which fails in CI and is said loudly elsewhere.
    ///
    /// # Panics
    /// Where the program is there and does not come up.
    pub fn start() -> Option<Self> {
        Self::of(1, Keeping::After)
    }

    /// Starts one that loses nothing when it is killed, as several nodes that are not killed at once do not.
    ///
    /// # Panics
    /// As [`Cassandra::start`].
    pub fn start_durable() -> Option<Self> {
        Self::of(1, Keeping::Before)
    }

    /// Starts three that know each other, on 127.0.0.1 to 127.0.0.3, one after the other. None loses anything when it is
    /// killed: they are killed in turns faster than what one has lost comes back from the others.
    ///
    /// # Panics
    /// As [`Cassandra::start`].
    pub fn start_three() -> Option<Self> {
        Self::of(3, Keeping::Before)
    }

    fn of(count: usize, keeping: Keeping) -> Option<Self> {
        let jars = find()?;
        let seats = seats(count);
        let nodes: Vec<Node> = seats
            .iter()
            .map(|&seat| {
                let data = tempfile::tempdir().expect("a folder");
                configure(data.path(), seat, &seats, keeping);
                let process = run(&jars, data.path(), seat);
                Node { data, seat, process }
            })
            .collect();
        // A node takes clients before it has heard that the others are up, and refuses them a quorum until then.
        for node in &nodes {
            let others = seats.iter().map(|seat| seat.host).filter(|host| *host != node.seat.host);
            node.process.wait_for(others);
        }
        let address = nodes[0].seat.address();
        Some(Self { jars, nodes, address })
    }

    /// Host and port for clients, of each node.
    pub fn addresses(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.seat.address()).collect()
    }

    /// Ends a node at once, as a crash would: the first is 0.
    ///
    /// # Panics
    /// Where it cannot be ended.
    pub fn kill(&mut self, node: usize) {
        let process = &mut self.nodes[node].process.child;
        process.kill().expect("killed");
        process.wait().expect("ended");
    }

    /// Starts it again where it was, with what it had, and waits until it takes clients.
    ///
    /// # Panics
    /// Where it does not come up.
    pub fn restart(&mut self, node: usize) {
        let Node { data, seat, process } = &mut self.nodes[node];
        *process = run(&self.jars, data.path(), *seat);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ended = self.process.child.kill();
        let _ended = self.process.child.wait();
    }
}

impl Seat {
    fn address(&self) -> String {
        format!("{}:{}", self.host, self.native)
    }
}

/// Ports that are free now: nobody else takes them while the nodes start, as far as one can tell.
fn seats(count: usize) -> Vec<Seat> {
    let hosts: Vec<Ipv4Addr> = (1u8..).take(count).map(|n| Ipv4Addr::new(127, 0, 0, n)).collect();
    // Held until all are found, so that none is given twice.
    let mut held = Vec::new();
    let [storage, native] = [(); 2].map(|()| {
        let free = || {
            let first = TcpListener::bind((hosts[0], 0)).expect("a free port");
            let port = first.local_addr().expect("its address").port();
            let others = hosts[1..].iter().map(|host| TcpListener::bind((*host, port)));
            let others: Vec<TcpListener> = others.collect::<Result<_, _>>().ok()?;
            Some((port, first, others))
        };
        let (port, first, others) = (0..100).find_map(|_| free()).expect("a port that is free everywhere");
        held.push(first);
        held.extend(others);
        port
    });
    let ring_delay_ms = if count == 1 { 1 } else { 2000 };
    let seat = |host: &Ipv4Addr| {
        // It listens on the first address alone, whatever the node's.
        let jmx = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = jmx.local_addr().expect("its address").port();
        held.push(jmx);
        Seat { host: *host, storage, native, jmx: port, ring_delay_ms }
    };
    hosts.iter().map(seat).collect()
}
