//! Members with one shard: one leads, and only as long as it may.

use std::{
    num::NonZeroU16,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use argus_domain::lease::{Fence, MemberId, ServiceKind};
use argus_lease::{Handle, member};
use argus_machine::lease::Config;
use argus_memory::MemoryStore;
use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinSet},
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

const KIND: ServiceKind = ServiceKind::Monitor;
/// Longest wait for something that has to happen.
const SOON: Duration = Duration::from_secs(60);
const STEP: Duration = Duration::from_millis(5);

/// What leads now, and how often it took a step.
#[derive(Clone, Default)]
struct Seen {
    leading: Arc<AtomicUsize>,
    steps: Arc<AtomicUsize>,
}

/// Counts itself for as long as it is there.
struct Leading(Seen);

impl Leading {
    fn begin(seen: &Seen) -> Self {
        assert_eq!(seen.leading.fetch_add(1, Ordering::SeqCst), 0, "two lead at once");
        Self(seen.clone())
    }
}

impl Drop for Leading {
    fn drop(&mut self) {
        self.0.leading.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn steps(seen: Seen) {
    let _leading = Leading::begin(&seen);
    loop {
        seen.steps.fetch_add(1, Ordering::SeqCst);
        sleep(STEP).await;
    }
}

struct Member {
    handle: Handle,
    stop: CancellationToken,
    life: AbortHandle,
}

fn start(store: &MemoryStore, n: u8, set: &mut JoinSet<()>) -> Member {
    let (config, stop) = (Config { shards: NonZeroU16::MIN, ..Config::default() }, CancellationToken::new());
    let (handle, life) = member(config, KIND, MemberId([n; 16]), Arc::new(store.clone()), stop.clone());
    let life = set.spawn(life);
    Member { handle, stop, life }
}

/// Leads whenever it may, and tells each beginning.
fn lead(member: &Member, seen: &Seen, told: &mpsc::Sender<Fence>, set: &mut JoinSet<()>) {
    let (handle, seen, told) = (member.handle.clone(), seen.clone(), told.clone());
    set.spawn(handle.lead(0, move |fence| {
        told.try_send(fence).expect("room");
        steps(seen.clone())
    }));
}

#[tokio::test]
async fn the_next_one_leads_when_a_leader_leaves_or_dies() {
    let (store, seen, mut set) = (MemoryStore::new(), Seen::default(), JoinSet::new());
    let (told, mut begun) = mpsc::channel(16);
    let members: Vec<Member> = (1..=3).map(|n| start(&store, n, &mut set)).collect();
    members.iter().for_each(|member| lead(member, &seen, &told, &mut set));
    let mut last = None;
    for end in [|m: &Member| m.stop.cancel(), |m: &Member| m.life.abort(), |_: &Member| ()] {
        let mut leader = None;
        // Those who begin at the same time may pass it on at first.
        while let Ok(Some(fence)) = timeout(Duration::from_secs(5), begun.recv()).await {
            assert!(last.is_none_or(|token| fence.token > token), "{fence:?} after {last:?}");
            last = Some(fence.token);
            leader = members.iter().find(|member| member.handle.fence(0) == Some(fence)).or(leader);
        }
        assert_eq!(seen.leading.load(Ordering::SeqCst), 1);
        end(leader.expect("one leads"));
    }
}

#[tokio::test]
async fn no_step_is_taken_once_the_lease_is_over() {
    let (store, seen, mut set) = (MemoryStore::new(), Seen::default(), JoinSet::new());
    let (told, mut begun) = mpsc::channel(16);
    let member = start(&store, 1, &mut set);
    lead(&member, &seen, &told, &mut set);
    timeout(SOON, begun.recv()).await.expect("soon").expect("it leads");
    // Nobody tells it any more what it holds: as if it had stood still.
    member.life.abort();
    let began = Instant::now();
    while member.handle.fence(0).is_some() {
        assert!(began.elapsed() < SOON);
        sleep(Duration::from_millis(1)).await;
    }
    let steps = seen.steps.load(Ordering::SeqCst);
    assert!(steps > 10, "it did something: {steps}");
    sleep(20 * STEP).await;
    assert_eq!((seen.steps.load(Ordering::SeqCst), seen.leading.load(Ordering::SeqCst)), (steps, 0));
}

#[tokio::test]
async fn what_ends_by_itself_is_not_begun_again() {
    let (store, mut set) = (MemoryStore::new(), JoinSet::new());
    let member = start(&store, 1, &mut set);
    let ended = timeout(SOON, member.handle.lead(0, async |fence: Fence| fence.shard.no)).await;
    assert_eq!(ended, Ok(0));
}
