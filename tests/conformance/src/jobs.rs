//! The contract of [`JobStore`].

use std::sync::Arc;

use argus_domain::{
    B256, U256,
    fees::{Board, LedgerEntry, LedgerReason, POINT},
    ids::{ChainId, JobId, Serial},
    job::{Cursor, Job, JobChange, JobRecord, Trigger, TriggerKind},
    lease::{SHARDS, Shard, ShardSet},
    rule::{Comparison, Rule, SourceKind, ValueSource},
};
use argus_ports::{CreateOutcome, CursorOutcome, JobQuery, JobStore, Ledger};
use futures::future::join_all;

use crate::samples::{NOW, at, cursor, job, job_with_safe, new_job, next_cursor, owner};

/// All of it.
pub async fn suite<S: JobStore>(fresh: impl Fn() -> S) {
    created_jobs_have_increasing_serials_and_are_read_back(&fresh()).await;
    creation_is_all_or_none(&fresh()).await;
    equal_content_is_the_same_job(&fresh()).await;
    lists_are_newest_first_in_pages(&fresh()).await;
    versions_are_appended_in_order(&fresh()).await;
    changes_are_idempotent_and_deletion_is_for_good(&fresh()).await;
    due_are_those_that_may_run(&fresh()).await;
    cursors_move_one_revision_at_a_time(&fresh()).await;
    of_two_writers_one_moves_the_cursor(&fresh()).await;
    racing_creations_make_one_job(&fresh()).await;
}

/// What is booked with jobs.
pub async fn booked<S: JobStore + Ledger>(store: S) {
    let entry = |n: u8, amount: u64| LedgerEntry {
        key: B256::repeat_byte(n),
        reason: LedgerReason::JobCreated,
        account: owner(1),
        amount: U256::from(amount),
    };
    let points = async || {
        let standing = store.standing(Board::Users, owner(1)).await.expect("standing");
        (standing.points / POINT, standing.jobs)
    };
    let created = store.create_and_book(vec![new_job(1), new_job(2)], vec![entry(1, 10), entry(2, 20)]).await;
    assert_eq!(created, Ok(CreateOutcome::Created(vec![Serial(1), Serial(2)])));
    assert_eq!(store.of_key(B256::repeat_byte(2)).await, Ok(vec![entry(2, 20)]));
    assert_eq!(points().await, (U256::from(30), 2));
    let again = store.create_and_book(vec![new_job(2)], vec![entry(3, 999)]).await;
    assert_eq!(again, Ok(CreateOutcome::Same(vec![Serial(2)])));
    let other = Job { title: "another".to_owned(), ..job(1) };
    let taken = store.create_and_book(vec![new_job(3), (other.clone(), cursor(&other))], vec![entry(3, 999)]);
    assert_eq!(taken.await, Ok(CreateOutcome::Taken(other.id)));
    assert_eq!(points().await, (U256::from(30), 2), "nothing is created, nothing is booked");
    let half = store.create_and_book(vec![new_job(2), new_job(3)], vec![entry(2, 20), entry(3, 5)]).await;
    assert_eq!(half, Ok(CreateOutcome::Created(vec![Serial(2), Serial(3)])));
    assert_eq!(points().await, (U256::from(35), 3), "what is booked stays as it is");
}

/// Creates jobs that must be new, and gives them back as stored.
pub async fn create(store: &dyn JobStore, jobs: Vec<(Job, Cursor)>) -> Vec<JobRecord> {
    let ids: Vec<JobId> = jobs.iter().map(|(job, _)| job.id).collect();
    let outcome = store.create(jobs).await.expect("create");
    assert!(matches!(outcome, CreateOutcome::Created(_)), "{outcome:?}");
    let mut records = Vec::new();
    for id in ids {
        records.push(store.job(id).await.expect("job").expect("a created job is there"));
    }
    records
}

async fn created_jobs_have_increasing_serials_and_are_read_back(store: &dyn JobStore) {
    let given = Job { serial: Serial(99), ..job(1) };
    let outcome = store.create(vec![(given.clone(), cursor(&given)), new_job(2)]).await;
    assert_eq!(outcome, Ok(CreateOutcome::Created(vec![Serial(1), Serial(2)])), "serials given are ignored");
    let record = store.job(given.id).await.expect("job").expect("it is there");
    let stored = Job { serial: Serial(1), ..given.clone() };
    assert_eq!((&record.job, &record.cursor), (&stored, &cursor(&given)));
    assert_eq!((record.paused_at, record.deleted_at, record.last_opened_at), (None, None, None));
    assert_eq!(store.version(given.id, 1).await, Ok(Some(Arc::new(stored))));
    assert_eq!(store.version(given.id, 2).await, Ok(None));
    assert_eq!(store.job(job(3).id).await, Ok(None), "absent is none");
    assert_eq!(store.version(job(3).id, 1).await, Ok(None));
}

async fn creation_is_all_or_none(store: &dyn JobStore) {
    create(store, vec![new_job(1)]).await;
    let other = Job { title: "another".to_owned(), ..job(1) };
    let outcome = store.create(vec![new_job(2), (other.clone(), cursor(&other))]).await;
    assert_eq!(outcome, Ok(CreateOutcome::Taken(other.id)));
    assert_eq!(store.job(job(2).id).await, Ok(None), "nothing was written");
    let twice =
        store.create(vec![new_job(3), (Job { title: "x".to_owned(), ..job(3) }, cursor(&job(3)))]).await;
    assert_eq!(twice, Ok(CreateOutcome::Taken(job(3).id)), "one request names one id twice");
    assert_eq!(store.job(job(3).id).await, Ok(None));
    let next = create(store, vec![new_job(4)]).await;
    assert!(next[0].job.serial > Serial(1), "serials increase");
}

async fn equal_content_is_the_same_job(store: &dyn JobStore) {
    create(store, vec![new_job(1), new_job(2)]).await;
    let later = |n| Job { accepted_at: at(5000), expires_at: at(2_000_000), serial: Serial(7), ..job(n) };
    let again = vec![(later(2), cursor(&job(2))), (later(1), cursor(&job(1)))];
    assert_eq!(store.create(again).await, Ok(CreateOutcome::Same(vec![Serial(2), Serial(1)])));
    let record = store.job(job(1).id).await.expect("job").expect("it is there");
    assert_eq!(record.job.accepted_at, NOW, "nothing was written");
    let half = store.create(vec![new_job(2), new_job(3)]).await;
    assert_eq!(half, Ok(CreateOutcome::Created(vec![Serial(2), Serial(3)])), "what lacks is created");
}

async fn lists_are_newest_first_in_pages(store: &dyn JobStore) {
    let safe = owner(9);
    let mut jobs: Vec<Job> = (1..=6).map(job).collect();
    jobs[1].owner = owner(2);
    jobs[2] = job_with_safe(3, safe);
    jobs[3].created_chain = ChainId(u64::MAX);
    create(store, jobs.iter().map(|job| (job.clone(), cursor(job))).collect()).await;
    let serials = async |query, before, limit| {
        let found = store.list(query, before, limit).await.expect("list");
        found.iter().map(|record| record.job.serial.0).collect::<Vec<_>>()
    };
    let mine = || JobQuery::Owner(owner(1));
    assert_eq!(serials(mine(), None, 10).await, [6, 5, 4, 3, 1]);
    assert_eq!(serials(mine(), None, 2).await, [6, 5]);
    assert_eq!(serials(mine(), Some(Serial(5)), 2).await, [4, 3]);
    assert_eq!(serials(JobQuery::OwnerOnChain(owner(1), ChainId(u64::MAX)), None, 10).await, [4]);
    assert_eq!(serials(JobQuery::Safe(safe), None, 10).await, [3]);
    assert_eq!(serials(JobQuery::Owner(owner(7)), None, 10).await, [0u32; 0]);
}

async fn versions_are_appended_in_order(store: &dyn JobStore) {
    let first = create(store, vec![new_job(1)]).await.remove(0).job;
    let next = |version, title: &str| {
        let job = Job { version, title: title.to_owned(), serial: Serial(0), ..first.clone() };
        JobChange::Version(Box::new(job), at(7))
    };
    let record =
        store.change(first.id, first.serial, next(3, "too far")).await.expect("change").expect("record");
    assert_eq!(record.job, first, "what is no successor is ignored");
    let record =
        store.change(first.id, first.serial, next(2, "second")).await.expect("change").expect("record");
    assert_eq!((record.job.version, record.job.title.as_str()), (2, "second"));
    assert_eq!(record.updated_at, at(7));
    assert_eq!(record.job.serial, first.serial, "the serial stays");
    let record =
        store.change(first.id, first.serial, next(2, "again")).await.expect("change").expect("record");
    assert_eq!(record.job.title, "second", "a version is there once");
    assert_eq!(store.version(first.id, 1).await.expect("version").expect("the first").title, first.title);
    assert_eq!(store.version(first.id, 2).await.expect("version").expect("the second").title, "second");
    assert_eq!(
        store.change(job(9).id, first.serial, JobChange::Paused(NOW)).await,
        Ok(None),
        "absent is none"
    );
    let recreated = store.create(vec![new_job(1)]).await;
    assert_eq!(
        recreated,
        Ok(CreateOutcome::Same(vec![first.serial])),
        "a creation is compared with its version"
    );
}

async fn changes_are_idempotent_and_deletion_is_for_good(store: &dyn JobStore) {
    let Job { id, serial, .. } = create(store, vec![new_job(1)]).await.remove(0).job;
    let change = async |change| store.change(id, serial, change).await.expect("change").expect("record");
    let paused = change(JobChange::Paused(at(1))).await;
    assert_eq!((paused.paused_at, paused.updated_at), (Some(at(1)), at(1)));
    assert_eq!(change(JobChange::Paused(at(2))).await, paused, "a state that is there stays");
    let resumed = change(JobChange::Resumed(at(3))).await;
    assert_eq!((resumed.paused_at, resumed.updated_at), (None, at(3)));
    assert_eq!(change(JobChange::Resumed(at(4))).await, resumed);
    let deleted = change(JobChange::Deleted(at(5))).await;
    assert_eq!((deleted.deleted_at, deleted.updated_at), (Some(at(5)), at(5)));
    for later in [JobChange::Deleted(at(6)), JobChange::Paused(at(6)), JobChange::Resumed(at(6))] {
        assert_eq!(change(later).await, deleted, "deleted is for good");
    }
    assert_eq!(store.job(id).await, Ok(Some(deleted)), "a deleted job is still there");
    assert_eq!(store.list(JobQuery::Owner(owner(1)), None, 9).await.expect("list").len(), 1);
}

async fn due_are_those_that_may_run(store: &dyn JobStore) {
    let source = ValueSource { kind: SourceKind::Static, url: "1".to_owned(), route: None };
    let comparison = Comparison::Equals("1".parse().expect("a decimal"));
    let condition = Trigger::Condition(Rule { comparison, source, cooldown_secs: 0 });
    let new = |n, due: Option<u64>| {
        let job = job(n);
        (job.clone(), Cursor { next_due: due.map(at), ..cursor(&job) })
    };
    let conditional = Job { trigger: condition, ..job(7) };
    let conditional = (conditional.clone(), Cursor { next_due: Some(at(0)), ..cursor(&conditional) });
    let finished = Cursor { finished: true, ..cursor(&job(6)) };
    let jobs = vec![
        new(1, Some(300)),
        new(2, Some(100)),
        new(3, Some(200)),
        new(4, Some(100)),
        new(5, None),
        (job(6), finished),
        conditional,
    ];
    create(store, jobs).await;
    let due = async |kind, ms, limit| {
        let found = store.due(kind, ShardSet::ALL, at(ms), limit).await.expect("due");
        found.iter().map(|record| record.job.serial.0).collect::<Vec<_>>()
    };
    assert_eq!(due(TriggerKind::Time, 99, 9).await, [0u32; 0], "nothing is early");
    assert_eq!(due(TriggerKind::Time, 100, 9).await, [2, 4], "due now is due");
    assert_eq!(due(TriggerKind::Time, 9000, 9).await, [2, 4, 3, 1], "earliest first");
    assert_eq!(due(TriggerKind::Time, 9000, 3).await, [2, 4, 3]);
    assert_eq!(due(TriggerKind::Condition, 9000, 9).await, [7]);
    assert_eq!(due(TriggerKind::Event, 9000, 9).await, [0u32; 0]);
    let some = |jobs: &[u64]| jobs.iter().map(|n| Shard::of_job(job(*n).id).no).collect::<ShardSet>();
    let due_of = async |shards, limit| {
        let found = store.due(TriggerKind::Time, shards, at(9000), limit).await.expect("due");
        found.iter().map(|record| record.job.serial.0).collect::<Vec<_>>()
    };
    assert_eq!(due_of(ShardSet::default(), 9).await, [0u32; 0], "of no shard");
    assert_eq!(due_of(some(&[3]), 9).await, [3]);
    assert_eq!(due_of(some(&[1, 4]), 9).await, [4, 1], "of several shards, earliest first");
    assert_eq!(due_of(some(&[1, 3]), 1).await, [3], "others do not count towards the limit");
    let mut each = Vec::new();
    for no in 0..SHARDS.get() {
        each.extend(due_of([no].into_iter().collect(), 9).await);
    }
    each.sort_unstable();
    assert_eq!(each, [1, 2, 3, 4], "each is in one shard");
    store.change(job(2).id, Serial(2), JobChange::Paused(NOW)).await.expect("pause").expect("it is there");
    store.change(job(3).id, Serial(3), JobChange::Deleted(NOW)).await.expect("delete").expect("it is there");
    assert_eq!(due(TriggerKind::Time, 9000, 9).await, [4, 1], "neither paused nor deleted");
    store.change(job(2).id, Serial(2), JobChange::Resumed(NOW)).await.expect("resume").expect("it is there");
    assert_eq!(due(TriggerKind::Time, 9000, 9).await, [2, 4, 1]);
    let end = Cursor { finished: true, ..next_cursor(&new(4, Some(100)).1) };
    assert_eq!(store.move_cursor(end, None).await, Ok(CursorOutcome::Moved));
    assert_eq!(due(TriggerKind::Time, 9000, 9).await, [2, 1], "finished is done");
}

async fn cursors_move_one_revision_at_a_time(store: &dyn JobStore) {
    let record = create(store, vec![new_job(1)]).await.remove(0);
    let second = Cursor { next_due: None, ..next_cursor(&record.cursor) };
    assert_eq!(store.move_cursor(second.clone(), None).await, Ok(CursorOutcome::Moved));
    assert_eq!(store.job(record.job.id).await.expect("job").expect("record").cursor, second);
    assert_eq!(store.move_cursor(second.clone(), None).await, Ok(CursorOutcome::Stale), "a repeat is stale");
    let ahead = Cursor { revision: 9, ..second.clone() };
    assert_eq!(store.move_cursor(ahead, None).await, Ok(CursorOutcome::Stale));
    let first = Cursor { revision: 0, ..second.clone() };
    assert_eq!(store.move_cursor(first, None).await, Ok(CursorOutcome::Stale));
    assert_eq!(
        store.move_cursor(next_cursor(&cursor(&job(2))), None).await,
        Ok(CursorOutcome::Stale),
        "absent"
    );
    store.change(record.job.id, record.job.serial, JobChange::Deleted(NOW)).await.expect("delete");
    assert_eq!(store.move_cursor(next_cursor(&second), None).await, Ok(CursorOutcome::Stale), "deleted");
}

async fn of_two_writers_one_moves_the_cursor(store: &dyn JobStore) {
    let mut current = create(store, vec![new_job(1)]).await.remove(0).cursor;
    for _ in 0..20 {
        let next = next_cursor(&current);
        let moves = join_all((0..4).map(|_| store.move_cursor(next.clone(), None))).await;
        let won = moves.iter().filter(|outcome| **outcome == Ok(CursorOutcome::Moved)).count();
        assert_eq!(won, 1, "{moves:?}");
        current = next;
    }
}

async fn racing_creations_make_one_job(store: &dyn JobStore) {
    let outcomes = join_all((0..8).map(|_| store.create(vec![new_job(1)]))).await;
    let created = outcomes.iter().filter(|outcome| matches!(outcome, Ok(CreateOutcome::Created(_)))).count();
    let same =
        outcomes.iter().filter(|outcome| **outcome == Ok(CreateOutcome::Same(vec![Serial(1)]))).count();
    assert_eq!((created, same), (1, 7), "{outcomes:?}");
}
