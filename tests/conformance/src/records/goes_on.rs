//! What a platform does next on a store that another one was copied into, as [`fill`](super::fill) had filled it.

use argus_domain::{
    B256, U256,
    fees::Board,
    ids::{ChainId, Serial, TaskId},
    job::TriggerKind,
    lease::{Fence, MemberId, ServiceKind, Session, Shard, ShardSet, Token},
    module::Cid,
    profile::ProfileChange,
    task::{TaskRecord, Verdict},
    time::Timestamp,
};
use argus_ports::{
    Archive, Change, ChangeKind, ClaimStore, CreateOutcome, DecisionStore, JobQuery, JobStore, KeeperStore,
    KeptAnswer, KeyStore, LeaseStore, Leave, NamedRequest, OpenOutcome, Opening, PlatformStore, Recorded,
    RequestName, Room, SecretStore, TaskQuery, TaskStore,
};

use crate::{
    samples::{at, job, keeper, new_job, next_task, owner, settled, settled_agreed},
    tasks::open_next,
};

/// Everything that follows from the records is there, and what the platform does next comes after it.
///
/// # Panics
/// Where anything is missing, or is done twice.
pub async fn goes_on<S: PlatformStore>(store: &S) {
    jobs(store).await;
    tasks(store).await;
    changes(store).await;
    people(store).await;
    what_only_one_may_have(store).await;
}

async fn jobs<S: PlatformStore>(store: &S) {
    let due = store.due(TriggerKind::Time, ShardSet::ALL, at(1_000_000), 99).await.expect("due");
    let mut armed: Vec<_> = due.iter().map(|record| record.job.id).collect();
    armed.sort_unstable();
    let mut expected: Vec<_> = [1, 5, 6, 7].map(|n| job(n).id).into();
    expected.sort_unstable();
    assert_eq!(armed, expected, "neither the paused, the deleted nor the finished one");
    let of_owner = JobStore::list(store, JobQuery::Owner(owner(1)), None, 99).await.expect("list");
    let serials: Vec<u32> = of_owner.iter().map(|record| record.job.serial.0).collect();
    assert_eq!(serials, [8, 6, 5, 4, 3, 2, 1]);
    let on_chain = JobQuery::OwnerOnChain(owner(1), ChainId(1));
    assert_eq!(JobStore::list(store, on_chain, None, 99).await.expect("list").len(), 7);
    assert_eq!(JobStore::list(store, JobQuery::Safe(owner(0x5a)), None, 9).await.expect("list").len(), 1);
    assert_eq!(JobStore::list(store, JobQuery::Owner(owner(7)), None, 9).await, Ok(vec![]), "the stranger's");
    let first = store.created(job(6).id).await.expect("read").expect("there");
    assert_eq!((first.version, first.title.as_str()), (1, "job 6"));
    let first = store.created(job(7).id).await.expect("read").expect("there");
    assert_eq!((first.version, first.owner), (2, owner(1)), "not the stranger's");
    let theirs = store.version(job(7).id, 1).await.expect("read").expect("there");
    assert_eq!(theirs.owner, owner(7), "for the stranger's tasks");
    let charged = store.job(job(1).id).await.expect("read").expect("there").charged;
    assert_eq!(charged, U256::from(3), "one receipt of two stands");
    assert_eq!(store.job(job(7).id).await.expect("read").expect("there").charged, U256::ZERO);
    let again = store.create(vec![new_job(1)]).await;
    assert_eq!(again, Ok(CreateOutcome::Same(vec![Serial(1)])));
    let created = store.create(vec![new_job(30)]).await.expect("created");
    let CreateOutcome::Created(serials) = created else { panic!("{created:?}") };
    assert!(serials[0] > Serial(8), "no serial is given twice: {serials:?}");
    assert_eq!(store.arrived(99).await.expect("arrived").len(), 2, "job 1 on another chain, and job 7");
    store.create(vec![new_job(20)]).await.expect("created");
    assert_eq!(store.arrived(99).await.expect("arrived").len(), 3, "the orphan has come");
    let decisions = DecisionStore::of_job(store, job(7).id, 9).await.expect("read");
    assert_eq!((decisions.len(), decisions[0].count), (1, 2));
    for (of, count) in [(job(1).id, 2), (job(7).id, 1), (job(99).id, 1)] {
        assert_eq!(SecretStore::of_job(store, of).await.expect("read").len(), count);
    }
}

async fn listed<S: PlatformStore>(store: &S, query: TaskQuery) -> Vec<TaskRecord> {
    TaskStore::list(store, query, None, 99).await.expect("list")
}

async fn tasks<S: PlatformStore>(store: &S) {
    let of_job = listed(store, TaskQuery::Job(job(1).id)).await;
    let numbers: Vec<u32> = of_job.iter().map(|record| record.task.number.0).collect();
    assert_eq!(numbers, [3, 2, 1]);
    let keys: Vec<String> = of_job[1].facts.iter().map(|fact| fact.key().0).collect();
    let order =
        ["attempted/1", "settled", "announced", "handed-off/1", "received/1", "revoked/1", "received/2"];
    assert_eq!(keys[..7], order, "as they were recorded");
    assert_eq!(listed(store, TaskQuery::Recent).await.len(), 9);
    assert_eq!(listed(store, TaskQuery::Owner(owner(1))).await.len(), 8);
    assert_eq!(listed(store, TaskQuery::Owner(owner(7))).await.len(), 1, "the stranger's");
    assert_eq!(listed(store, TaskQuery::Safe(owner(0x5a))).await.len(), 1);
    assert_eq!(listed(store, TaskQuery::Job(job(7).id)).await.len(), 1, "the stranger's is nobody's");
    for record in listed(store, TaskQuery::Recent).await {
        assert_eq!(store.by_public_id(record.task.public_id()).await, Ok(Some(record)));
    }
    let mut unfinished = Vec::new();
    while let Some(more) =
        store.unfinished(unfinished.last().copied(), 3).await.ok().filter(|page| !page.is_empty())
    {
        unfinished.extend(more.into_iter().map(|record| record.task.id));
    }
    let finished: TaskId = of_job[1].task.id;
    assert!(unfinished.len() == 8 && !unfinished.contains(&finished), "{}", unfinished.len());
    let verdict = |task| settled(task, Verdict::Failed("late".into()));
    let recorded = store.record(vec![verdict(finished)]).await.expect("recorded");
    assert_eq!(recorded, [Recorded::Already(Box::new(settled_agreed(finished)))], "one verdict for ever");
    let deleted = listed(store, TaskQuery::Job(job(3).id)).await.remove(0).task.id;
    let recorded = store.record(vec![settled_agreed(deleted)]).await.expect("recorded");
    assert_eq!(
        recorded,
        [Recorded::Already(Box::new(settled_agreed(deleted)))],
        "agreed before it was deleted"
    );
    // What was opened before is not opened again, and the next one comes after it.
    let newest = of_job[0].task.clone();
    let record = store.job(job(1).id).await.expect("read").expect("there");
    assert_eq!(record.last_opened_at, Some(newest.due));
    let again = store.open(vec![Opening::unfenced(newest, record.cursor.clone())]).await;
    assert_eq!(again, Ok(vec![OpenOutcome::Already]));
    let (task, _) = next_task(&record);
    let (opened, _) = open_next(store, job(1).id).await;
    assert_eq!(opened, task.id);
    assert_eq!(listed(store, TaskQuery::Job(job(1).id)).await.len(), 4);
    assert_eq!(store.record(vec![settled_agreed(opened)]).await, Ok(vec![Recorded::New]));
}

async fn changes<S: PlatformStore>(store: &S) {
    let room = Room::Job(job(1).id);
    let kept = store.since(room, 0, 99).await.expect("since");
    let seqs: Vec<u64> = kept.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(seqs, (1..=18).collect::<Vec<_>>());
    let of_owner = store.since(Room::Owner(owner(1)), 0, 99).await.expect("since");
    assert_eq!(of_owner.len(), 30);
    let repeat: Vec<Change> = kept.iter().map(|(_, change)| change.clone()).collect();
    assert_eq!(store.publish(repeat).await, Ok(vec![]), "nobody hears of them again");
    let newest = listed(store, TaskQuery::Job(job(1).id)).await.remove(0).task;
    let next = Change {
        task: newest.id,
        public_id: newest.public_id(),
        kind: ChangeKind::Created,
        seq: 0,
        ..kept[0].1.clone()
    };
    let published = store.publish(vec![next.clone()]).await;
    assert_eq!(published, Ok(vec![Change { seq: 19, ..next }]), "without a gap");
    let last = of_owner.last().map_or(0, |(position, _)| *position);
    let after = store.since(Room::Owner(owner(1)), last, 99).await.expect("since");
    assert!(after.len() == 1 && after[0].0 > last, "{after:?}");
}

async fn people<S: PlatformStore>(store: &S) {
    let keepers = KeeperStore::all(store).await.expect("all");
    let faults: Vec<u32> = keepers.iter().map(|keeper| keeper.faults).collect();
    assert_eq!(faults, [3, 1]);
    store.fault(keeper(1), TaskId(B256::repeat_byte(1))).await.expect("counted");
    assert_eq!(KeeperStore::all(store).await.expect("all")[0].faults, 3, "once per task");
    let entries = store.of_account(owner(1), 9).await.expect("read");
    let keys: Vec<B256> = entries.iter().map(|entry| entry.key).collect();
    assert_eq!(keys, [3, 2, 1].map(B256::repeat_byte), "newest first");
    assert_eq!(store.of_key(B256::repeat_byte(1)).await.expect("read").len(), 4);
    let standing = store.standing(Board::Users, owner(1)).await.expect("read");
    assert_eq!((standing.jobs, standing.tasks), (1, 2));
    store.book(entries).await.expect("booked");
    assert_eq!(store.standing(Board::Users, owner(1)).await, Ok(standing.clone()), "nothing counts twice");
    assert_eq!(store.standings(Board::Users, 9).await, Ok(vec![standing]));
    assert_eq!(store.standings(Board::Keepers, 9).await.expect("read").len(), 2);
    assert_eq!(store.by_cid(&Cid("bafka".to_owned())).await.expect("read").len(), 3);
    let keys = KeyStore::list(store, None).await.expect("read");
    let ids: Vec<&str> = keys.iter().map(|key| key.id.as_str()).collect();
    assert_eq!(ids, ["key-3", "key-2", "key-1"]);
    let revoked = store.by_hash(B256::repeat_byte(1)).await.expect("read").expect("there");
    assert_eq!((revoked.rate_limit, revoked.revoked_at), (5, Some(at(50))));
    store.remove_expired(at(3_000)).await.expect("removed");
    assert_eq!(store.by_hash(B256::repeat_byte(3)).await, Ok(None), "it ends as it would have");
    let applied = store.update("key-2", Some(7), None).await.expect("changed").expect("there");
    assert_eq!((applied.rate_limit, applied.last_used), (7, Some(at(60))));
    let applicants = store.applicants(9).await.expect("read");
    assert_eq!(applicants.len(), 1);
    let change = ProfileChange { name: Some("2".to_owned()), ..ProfileChange::default() };
    let changed = store.change_profile(owner(2), change).await.expect("changed");
    assert_eq!((changed.chat, changed.name), (Some(-7), Some("2".to_owned())));
}

async fn what_only_one_may_have<S: PlatformStore>(store: &S) {
    let letters = store.dead_letters("a").await.expect("read");
    let events: Vec<&str> = letters.iter().map(|letter| letter.event.as_str()).collect();
    assert_eq!(events, ["event-4", "event-5", "event-6"], "newest first");
    assert_eq!(store.webhooks_of(owner(1)).await.expect("read").len(), 2);
    let known = store.webhook("a").await.expect("read").expect("there");
    assert_eq!((known.progress.position, known.failure.is_some()), (6, true));
    assert_eq!(store.take_webhook("a", known.progress, at(99)).await, Ok(true));
    let claim = ClaimStore::claim(store, vec!["faucet/1".to_owned()], at(10), at(20)).await;
    assert_eq!(claim, Ok(Err(at(1_000_000))), "who had it has it");
    assert_eq!(ClaimStore::claim(store, vec!["faucet/3".to_owned()], at(10), at(20)).await, Ok(Ok(())));
    store.unclaim(vec!["faucet/2".to_owned()], at(2_000_000)).await.expect("given back");
    assert_eq!(ClaimStore::claim(store, vec!["faucet/2".to_owned()], at(10), at(20)).await, Ok(Ok(())));
    assert_eq!(store.nonce_key([8; 32]).await, Ok([7; 32]));
    let request = |name: &str, holder: u8, hash: u8| NamedRequest {
        name: RequestName { owner: owner(1), name: name.to_owned() },
        hash: B256::repeat_byte(hash),
        holder: [holder; 16],
        at: at(0),
        until: at(5_000),
        names_max: 9,
    };
    let answer = KeptAnswer { status: 201, body: vec![1; 3].into() };
    assert_eq!(store.begin(request("a", 9, 1)).await, Ok(Leave::Answered(answer)));
    assert_eq!(store.begin(request("b", 9, 1)).await, Ok(Leave::Underway));
    assert_eq!(store.begin(request("b", 9, 2)).await, Ok(Leave::Other));
    for (n, length) in [(1, 3), (2, 0), (3, 1_200_000)] {
        let bytes = Archive::get(store, B256::repeat_byte(n)).await.expect("read").expect("there");
        assert_eq!(bytes, vec![n; length]);
    }
    let read_to = store.read_to(ChainId(u64::MAX), owner(1)).await;
    assert_eq!(read_to, Ok(Some(1 << 40)));
    assert_eq!(store.counts(Timestamp::MAX).await.expect("counted").owner_differs, 1);
    let view = store.look(ServiceKind::Scheduler).await.expect("look");
    assert_eq!(view.members, [], "sessions are the processes'");
    let lease = view.leases[0];
    assert_eq!(
        (lease.token, lease.holder, lease.mark),
        (Token(3), None, 77),
        "free, and no token comes again"
    );
    let fence = |token| Fence { shard: Shard { kind: ServiceKind::Scheduler, no: 5 }, token: Token(token) };
    let session = Session { member: MemberId([2; 16]), no: 1 };
    let claim = LeaseStore::claim(store, session, vec![fence(2)]).await;
    assert_eq!(claim, Ok(vec![false]), "a token of before");
    assert_eq!(LeaseStore::claim(store, session, vec![fence(3)]).await, Ok(vec![true]));
    assert_eq!(store.stands(fence(4)).await, Ok(true));
}
