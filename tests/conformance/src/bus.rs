//! The contract of [`EventBus`].

use std::time::Duration;

use argus_domain::{B256, U256, ids::JobId, ids::TaskId};
use argus_ports::{Change, ChangeKind, EventBus, Room, store::watch::Received};
use tokio::time::timeout;

use crate::samples::{at, owner};

/// All of it.
pub async fn suite<B: EventBus>(fresh: impl Fn() -> B) {
    changes_are_numbered_per_job(&fresh()).await;
    a_repeat_is_delivered_to_nobody(&fresh()).await;
    rooms_are_read_in_pages(&fresh()).await;
    subscribers_hear_what_comes_after_them(&fresh()).await;
    a_subscriber_that_lags_is_told(&fresh()).await;
}

/// A change of the job's n-th task.
pub fn change(job: u64, task: u64, kind: ChangeKind, ms: u64) -> Change {
    Change {
        job: JobId(U256::from(job)),
        owner: owner(u8::try_from(job % 2).unwrap_or(0)),
        task: TaskId(B256::from(U256::from((job << 32) | task))),
        public_id: (job << 26) | task,
        kind,
        seq: 0,
        at: at(ms),
    }
}

async fn seqs(bus: &dyn EventBus, job: u64) -> Vec<(u64, ChangeKind)> {
    let found = bus.since(Room::Job(JobId(U256::from(job))), 0, 1000).await.expect("since");
    found
        .into_iter()
        .map(|(position, change)| {
            assert_eq!(position, change.seq, "a job's position is the seq");
            (change.seq, change.kind)
        })
        .collect()
}

async fn changes_are_numbered_per_job(bus: &dyn EventBus) {
    use ChangeKind::{Broadcast, Confirmed, Created, Lapsed, Received, Revoked, Settled};
    for (kind, seq) in
        [Created, Settled, Broadcast, Received, Revoked, Confirmed, Lapsed].into_iter().zip(1..)
    {
        let published = vec![change(1, 1, kind, 5), change(2, 1, kind, 5)];
        let kept = published.iter().map(|change| Change { seq, ..change.clone() }).collect();
        assert_eq!(bus.publish(published).await, Ok(kept), "what is new is given as it is kept");
    }
    let expected = [
        (1, Created),
        (2, Settled),
        (3, Broadcast),
        (4, Received),
        (5, Revoked),
        (6, Confirmed),
        (7, Lapsed),
    ];
    assert_eq!(seqs(bus, 1).await, expected);
    assert_eq!(seqs(bus, 2).await, expected);
    let kept = bus.since(Room::Job(JobId(U256::from(1))), 0, 1).await.expect("since").remove(0).1;
    assert_eq!(kept, Change { seq: 1, ..change(1, 1, Created, 5) }, "a change is kept as it was published");
}

async fn a_repeat_is_delivered_to_nobody(bus: &dyn EventBus) {
    use ChangeKind::{Created, Received as Seen, Revoked};
    let mut receiver = bus.subscribe();
    let once = vec![change(1, 1, Created, 1), change(1, 1, Created, 2), change(1, 1, Seen, 3)];
    let new = bus.publish(once.clone()).await.expect("publish");
    let new: Vec<_> = new.into_iter().map(|change| (change.seq, change.kind, change.at)).collect();
    assert_eq!(
        new,
        [(1, Created, at(1)), (2, Seen, at(3))],
        "a repeat is not new, also beside the first one"
    );
    assert_eq!(bus.publish(once).await, Ok(vec![]), "nothing of it is new");
    bus.publish(vec![change(1, 1, Revoked, 4), change(1, 1, Seen, 5), change(1, 1, Revoked, 6)])
        .await
        .expect("publish");
    let expected = [(1, Created), (2, Seen), (3, Revoked), (4, Seen), (5, Revoked)];
    assert_eq!(seqs(bus, 1).await, expected, "what a reorg takes back may come again");
    for (seq, kind) in expected {
        let Received::Change(change) = heard(&mut receiver).await else { panic!("no change") };
        assert_eq!((change.seq, change.kind), (seq, kind));
    }
    assert!(
        timeout(Duration::from_millis(200), receiver.next()).await.is_err(),
        "nothing else was delivered"
    );
}

async fn heard(receiver: &mut argus_ports::store::watch::Receiver) -> Received {
    timeout(Duration::from_secs(20), receiver.next()).await.expect("a subscriber hears of it")
}

async fn rooms_are_read_in_pages(bus: &dyn EventBus) {
    let rooms = [Room::Job(JobId(U256::from(1))), Room::Owner(owner(1))];
    for room in rooms {
        assert_eq!(bus.newest(room).await, Ok(0), "an empty room");
    }
    for task in 1..=3 {
        for job in 1..=3 {
            bus.publish(vec![change(job, task, ChangeKind::Created, 1)]).await.expect("publish");
        }
    }
    let room = Room::Owner(owner(1));
    let all = bus.since(room, 0, 100).await.expect("since");
    let whose: Vec<u64> = all.iter().map(|(_, change)| change.public_id).collect();
    let id = |job: u64, task: u64| job << 26 | task;
    assert_eq!(whose, [id(1, 1), id(3, 1), id(1, 2), id(3, 2), id(1, 3), id(3, 3)], "oldest first");
    assert!(all.windows(2).all(|pair| pair[0].0 < pair[1].0), "positions increase");
    assert_eq!(bus.since(room, all[1].0, 2).await.expect("since"), all[2..4]);
    assert_eq!(bus.since(room, all[5].0, 2).await.expect("since"), []);
    let job = bus.since(Room::Job(JobId(U256::from(3))), 1, 9).await.expect("since");
    assert_eq!(job.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [2, 3]);
    assert_eq!((bus.newest(rooms[0]).await, bus.newest(room).await), (Ok(3), Ok(all[5].0)));
}

async fn subscribers_hear_what_comes_after_them(bus: &dyn EventBus) {
    bus.publish(vec![change(1, 1, ChangeKind::Created, 1)]).await.expect("publish");
    let mut first = bus.subscribe();
    bus.publish(vec![change(1, 2, ChangeKind::Created, 1)]).await.expect("publish");
    let mut second = bus.subscribe();
    bus.publish(vec![change(2, 3, ChangeKind::Created, 1)]).await.expect("publish");
    for (receiver, expected) in [(&mut first, &[(1, 2), (2, 1)][..]), (&mut second, &[(2, 1)][..])] {
        for (job, seq) in expected {
            let Received::Change(change) = heard(receiver).await else { panic!("no change") };
            assert_eq!((change.job, change.seq), (JobId(U256::from(*job)), *seq));
        }
    }
    drop(first);
    drop(second);
    bus.publish(vec![change(1, 4, ChangeKind::Created, 1)]).await.expect("publish");
    let mut third = bus.subscribe();
    bus.publish(vec![change(1, 5, ChangeKind::Created, 1)]).await.expect("publish");
    let Received::Change(change) = heard(&mut third).await else { panic!("no change") };
    assert_eq!(change.seq, 4, "what came while nobody listened is not made up for");
}

async fn a_subscriber_that_lags_is_told(bus: &dyn EventBus) {
    let mut receiver = bus.subscribe();
    let many = 20_000;
    for start in (0..many).step_by(1000) {
        let changes = (start..start + 1000).map(|task| change(1, task + 1, ChangeKind::Created, 1));
        bus.publish(changes.collect()).await.expect("publish");
    }
    // The bus delivers at its own pace; only once all was published and delivered must the first answer be a lag.
    let mut lagged = false;
    for _ in 0..many {
        match heard(&mut receiver).await {
            Received::Lagged => {
                lagged = true;
                break;
            }
            Received::Change(change) if change.seq == many => break,
            Received::Change(_) => {}
            Received::Closed => panic!("closed"),
        }
    }
    let last = bus.since(Room::Job(JobId(U256::from(1))), many - 1, 10).await.expect("since");
    assert_eq!(last.len(), 1, "and reads on from the bus, lagged or not ({lagged})");
}
