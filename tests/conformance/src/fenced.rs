//! What the ports of the scheduler's and the dispatcher's writes say of fences, on a store that also keeps the leases.

use std::time::Duration;

use argus_domain::{
    decision::{Decision, Outcome},
    ids::TaskNumber,
    job::{Cursor, JobRecord},
    lease::{Fence, Live, MemberId, SHARDS, ServiceKind, Session, Shard, Token},
    task::Fact,
};
use argus_ports::{
    CursorOutcome, DecisionStore, JobStore, LeaseStore, Look, OpenOutcome, Opening, Recorded, Recording,
    TaskStore,
};

use crate::{
    jobs::create,
    samples::{at, attempt, job, new_job, next_cursor, next_task},
};

/// A store whose writes carry fences.
pub trait Store: JobStore + TaskStore + DecisionStore + LeaseStore {}

impl<T: JobStore + TaskStore + DecisionStore + LeaseStore> Store for T {}

/// What every store holds to: once the new holder of a shard has written for a job, nobody else does.
pub async fn suite<S: Store>(fresh: impl Fn() -> S) {
    the_newest_fence_writes(&fresh()).await;
    an_older_fence_writes_nothing(&fresh()).await;
    a_fence_is_of_the_jobs_shard(&fresh()).await;
    facts_are_of_whoever_leads_the_task(&fresh()).await;
}

/// What a store with transactions holds to: a lease that was taken again ends what was written under it at once.
pub async fn at_once<S: Store>(fresh: impl Fn() -> S) {
    let store = &fresh();
    let record = create(store, vec![new_job(1)]).await.remove(0);
    let never = Fence { shard: Shard::of_job(record.job.id), token: Token(1) };
    refused(store, &record, never, "a lease that nobody took").await;
    let old = take(store, 1, Token(0)).await;
    let new = take(store, 2, old.token).await;
    refused(store, &record, old, "the new holder need not have written").await;
    let ahead = Fence { token: new.token.next(), ..new };
    refused(store, &record, ahead, "a token that nobody has").await;
    let never = Fence { token: Token(0), ..new };
    refused(store, &record, never, "the token of a lease that was never taken").await;
}

/// Takes the lease of the first job's shard.
async fn take(store: &dyn LeaseStore, member: u8, seen: Token) -> Fence {
    take_of(ServiceKind::Scheduler, store, member, seen).await
}

async fn take_of(kind: ServiceKind, store: &dyn LeaseStore, member: u8, seen: Token) -> Fence {
    let session = Session { member: MemberId([member; 16]), no: 1 };
    let live = Live { session, beats: 0, ttl: Duration::from_secs(3), shards: SHARDS };
    let joined = store.join(kind, live).await;
    assert_eq!(joined, Ok(true));
    let shard = Shard { kind, ..Shard::of_job(job(1).id) };
    assert_eq!(store.claim(session, vec![Fence { shard, token: seen }]).await, Ok(vec![true]));
    Fence { shard, token: seen.next() }
}

async fn now_is<S: Store>(store: &S) -> JobRecord {
    store.job(job(1).id).await.expect("job").expect("record")
}

fn look(record: &JobRecord, fence: Fence) -> Look {
    let decision = Decision::once(TaskNumber(1), Outcome::Expired, at(5));
    Look { job: record.job.id, serial: record.job.serial, fence: Some(fence), decision }
}

/// None of the writes of a job is taken with this fence, and nothing changes.
async fn refused<S: Store>(store: &S, record: &JobRecord, fence: Fence, why: &str) {
    let (task, cursor) = next_task(record);
    let looks = DecisionStore::of_job(store, record.job.id, 9).await.expect("of_job");
    let id = task.id;
    let opening = Opening { task, cursor, fence: Some(fence) };
    assert_eq!(store.open(vec![opening]).await, Ok(vec![OpenOutcome::Fenced]), "{why}");
    assert_eq!(store.tasks(&[id]).await, Ok(vec![]), "{why}");
    for cursor in [next_cursor(&record.cursor), Cursor { revision: 77, ..record.cursor.clone() }] {
        let moved = store.move_cursor(cursor, Some(fence)).await;
        assert_eq!(moved, Ok(CursorOutcome::Fenced), "whatever else: {why}");
    }
    store.note(vec![look(record, fence)], 9).await.expect("note");
    assert_eq!(DecisionStore::of_job(store, record.job.id, 9).await, Ok(looks), "{why}");
    assert_eq!(now_is(store).await, *record, "{why}");
}

async fn the_newest_fence_writes<S: Store>(store: &S) {
    create(store, vec![new_job(1)]).await;
    let mut token = Token(0);
    for member in [1, 2, 1] {
        let fence = take(store, member, token).await;
        token = fence.token;
        let record = now_is(store).await;
        let (task, cursor) = next_task(&record);
        let opening = Opening { task, cursor, fence: Some(fence) };
        assert_eq!(store.open(vec![opening.clone()]).await, Ok(vec![OpenOutcome::Opened]));
        assert_eq!(store.open(vec![opening]).await, Ok(vec![OpenOutcome::Already]));
        let next = next_cursor(&now_is(store).await.cursor);
        assert_eq!(store.move_cursor(next.clone(), Some(fence)).await, Ok(CursorOutcome::Moved));
        assert_eq!(store.move_cursor(next, Some(fence)).await, Ok(CursorOutcome::Stale));
        store.note(vec![look(&record, fence)], 9).await.expect("note");
    }
    let looks = DecisionStore::of_job(store, job(1).id, 9).await.expect("of_job");
    assert_eq!(looks.iter().map(|look| look.count).collect::<Vec<_>>(), [3], "each was taken");
    let next = next_cursor(&now_is(store).await.cursor);
    let moved = store.move_cursor(next, None).await;
    assert_eq!(moved, Ok(CursorOutcome::Moved), "who changes the job needs no fence");
}

async fn an_older_fence_writes_nothing<S: Store>(store: &S) {
    let record = create(store, vec![new_job(1)]).await.remove(0);
    let old = take(store, 1, Token(0)).await;
    let (late, late_cursor) = next_task(&record);
    let new = take(store, 2, old.token).await;
    let (task, cursor) = next_task(&record);
    let opening = Opening { task, cursor, fence: Some(new) };
    assert_eq!(store.open(vec![opening]).await, Ok(vec![OpenOutcome::Opened]));
    let record = now_is(store).await;
    refused(store, &record, old, "the new holder has written").await;
    let late = Opening { task: late, cursor: late_cursor, fence: Some(old) };
    assert_eq!(store.open(vec![late]).await, Ok(vec![OpenOutcome::Fenced]), "rather than already open");
    let (task, cursor) = next_task(&record);
    let mixed = vec![
        Opening { task: task.clone(), cursor: cursor.clone(), fence: Some(old) },
        Opening { task, cursor, fence: Some(new) },
    ];
    let outcomes = store.open(mixed).await;
    assert_eq!(outcomes, Ok(vec![OpenOutcome::Fenced, OpenOutcome::Opened]), "each by its own fence");
}

async fn a_fence_is_of_the_jobs_shard<S: Store>(store: &S) {
    let record = create(store, vec![new_job(1)]).await.remove(0);
    let own = take(store, 1, Token(0)).await;
    let shard = Shard { no: (own.shard.no + 1) % SHARDS, ..own.shard };
    let session = Session { member: MemberId([1; 16]), no: 1 };
    let claimed = store.claim(session, vec![Fence { shard, token: Token(0) }]).await;
    assert_eq!(claimed, Ok(vec![true]));
    refused(store, &record, Fence { shard, ..own }, "another shard's").await;
}

async fn facts_are_of_whoever_leads_the_task<S: Store>(store: &S) {
    let record = create(store, vec![new_job(1)]).await.remove(0);
    let (task, cursor) = next_task(&record);
    let id = task.id;
    let opened = store.open(vec![Opening::unfenced(task, cursor)]).await;
    assert_eq!(opened, Ok(vec![OpenOutcome::Opened]));
    let own = take(store, 1, Token(0)).await;
    let never = Fence { shard: Shard { kind: ServiceKind::Dispatcher, ..own.shard }, token: Token(1) };
    let announced = Fact::Announced { task: id, at: at(7) };
    let with = |fence: Fence, fact: &Fact| Recording { fact: fact.clone(), fence: Some(fence) };
    let outcome = store.append(vec![with(never, &announced)]).await;
    assert_eq!(outcome, Ok(vec![Recorded::Fenced]), "the lease of another service says nothing");
    let old = take_of(ServiceKind::Dispatcher, store, 1, Token(0)).await;
    let attempted = Fact::Attempted(attempt(id, 1));
    assert_eq!(store.append(vec![with(old, &attempted)]).await, Ok(vec![Recorded::New]));
    let new = take_of(ServiceKind::Dispatcher, store, 2, old.token).await;
    let ahead = Fence { token: new.token.next(), ..new };
    for fence in [old, ahead, Fence { token: Token(0), ..new }] {
        let outcomes = store.append(vec![with(fence, &announced), with(fence, &attempted)]).await;
        assert_eq!(outcomes, Ok(vec![Recorded::Fenced, Recorded::Fenced]), "whatever else: {fence:?}");
    }
    let facts = store.tasks(&[id]).await.expect("tasks").remove(0).facts;
    assert_eq!(facts, std::slice::from_ref(&attempted));
    let mixed = vec![with(old, &announced), with(new, &announced), attempted.clone().into()];
    let outcomes = store.append(mixed).await;
    let already = Recorded::Already(Box::new(attempted));
    assert_eq!(outcomes, Ok(vec![Recorded::Fenced, Recorded::New, already]), "each by its own fence");
}
