//! Something of every kind, written through the ports as the platform does.

use std::{num::NonZeroU16, time::Duration};

use argus_domain::{
    B256, U256,
    access::{ApiKey, Role},
    decision::{Decision, Outcome},
    fees::{LedgerEntry, LedgerReason},
    ids::{ChainId, JobId, Occurrence, Serial, TaskId, TaskNumber},
    job::{Cursor, Job, JobChange},
    lease::{Fence, Live, MemberId, ServiceKind, Session, Shard, Token},
    module::{Cid, Language, ModuleRecord, ModuleRef, Shape, WasmHash},
    profile::ProfileChange,
    registration::{Discrepancy, Registration},
    secret::SealedSecret,
    task::{Fact, Task, Verdict},
    webhook::{DeadLetter, Failure, Progress, Webhook},
};
use argus_ports::{
    Archive, Change, ChangeKind, ClaimStore, CreateOutcome, KeeperStore, KeptAnswer, KeyStore, LeaseStore,
    Look, ModuleStore, NamedRequest, OpenOutcome, Opening, PlatformStore, Recorded, RequestName, Room,
    SecretStore, TaskQuery, TaskStore,
};

use crate::{
    jobs::create,
    samples::{
        NOW, at, attempt, cursor, handoff, job, job_with_safe, keeper, keeper_record, new_job, next_cursor,
        next_task, observation, owner, receipt, settled, settled_agreed,
    },
    tasks::open_next,
};

/// Fills an empty store.
///
/// # Panics
/// Where the store refuses anything.
pub async fn fill<S: PlatformStore>(store: &S) {
    jobs_and_tasks(store).await;
    a_job_in_anothers_place(store).await;
    changes(store).await;
    people(store).await;
    what_is_kept_for_a_while(store).await;
    leases(store).await;
}

async fn facts(store: &dyn TaskStore, facts: Vec<Fact>) {
    for recorded in store.record(facts).await.expect("recorded") {
        assert_eq!(recorded, Recorded::New);
    }
}

/// Jobs 1 to 6: armed with tasks at every stage, paused, deleted after an agreement, finished, with a Safe, and one that
/// was changed.
async fn jobs_and_tasks<S: PlatformStore>(store: &S) {
    let safe = owner(0x5a);
    let mut jobs: Vec<(Job, Cursor)> = (1..=4).map(new_job).collect();
    let with_safe = job_with_safe(5, safe);
    jobs.push((with_safe.clone(), cursor(&with_safe)));
    jobs.push(new_job(6));
    let ids: Vec<JobId> = jobs.iter().map(|(job, _)| job.id).collect();
    let serials: Vec<Serial> = create(store, jobs).await.iter().map(|record| record.job.serial).collect();
    let (begun, _) = open_next(store, ids[0]).await;
    facts(store, vec![Fact::Attempted(attempt(begun, 1)), Fact::Observed(observation(begun, 1))]).await;
    let (over, _) = open_next(store, ids[0]).await;
    let received = |sighting| Fact::Received(receipt(over, sighting));
    let revoked = Fact::Revoked { task: over, sighting: 1, block_hash: B256::repeat_byte(8), at: NOW };
    facts(store, vec![Fact::Attempted(attempt(over, 1)), settled_agreed(over)]).await;
    facts(store, vec![Fact::Announced { task: over, at: NOW }, Fact::HandedOff(handoff(over, 1))]).await;
    facts(store, vec![received(1), revoked, received(2)]).await;
    facts(store, vec![Fact::Confirmed { task: over, block_hash: B256::repeat_byte(8), at: NOW }]).await;
    let (unannounced, _) = open_next(store, ids[0]).await;
    let verdict = Verdict::Failed("no".into());
    facts(store, vec![settled(unannounced, verdict)]).await;
    store.change(ids[1], serials[1], JobChange::Paused(at(7))).await.expect("paused").expect("there");
    let (agreed, _) = open_next(store, ids[2]).await;
    facts(store, vec![settled_agreed(agreed)]).await;
    store.change(ids[2], serials[2], JobChange::Deleted(at(8))).await.expect("deleted").expect("there");
    let record = store.job(ids[3]).await.expect("read").expect("there");
    let finished = Cursor { finished: true, next_due: None, ..next_cursor(&record.cursor) };
    store.move_cursor(finished, None).await.expect("finished");
    open_next(store, ids[4]).await;
    open_next(store, ids[5]).await;
    let changed = Job { version: 2, title: "changed".to_owned(), ..job(6) };
    store
        .change(ids[5], serials[5], JobChange::Version(Box::new(changed), at(9)))
        .await
        .expect("changed")
        .expect("there");
    open_next(store, ids[5]).await;
}

/// Job 7, which a stranger had stored, with the stranger's tasks.
async fn a_job_in_anothers_place<S: PlatformStore>(store: &S) {
    let theirs = Job { owner: owner(7), title: "a stranger's".to_owned(), ..job(7) };
    let ours = Job { accepted_at: at(500), ..job(7) };
    let stored = create(store, vec![(theirs.clone(), cursor(&theirs))]).await.remove(0).job;
    let (task, record) = open_next(store, theirs.id).await;
    facts(store, vec![settled_agreed(task), Fact::Received(receipt(task, 1))]).await;
    store.change(stored.id, stored.serial, JobChange::Deleted(at(1))).await.expect("deleted").expect("there");
    let found = |job, chain, discrepancy| Registration {
        chain: ChainId(chain),
        job,
        owner: owner(1),
        block: 9,
        transaction: B256::repeat_byte(9),
        at: NOW,
        discrepancy,
    };
    store.keep(found(theirs.id, 1, Discrepancy::OwnerDiffers(owner(7)))).await.expect("kept");
    let created = store.create(vec![(ours.clone(), cursor(&ours))]).await;
    let next = Serial(record.job.serial.0 + 1);
    assert_eq!(created, Ok(CreateOutcome::Created(vec![next])), "in the stranger's place");
    let (task, cursor) = next_task(&store.job(ours.id).await.expect("read").expect("there"));
    // At another instant than the stranger's, as tasks have their ids from that.
    let occurrence = Occurrence::Time(at(777_000));
    let id = TaskId::of(ours.id, &occurrence);
    let task = Task { id, occurrence, due: at(777_000), opened_at: at(777_000), ..task };
    let opened = store.open(vec![Opening::unfenced(task, cursor)]).await;
    assert_eq!(opened, Ok(vec![OpenOutcome::Opened]));
    for (n, chain, discrepancy) in [
        (20, 1, Discrepancy::Orphan),
        (21, 1, Discrepancy::Gone),
        (3, 1, Discrepancy::DeletedOnChain),
        (1, u64::MAX, Discrepancy::Orphan),
    ] {
        store.keep(found(job(n).id, chain, discrepancy)).await.expect("kept");
    }
    for (chain, registry) in [(1, 1), (1, 2), (u64::MAX, 1)] {
        store.set_read_to(ChainId(chain), owner(registry), 1 << 40).await.expect("noted");
    }
    for (n, task, outcome) in [
        (1, 4, Outcome::unread("down")),
        (1, 4, Outcome::Expired),
        (2, 1, Outcome::Paused { since: at(7) }),
        (7, 2, Outcome::Expired),
    ] {
        let serial = store.job(job(n).id).await.expect("read").expect("there").job.serial;
        let decision = Decision::once(TaskNumber(task), outcome, at(u64::from(task)));
        let look = Look { job: job(n).id, serial, fence: None, decision };
        store.note(vec![look.clone(), look], 9).await.expect("noted");
    }
    for (of, name, n) in [(job(1).id, "A", 1), (job(1).id, "B", 2), (job(7).id, "A", 3), (job(99).id, "W", 4)]
    {
        let sealed = SealedSecret { key: [n; 8], bytes: vec![n; 40], set_at: at(u64::from(n)) };
        SecretStore::put(store, of, name.parse().expect("a name"), sealed).await.expect("put");
    }
}

async fn changes<S: PlatformStore>(store: &S) {
    for n in [1, 3, 5] {
        for record in TaskStore::list(store, TaskQuery::Job(job(n).id), None, 9).await.expect("tasks") {
            let task = &record.task;
            let of_kind = |kind, ms| Change {
                job: task.job,
                owner: owner(1),
                task: task.id,
                public_id: task.public_id(),
                kind,
                seq: 0,
                at: at(ms),
            };
            use ChangeKind::{Confirmed, Created, Received, Revoked, Settled};
            let all =
                [(Created, 1), (Settled, 2), (Received, 3), (Revoked, 4), (Received, 5), (Confirmed, 6)];
            let all: Vec<Change> = all.into_iter().map(|(kind, ms)| of_kind(kind, ms)).collect();
            assert_eq!(store.publish(all.clone()).await.expect("published").len(), all.len());
            assert_eq!(store.publish(all[1..2].to_vec()).await, Ok(vec![]), "a repeat is none");
        }
    }
    assert_eq!(store.newest(Room::Job(job(1).id)).await, Ok(18));
}

async fn people<S: PlatformStore>(store: &S) {
    KeeperStore::put(store, vec![keeper_record(1), keeper_record(2), keeper_record(3)]).await.expect("put");
    KeeperStore::remove(store, keeper(3)).await.expect("removed");
    for (n, task) in [(1, 1), (1, 2), (1, 3), (2, 1), (3, 1)] {
        store.fault(keeper(n), TaskId(B256::repeat_byte(task))).await.expect("counted");
    }
    use LedgerReason::{Attested, Charged, Earned, JobCreated};
    for (key, reason, account, amount) in [
        (1, Charged, 1, u64::MAX),
        (2, JobCreated, 1, 10),
        (1, Earned, 2, 7),
        (3, Charged, 1, 5),
        (1, Attested, 2, 3),
        (1, Attested, 3, 3),
    ] {
        let (key, amount) = (B256::repeat_byte(key), U256::from(amount));
        store.book(vec![LedgerEntry { key, reason, account: owner(account), amount }]).await.expect("booked");
    }
    for (cid, language, publisher) in [
        ("bafka", Language::JavaScript, 1),
        ("bafka", Language::JavaScript, 2),
        ("bafka", Language::TypeScript, 1),
        ("bafkb", Language::Go, 1),
    ] {
        let record = ModuleRecord {
            module: ModuleRef { source: Cid(cid.to_owned()), language },
            wasm_hash: WasmHash(B256::repeat_byte(1)),
            source_bytes: 10,
            module_bytes: 20,
            shape: Shape::Script,
            published_at: NOW,
        };
        ModuleStore::put(store, record, owner(publisher)).await.expect("put");
    }
    for (n, role) in [(1, Role::User), (2, Role::Admin), (3, Role::Keeper)] {
        let key = ApiKey {
            id: format!("key-{n}"),
            hash: B256::repeat_byte(n),
            masked: "TGRX…".to_owned(),
            owner: owner(n),
            role,
            rate_limit: 60,
            created_at: at(n.into()),
            revoked_at: None,
            expires_at: (n == 3).then_some(at(3_000)),
            last_used: None,
        };
        KeyStore::put(store, key).await.expect("put");
    }
    store.update("key-1", Some(5), Some(at(50))).await.expect("revoked");
    store.used("key-2", at(60)).await.expect("used");
    let mail = ProfileChange { email: Some("a@b.example".to_owned()), ..ProfileChange::default() };
    store.change_profile(owner(1), mail).await.expect("changed");
    let form = ProfileChange {
        chat: Some(-7),
        name: Some("two".to_owned()),
        rewards: Some(owner(9)),
        on_imua: Some(true),
        applied_at: Some(at(4)),
        ..ProfileChange::default()
    };
    store.change_profile(owner(2), form).await.expect("changed");
}

async fn what_is_kept_for_a_while<S: PlatformStore>(store: &S) {
    for (id, account) in [("b", 1), ("a", 1), ("d", 2)] {
        let webhook = Webhook {
            id: id.to_owned(),
            owner: owner(account),
            url: "https://a.example/hook".to_owned(),
            kinds: vec!["task.confirmed".to_owned(), "task.lapsed".to_owned()],
            created_at: at(1),
            progress: Progress { position: 3, failures: 0, next_at: at(1) },
            failure: None,
        };
        assert_eq!(store.add_webhook(webhook, 9).await, Ok(true));
    }
    for n in 4..7u64 {
        let failure = Failure { at: at(n), reason: format!("refused {n}") };
        let letter = DeadLetter {
            event: format!("event-{}", 10 - n),
            kind: "task.lapsed".to_owned(),
            task: TaskId(B256::repeat_byte(1)),
            at: at(n),
            reason: "refused".to_owned(),
        };
        let progress = Progress { position: n, failures: 2, next_at: at(90) };
        store.move_webhook("a", progress, (Some(failure), Some(letter)), 9).await.expect("moved");
    }
    let claim = async |who: &str, from: u64, until: u64| {
        assert_eq!(ClaimStore::claim(store, vec![who.to_owned()], at(from), at(until)).await, Ok(Ok(())));
    };
    claim("faucet/1", 0, 1_000_000).await;
    claim("faucet/2", 0, 2_000_000).await;
    let both = vec!["one/a".to_owned(), "one/b".to_owned()];
    assert_eq!(ClaimStore::claim(store, both, at(0), at(90)).await, Ok(Ok(())));
    assert_eq!(store.nonce_key([7; 32]).await, Ok([7; 32]));
    let request = |of: u8, name: &str| NamedRequest {
        name: RequestName { owner: owner(of), name: name.to_owned() },
        hash: B256::repeat_byte(of),
        holder: [of; 16],
        at: at(0),
        until: at(5_000),
        names_max: 9,
    };
    for (of, name) in [(1, "a"), (1, "b"), (2, "a/b")] {
        store.begin(request(of, name)).await.expect("begun");
    }
    let answer = KeptAnswer { status: 201, body: vec![1; 3].into() };
    assert_eq!(store.finish(request(1, "a").name, [1; 16], answer, at(90_000)).await, Ok(true));
    for (n, length) in [(1, 3), (2, 0), (3, 1_200_000)] {
        Archive::put(store, B256::repeat_byte(n), vec![n; length].into()).await.expect("put");
    }
}

async fn leases<S: PlatformStore>(store: &S) {
    for (kind, taken) in [(ServiceKind::Scheduler, 3), (ServiceKind::Monitor, 1)] {
        let session = Session { member: MemberId([1; 16]), no: 1 };
        let shards = NonZeroU16::new(64).unwrap();
        let live = Live { session, beats: 0, ttl: Duration::from_millis(100), shards };
        assert_eq!(store.join(kind, live).await, Ok(true));
        let fence = |token| Fence { shard: Shard { kind, no: 5 }, token: Token(token) };
        for token in 0..taken {
            assert_eq!(LeaseStore::claim(store, session, vec![fence(token)]).await, Ok(vec![true]));
        }
        assert_eq!(store.mark(fence(taken), 77).await, Ok(true));
    }
}
