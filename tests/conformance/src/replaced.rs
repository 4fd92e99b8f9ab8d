//! What [`JobStore::create`] says of a job that takes the place of another's under its id, in all that a store has of
//! the two.

use argus_domain::{
    B256,
    decision::{Decision, Outcome},
    ids::{ChainId, Serial, TaskId},
    job::{Cursor, Job, JobChange, Position},
    registration::{Discrepancy, Registration},
    secret::{SealedSecret, SecretName},
    task::{Fact, Task, Verdict},
};
use argus_ports::{
    CreateOutcome, CursorOutcome, DecisionStore, JobQuery, JobStore, Look, OpenOutcome, Opening, Recorded,
    RegistrationStore, SecretStore, TaskQuery, TaskStore,
};

use crate::{
    jobs::create,
    samples::{NOW, at, attempt, cursor, job, next_task, owner, settled, settled_agreed},
};

/// The whole suite.
pub async fn suite<S: JobStore + TaskStore + RegistrationStore + DecisionStore + SecretStore>(
    fresh: impl Fn() -> S,
) {
    only_the_registered_owner_takes_a_place(&fresh()).await;
    nothing_of_the_other_is_the_new_ones(&fresh()).await;
}

/// The job as somebody else sent it, and as the one who registered it does.
fn strangers() -> (Job, Cursor) {
    let job = Job { owner: owner(7), title: "a stranger's".to_owned(), ..job(1) };
    let position = Position::Condition { crossings: 5, held: Some(true), last: None };
    let cursor = Cursor { position, ..cursor(&job) };
    (job, cursor)
}

fn owners() -> (Job, Cursor) {
    let job = Job { accepted_at: at(500), ..job(1) };
    let cursor =
        Cursor { position: Position::Condition { crossings: 0, held: None, last: None }, ..cursor(&job) };
    (job, cursor)
}

fn found() -> Registration {
    let (job, _) = owners();
    Registration {
        chain: job.created_chain,
        job: job.id,
        owner: job.owner,
        block: 9,
        transaction: B256::repeat_byte(9),
        at: NOW,
        discrepancy: Discrepancy::OwnerDiffers(owner(7)),
    }
}

async fn only_the_registered_owner_takes_a_place<S: JobStore + RegistrationStore>(store: &S) {
    let stored = create(store, vec![strangers()]).await.remove(0);
    let taken = Ok(CreateOutcome::Taken(stored.job.id));
    assert_eq!(store.create(vec![owners()]).await, taken, "nobody says whose it is");
    store.keep(found()).await.expect("kept");
    assert_eq!(store.create(vec![owners()]).await, taken, "it is not deleted");
    store.change(stored.job.id, stored.job.serial, JobChange::Deleted(at(1))).await.expect("deleted");
    for (what, row) in [
        ("another reason", Registration { discrepancy: Discrepancy::DeletedOnChain, ..found() }),
        ("another chain", Registration { chain: ChainId(2), ..found() }),
        ("another owner", Registration { owner: owner(9), ..found() }),
    ] {
        store.forget(found().chain, found().job).await.expect("forgotten");
        store.keep(row.clone()).await.expect("kept");
        assert_eq!(store.create(vec![owners()]).await, taken, "{what}");
        store.forget(row.chain, row.job).await.expect("forgotten");
    }
    store.keep(found()).await.expect("kept");
    assert_eq!(store.arrived(9).await, Ok(vec![]), "it has not come");
    let same = store.create(vec![strangers()]).await;
    assert_eq!(same, Ok(CreateOutcome::Same(vec![stored.job.serial])), "the other's stays the other's");
    let other = Job { title: "no such".to_owned(), ..owners().0 };
    let both = store.create(vec![owners(), (other, owners().1)]).await;
    assert_eq!(both, taken, "all or none");
    assert_eq!(store.job(stored.job.id).await.expect("job").expect("there").job, stored.job);
    let created = store.create(vec![owners(), owners()]).await;
    assert_eq!(created, Ok(CreateOutcome::Created(vec![Serial(2), Serial(2)])));
    assert_eq!(store.create(vec![owners()]).await, Ok(CreateOutcome::Same(vec![Serial(2)])), "and once");
    assert_eq!(store.create(vec![strangers()]).await, taken, "it is not theirs any more");
    assert_eq!(store.arrived(9).await, Ok(vec![found()]), "it has come");
}

async fn nothing_of_the_other_is_the_new_ones<
    S: JobStore + TaskStore + RegistrationStore + DecisionStore + SecretStore,
>(
    store: &S,
) {
    let tasks = store as &dyn TaskStore;
    let before = create(store, vec![strangers()]).await.remove(0);
    let id = before.job.id;
    let mut opened = Vec::new();
    for outcome in [OpenOutcome::Opened, OpenOutcome::Opened] {
        let record = store.job(id).await.expect("job").expect("there");
        let (task, cursor) = next_task(&record);
        assert_eq!(tasks.open(vec![Opening::unfenced(task.clone(), cursor)]).await, Ok(vec![outcome]));
        opened.push(task);
    }
    let second = Job { version: 2, ..before.job.clone() };
    store.change(id, before.job.serial, JobChange::Version(Box::new(second), at(2))).await.expect("changed");
    let late = next_task(&store.job(id).await.expect("job").expect("there"));
    let look = Decision::once(opened[0].number, Outcome::Expired, at(3));
    let look = Look { job: id, serial: opened[0].serial, fence: None, decision: look };
    store.note(vec![look.clone()], 9).await.expect("noted");
    let name: SecretName = "KEY".parse().expect("a name");
    let sealed = SealedSecret { key: [1; 8], bytes: vec![1; 40], set_at: at(3) };
    store.put(id, name, sealed).await.expect("put");
    store.change(id, before.job.serial, JobChange::Deleted(at(4))).await.expect("deleted");
    store.keep(found()).await.expect("kept");
    let created = store.create(vec![owners()]).await;
    assert_eq!(created, Ok(CreateOutcome::Created(vec![Serial(2)])));

    let record = store.job(id).await.expect("job").expect("there");
    assert_eq!((record.job.owner, record.job.version), (owner(1), 3), "versions go on counting");
    assert_eq!((record.deleted_at, record.last_opened_at), (None, None));
    for late in [JobChange::Deleted(at(5)), JobChange::Paused(at(5))] {
        assert_eq!(store.change(id, before.job.serial, late).await, Ok(None), "it names the other's job");
    }
    assert_eq!(store.job(id).await, Ok(Some(record.clone())), "nothing is done to it");
    assert_eq!(store.created(id).await.expect("read").as_deref(), Some(&record.job));
    for (version, whose) in [(1, owner(7)), (2, owner(7)), (3, owner(1))] {
        let job = store.version(id, version).await.expect("read").expect("there");
        assert_eq!(job.owner, whose, "version {version}");
    }
    let crossings = Position::Condition { crossings: 5, held: None, last: None };
    assert_eq!(record.cursor.position, crossings, "ordinals name tasks");
    assert_eq!(record.cursor.opened.0, 0);
    let stale = late.1;
    assert_eq!(store.move_cursor(stale.clone(), None).await, Ok(CursorOutcome::Stale), "read of the other");
    for revision in [record.cursor.revision, record.cursor.revision + 1] {
        let late = Opening::unfenced(late.0.clone(), Cursor { revision, ..stale.clone() });
        assert_eq!(tasks.open(vec![late]).await, Ok(vec![OpenOutcome::Gone]), "its task is not opened here");
    }

    store.note(vec![look], 9).await.expect("noted");
    assert_eq!(
        DecisionStore::of_job(store, id, 9).await,
        Ok(vec![]),
        "nor what was looked at before and is written late"
    );
    assert_eq!(SecretStore::of_job(store, id).await, Ok(vec![]));
    assert_eq!(tasks.list(TaskQuery::Job(id), None, 9).await, Ok(vec![]));
    let theirs = JobStore::list(store, JobQuery::Owner(owner(7)), None, 9).await;
    assert_eq!(theirs, Ok(vec![]), "no list has it any more");
    let own = JobStore::list(store, JobQuery::Owner(owner(1)), None, 9).await.expect("list");
    assert_eq!(own, std::slice::from_ref(&record));
    let settles = vec![settled_agreed(opened[0].id)];
    assert_eq!(tasks.record(settles).await, Ok(vec![Recorded::Refused]), "as of a deleted job");
    let withdrawn = settled(opened[0].id, Verdict::Withdrawn("gone".to_owned()));
    let attempted = Fact::Attempted(attempt(opened[1].id, 1));
    assert_eq!(tasks.record(vec![withdrawn, attempted]).await, Ok(vec![Recorded::New, Recorded::New]));
    assert_eq!(tasks.list(TaskQuery::Owner(owner(7)), None, 9).await.expect("list").len(), 2);

    let (task, cursor) = next_task(&record);
    let own = Task { id: TaskId(B256::repeat_byte(0x77)), ..task };
    let outcome = tasks.open(vec![Opening::unfenced(own.clone(), cursor)]).await;
    assert_eq!(outcome, Ok(vec![OpenOutcome::Opened]));
    let listed = tasks.list(TaskQuery::Job(id), None, 9).await.expect("list");
    assert_eq!(listed.iter().map(|one| one.task.id).collect::<Vec<_>>(), [own.id]);
    assert_eq!(tasks.record(vec![settled_agreed(own.id)]).await, Ok(vec![Recorded::New]));
}
