//! A way to a node of Cassandra on which answers get lost: requests arrive and are carried out, and who sent them does
//! not learn what became of them.

use std::{
    collections::BTreeSet,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinSet,
};

/// A frame of CQL's protocol, version 4: its head has version, flags, two bytes of the stream by which an answer finds
/// its request, the operation, and four bytes of the body's length.
const HEAD: usize = 9;
/// Operations that carry statements out.
const EXECUTE: u8 = 0x0a;
const BATCH: u8 = 0x0d;

/// Which answers get lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loses {
    /// That one alone.
    One,
    /// That one, and all after it.
    AllFrom,
}

/// The way, for as long as it is kept.
pub struct Lossy {
    /// Host and port, in place of the node's.
    pub address: String,
    plan: Arc<Plan>,
    _connections: JoinSet<()>,
}

#[derive(Default)]
struct Plan {
    /// Statements until the one whose answer is lost, which is at 1; below: that one has been.
    left: AtomicI64,
    all_after: Mutex<bool>,
    lost: AtomicU64,
}

impl Plan {
    /// Of the next statement.
    fn is_lost(&self) -> bool {
        let left = self.left.fetch_sub(1, Ordering::SeqCst);
        let lost = left == 1 || left < 1 && *self.all_after.lock().unwrap_or_else(PoisonError::into_inner);
        self.lost.fetch_add(u64::from(lost), Ordering::SeqCst);
        lost
    }
}

impl Lossy {
    /// A way to this node, on which nothing is lost yet.
    ///
    /// # Panics
    /// Where there is no port for it.
    pub async fn to(node: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address").to_string();
        let plan = Arc::new(Plan::default());
        plan.left.store(i64::MAX, Ordering::SeqCst);
        let mut connections = JoinSet::new();
        connections.spawn(accept(listener, node.to_owned(), Arc::clone(&plan)));
        Self { address, plan, _connections: connections }
    }

    /// From now on the answer to the n-th statement is lost, from 1.
    pub fn loses(&self, which: Loses, nth: i64) {
        *self.plan.all_after.lock().unwrap_or_else(PoisonError::into_inner) = which == Loses::AllFrom;
        self.plan.lost.store(0, Ordering::SeqCst);
        self.plan.left.store(nth, Ordering::SeqCst);
    }

    /// From now on nothing is lost; how many answers were.
    pub fn heals(&self) -> u64 {
        self.plan.left.store(i64::MAX, Ordering::SeqCst);
        self.plan.lost.swap(0, Ordering::SeqCst)
    }
}

async fn accept(listener: TcpListener, node: String, plan: Arc<Plan>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let Ok(node) = TcpStream::connect(&node).await else { continue };
        let plan = Arc::clone(&plan);
        connections.spawn(async move {
            let (from_client, to_client) = client.into_split();
            let (from_node, to_node) = node.into_split();
            let unanswered = Mutex::default();
            // One that ends takes the other with it.
            let _ended = tokio::try_join!(
                requests(from_client, to_node, &plan, &unanswered),
                answers(from_node, to_client, &unanswered)
            );
        });
    }
}

/// Streams whose next answer is lost.
type Unanswered = Mutex<BTreeSet<[u8; 2]>>;

async fn requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    plan: &Plan,
    unanswered: &Unanswered,
) -> io::Result<()> {
    loop {
        let frame = frame(&mut from).await?;
        if matches!(frame[4], EXECUTE | BATCH) && plan.is_lost() {
            unanswered.lock().unwrap_or_else(PoisonError::into_inner).insert([frame[2], frame[3]]);
        }
        to.write_all(&frame).await?;
    }
}

async fn answers(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, unanswered: &Unanswered) -> io::Result<()> {
    loop {
        let frame = frame(&mut from).await?;
        let is_lost = unanswered.lock().unwrap_or_else(PoisonError::into_inner).remove(&[frame[2], frame[3]]);
        if !is_lost {
            to.write_all(&frame).await?;
        }
    }
}

async fn frame(from: &mut OwnedReadHalf) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; HEAD];
    from.read_exact(&mut frame).await?;
    let length = u32::from_be_bytes([frame[5], frame[6], frame[7], frame[8]]);
    frame.resize(HEAD + usize::try_from(length).unwrap_or_default(), 0);
    from.read_exact(&mut frame[HEAD..]).await?;
    Ok(frame)
}
