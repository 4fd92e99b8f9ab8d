//! M9: one change to many sockets, beside a server that writes each message to each of them.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, bail, ensure};
use argus_domain::{
    Address,
    ids::Serial,
    job::{Job, Mode},
    module::Cid,
    task::Task,
    time::Timestamp,
};
use argus_host::cpu;
use argus_memory::SystemClock;
use argus_ports::{
    Change, ChangeKind, Clock, CreateOutcome, EventBus, JobStore, OpenOutcome, Opening, TaskStore,
};
use argus_sqlite::SqliteStore;
use axum::{
    Router,
    extract::{
        WebSocketUpgrade,
        ws::{Message, Utf8Bytes},
    },
    routing::get,
};
use tokio::{
    net::TcpListener,
    runtime::{Builder, Handle},
    sync::{broadcast, oneshot},
    task::JoinSet,
    time::{Instant, timeout},
};

use crate::{
    chain::CHAIN,
    edge::Edge,
    measure::{Row, Stopwatch, median},
    watcher::Watcher,
    work::{cursor, job, owner, task},
};

const ROUNDS: usize = 9;
/// Changes that come together.
const BURST: usize = 256;
/// Of so many readers one is stalled.
const STALLED: usize = 10;
/// Of both, CPU and the clock.
const GOAL: &str = ">= 10x one write per message";
/// Longest that a burst takes to arrive.
const PATIENCE: Duration = Duration::from_secs(120);

/// A job whose tasks are all open, and told of one burst after the other.
struct Story {
    store: Arc<SqliteStore>,
    job: Job,
    serial: Serial,
    opened: u32,
}

impl Story {
    async fn new(store: &Arc<SqliteStore>, id: u64) -> anyhow::Result<Self> {
        let (target, script) = (Address::repeat_byte(0xcc), Cid("measured".to_owned()));
        let job = job(id, SystemClock.now(), Mode::Solo, CHAIN, target, script);
        let stored = vec![(job.clone(), cursor(&job, 0, Timestamp::MAX))];
        match JobStore::create(&**store, stored).await? {
            CreateOutcome::Created(serials) => {
                let serial = *serials.first().context("a serial")?;
                Ok(Self { store: store.clone(), job, serial, opened: 0 })
            }
            other => bail!("the job was not stored: {other:?}"),
        }
    }

    /// Opens the tasks of a burst, which nobody is told of yet.
    async fn open(&mut self) -> anyhow::Result<Vec<Change>> {
        let (mut tasks, mut changes) = (Vec::new(), Vec::new());
        for _ in 0..BURST {
            self.opened += 1;
            let task = task(&self.job, self.serial, self.opened, SystemClock.now());
            changes.push(created(&task));
            tasks.push(Opening::unfenced(task, cursor(&self.job, self.opened, Timestamp::MAX)));
        }
        let opened = self.store.open(tasks).await?;
        ensure!(opened.iter().all(|outcome| *outcome == OpenOutcome::Opened), "a task was not opened");
        Ok(changes)
    }
}

fn created(task: &Task) -> Change {
    Change {
        job: task.job,
        owner: owner(),
        task: task.id,
        public_id: task.public_id(),
        kind: ChangeKind::Created,
        seq: 0,
        at: task.opened_at,
    }
}

/// Measures with so many sockets.
pub async fn run(folder: &Path, sockets: usize) -> anyhow::Result<Vec<Row>> {
    let edge = Edge::serve(folder).await?;
    let clients = Clients::start()?;
    let mut story = Story::new(&edge.store, 1).await?;
    let mut watchers = clients.watch(&edge, 1, sockets, false).await?;
    let (plain, plain_address) = Plain::serve().await?;
    let mut others = clients.run(Watcher::open(plain_address, "/", sockets, false)).await?;
    // The first burst warms both up, and gives the payload.
    let changes = story.open().await?;
    edge.store.publish(changes).await?;
    clients.hear(&mut watchers).await?;
    let payload = Utf8Bytes::from(watchers.first().context("no sockets")?.last().to_owned());
    plain.tell(&payload)?;
    clients.hear(&mut others).await?;

    let deliveries = (sockets * BURST) as f64;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let changes = story.open().await?;
        let watch = Stopwatch::start();
        edge.store.publish(changes).await?;
        let listening = clients.hear(&mut watchers).await?;
        ours.push(Told::new(&watch, listening, deliveries));
        let watch = Stopwatch::start();
        plain.tell(&payload)?;
        let listening = clients.hear(&mut others).await?;
        theirs.push(Told::new(&watch, listening, deliveries));
    }
    drop((watchers, others));
    let side = |rounds: &[Told], pick: fn(&Told) -> f64| median(&rounds.iter().map(pick).collect::<Vec<_>>());
    let over = |pick: fn(&Told) -> f64| {
        median(&theirs.iter().zip(&ours).map(|(theirs, ours)| pick(theirs) / pick(ours)).collect::<Vec<_>>())
    };
    let (wall, cpu) = (over(|told| told.wall_us), over(|told| told.server_us));
    let how = format!(
        "{ROUNDS} rounds of {BURST} changes published at once, from the publication to the last frame in the last client, \
         in turns with a plain axum server that hands the same payload ({} bytes) as many times to a task per socket, which \
         writes each message by itself; median of the rounds' ratios. Real API over SQLite, its reading of tasks and making \
         of frames included",
        payload.len(),
    );
    let spent = Row {
        id: "M9".to_owned(),
        measure: format!("CPU of a change told to {sockets} sockets of a room"),
        value: side(&ours, |told| told.server_us),
        unit: "us a frame",
        floor: Some(side(&theirs, |told| told.server_us)),
        ratio: Some(cpu),
        goal: GOAL.to_owned(),
        met: Some(cpu >= 10.0),
        how: format!("{how}; CPU of this process without that of the thread with the clients"),
    };
    let told = Row {
        id: "M9".to_owned(),
        measure: format!("changes told to {sockets} sockets of a room"),
        value: 1e6 / side(&ours, |told| told.wall_us),
        unit: "frames/s",
        floor: Some(1e6 / side(&theirs, |told| told.wall_us)),
        ratio: Some(wall),
        goal: GOAL.to_owned(),
        met: Some(wall >= 10.0),
        how: format!(
            "the same rounds by the clock, where the one thread with all clients ({:.2} us a frame) and loopback, which \
             copies each byte twice, count for both",
            side(&ours, |told| told.client_us),
        ),
    };
    Ok(vec![spent, told, beside_stalled(&edge, &clients, sockets).await?])
}

/// What a frame took, microseconds.
struct Told {
    wall_us: f64,
    server_us: f64,
    client_us: f64,
}

impl Told {
    fn new(watch: &Stopwatch, listening: Duration, frames: f64) -> Self {
        let a_frame = |time: Duration| time.as_secs_f64() * 1e6 / frames;
        Self {
            wall_us: a_frame(watch.wall()),
            server_us: a_frame(watch.cpu().saturating_sub(listening)),
            client_us: a_frame(listening),
        }
    }
}

/// What those who read pay for those who do not.
async fn beside_stalled(edge: &Edge, clients: &Clients, sockets: usize) -> anyhow::Result<Row> {
    let (mut calm, mut burdened) = (Story::new(&edge.store, 2).await?, Story::new(&edge.store, 3).await?);
    let prompt = sockets - sockets / STALLED;
    let (mut with_calm, mut with_burdened) =
        (clients.watch(edge, 2, prompt, false).await?, clients.watch(edge, 3, prompt, false).await?);
    let (mut ratios, mut values, mut floors) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        // New ones each time: those of the last round have been dropped, or will be.
        let stalled = clients.watch(edge, 3, sockets / STALLED, true).await?;
        let mut took = Vec::new();
        for (story, watchers) in [(&mut calm, &mut with_calm), (&mut burdened, &mut with_burdened)] {
            let changes = story.open().await?;
            let began = Instant::now();
            edge.store.publish(changes).await?;
            clients.hear(watchers).await?;
            took.push(began.elapsed().as_secs_f64() * 1e3);
        }
        drop(stalled);
        if round > 0 {
            ratios.push(took[1] / took[0]);
            floors.push(took[0]);
            values.push(took[1]);
        }
    }
    let ratio = median(&ratios);
    Ok(Row {
        id: "M9".to_owned(),
        measure: format!("the same to {prompt}, {} stalled beside them", sockets / STALLED),
        value: median(&values),
        unit: "ms",
        floor: Some(median(&floors)),
        ratio: Some(ratio),
        goal: "<= 1.2x without them".to_owned(),
        met: Some(ratio <= 1.2),
        how: format!(
            "{ROUNDS} rounds of {BURST} changes, to the last frame in the last client that reads, in turns with a room \
             where all do; those that are stalled have read nothing since they joined, and have small buffers; median of \
             the rounds' ratios"
        ),
    })
}

/// A thread of its own for all clients, so that what they use can be told from what the server uses.
struct Clients {
    thread: Handle,
    _until: oneshot::Sender<()>,
}

impl Clients {
    fn start() -> anyhow::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let thread = runtime.handle().clone();
        let (_until, dropped) = oneshot::channel();
        std::thread::spawn(move || runtime.block_on(dropped));
        Ok(Self { thread, _until })
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = anyhow::Result<T>> + Send + 'static,
    ) -> anyhow::Result<T> {
        self.thread.spawn(work).await?
    }

    /// Sockets in a job's room, which have read what comes at the beginning; stalled ones not even that.
    async fn watch(
        &self,
        edge: &Edge,
        job: u64,
        count: usize,
        is_stalled: bool,
    ) -> anyhow::Result<Vec<Watcher>> {
        let (address, path) = (edge.address, format!("/api/ws/tasks?api_key={}", edge.key));
        let subscribe = format!(r#"{{"type":"SUBSCRIBE","data":{{"room":"job:{job}"}}}}"#);
        self.run(async move {
            let mut watchers = Watcher::open(address, &path, count, is_stalled).await?;
            for watcher in &mut watchers {
                watcher.say(&subscribe).await?;
                watcher.hear(1).await?;
                if !is_stalled {
                    watcher.hear(1).await?;
                }
            }
            Ok(watchers)
        })
        .await
    }

    /// Has all of them read a burst, and says what CPU time that took.
    async fn hear(&self, watchers: &mut Vec<Watcher>) -> anyhow::Result<Duration> {
        let all = std::mem::take(watchers);
        let hear = async move {
            let before = cpu::thread();
            let mut reading = JoinSet::new();
            for mut watcher in all {
                reading.spawn(async move {
                    timeout(PATIENCE, watcher.hear(BURST)).await.context("the frames do not come")??;
                    anyhow::Ok(watcher)
                });
            }
            let mut heard = Vec::new();
            while let Some(watcher) = reading.join_next().await {
                heard.push(watcher??);
            }
            Ok((heard, cpu::thread().saturating_sub(before)))
        };
        let (heard, took) = self.run(hear).await?;
        *watchers = heard;
        Ok(took)
    }
}

/// A server that writes each message to each socket.
struct Plain {
    messages: broadcast::Sender<Utf8Bytes>,
    _server: JoinSet<()>,
}

impl Plain {
    async fn serve() -> anyhow::Result<(Self, SocketAddr)> {
        let messages = broadcast::Sender::<Utf8Bytes>::new(BURST);
        let source = messages.clone();
        let connect = move |upgrade: WebSocketUpgrade| {
            let mut messages = source.subscribe();
            async move {
                upgrade.on_upgrade(async move |mut socket| {
                    while let Ok(message) = messages.recv().await
                        && socket.send(Message::Text(message)).await.is_ok()
                    {}
                })
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let mut server = JoinSet::new();
        server.spawn(async move {
            if let Err(error) = axum::serve(listener, Router::new().route("/", get(connect))).await {
                tracing::warn!(%error, "the plain server ended");
            }
        });
        Ok((Self { messages, _server: server }, address))
    }

    fn tell(&self, payload: &Utf8Bytes) -> anyhow::Result<()> {
        for _ in 0..BURST {
            self.messages.send(payload.clone())?;
        }
        Ok(())
    }
}
