//! What a flood of connections that get nowhere takes from a link that works.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use argus_conformance::links::Recorder;
use argus_grpc::Client;
use argus_ports::Dispatch;
use argus_tls::{Mutual, Role};
use tokio::{io::AsyncWriteExt, runtime::Runtime, task::JoinSet, time::interval};

use crate::{
    Running, SERVICES, all_roles,
    mutual::{Pki, connect_from, open},
};

/// Each measurement.
const MEASURE: Duration = Duration::from_secs(2);
/// Callers on the link that works.
const CALLERS: usize = 16;
/// Junk connections a second.
const JUNK: u64 = 1000;

/// Calls a second that the link carries.
async fn carried(client: &Client) -> u64 {
    let (count, until) = (Arc::new(AtomicU64::new(0)), Instant::now() + MEASURE);
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (client, count) = (client.clone(), count.clone());
        callers.spawn(async move {
            while Instant::now() < until {
                client.submit(&[]).await.expect("the link works");
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    callers.join_all().await;
    count.load(Ordering::Relaxed) / MEASURE.as_secs()
}

/// What a junk connection does.
#[derive(Clone)]
enum Junk {
    /// Says something else than TLS.
    Garbage,
    /// Goes through a handshake with a certificate of its own authority.
    Stranger(Box<Mutual>),
}

/// Opens junk connections until it is dropped; counts them.
async fn flood(server: &Running, junk: Junk, count: &AtomicU64) {
    let mut ticks = interval(Duration::from_millis(10));
    let mut under_way = JoinSet::new();
    loop {
        ticks.tick().await;
        for _ in 0..JUNK / 100 {
            // Another source than the link that works has.
            let mut stream = connect_from("127.0.0.2", server).await;
            let junk = junk.clone();
            under_way.spawn(async move {
                match junk {
                    Junk::Garbage => drop(stream.write_all(&[b'x'; 64]).await),
                    Junk::Stranger(tls) => {
                        let name = "localhost".try_into().expect("a name");
                        drop(tls.connector().connect(name, stream).await);
                    }
                }
            });
            count.fetch_add(1, Ordering::Relaxed);
        }
        while under_way.try_join_next().is_some() {}
    }
}

/// Processor time of the server's thread for each connection of a flood.
fn spent_by(of_link: &Runtime, server: &Arc<Running>, of_flood: &Runtime, junk: Junk) -> Duration {
    let time = || {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Duration::new(
            u64::try_from(time.tv_sec).expect("seconds"),
            u32::try_from(time.tv_nsec).expect("below 1e9"),
        )
    };
    // The runtime has one thread, and this runs on it.
    let of_thread =
        || of_link.block_on(async { of_link.spawn(async move { time() }).await.expect("a time") });
    let count = Arc::new(AtomicU64::new(0));
    let (flooded, counted, before) = (server.clone(), count.clone(), of_thread());
    let flooding = of_flood.spawn(async move { flood(&flooded, junk, &counted).await });
    std::thread::sleep(MEASURE);
    flooding.abort();
    let connections = u32::try_from(count.load(Ordering::Relaxed)).expect("few").max(1);
    (of_thread() - before) / connections
}

#[test]
fn what_a_flood_takes_is_told() {
    // The flood's own work is no part of what the link has: it runs on a thread of its own.
    let of_link = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let of_flood = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let (of_link, of_flood) = (of_link.expect("a runtime"), of_flood.expect("a runtime"));
    let folder = tempfile::tempdir().expect("a folder");
    let (ours, theirs) = (Pki::new(&folder.path().join("ours")), Pki::new(&folder.path().join("theirs")));
    let tls = open(&ours.member(Role::Service, "server"));
    let served = all_roles(&Arc::new(Recorder::default()));
    let server = of_link.block_on(Running::with(served, "127.0.0.1:0", Some(tls)));
    let server = Arc::new(server);
    let client = of_link.block_on(async { server.secure(SERVICES, &ours.member(Role::Service, "client")) });
    // Trusts the server, so that it goes on to show its own.
    let stranger = theirs.member(Role::Service, "stranger");
    std::fs::write(&stranger.authorities, std::fs::read(folder.path().join("ours/ca.pem")).expect("read"))
        .expect("written");
    let stranger = Junk::Stranger(Box::new(open(&stranger)));
    let _warm = of_link.block_on(carried(&client));
    for (name, junk) in [("garbage", Junk::Garbage), ("strangers' handshakes", stranger)] {
        let before = of_link.block_on(carried(&client));
        let count = Arc::new(AtomicU64::new(0));
        let (flooded, counted, during_junk) = (server.clone(), count.clone(), junk.clone());
        let flooding = of_flood.spawn(async move { flood(&flooded, during_junk, &counted).await });
        let during = of_link.block_on(carried(&client));
        flooding.abort();
        let a_second = count.load(Ordering::Relaxed) / MEASURE.as_secs();
        assert!(during > 0, "the link works beside a flood");
        // What the server alone spends, while the link rests: the ratio holds the flood's own work, too, where both
        // share processors.
        let spent = spent_by(&of_link, &server, &of_flood, junk);
        eprintln!(
            "{a_second} connections a second of {name}: the link carries {} % of what it does without; the server \
            spends {} us on each",
            during * 100 / before.max(1),
            spent.as_micros(),
        );
    }
}
