//! Whether what writers were told is what is there.

use std::collections::{BTreeMap, BTreeSet};

use argus_conformance::samples::{at, job, owner};
use argus_domain::{
    ids::{JobId, Serial},
    job::TriggerKind,
    lease::ShardSet,
    task::Fact,
};
use argus_ports::{EventBus, JobQuery, JobStore, Room, TaskQuery, TaskStore};
use argus_scylla::ScyllaStore;
use futures::{StreamExt as _, stream};

use crate::load::{All, Told};

/// Reads that are under way at the same time.
const AT_ONCE: usize = 16;
/// More than there are of anything.
const ALL: u32 = 100_000;

/// All that was acknowledged is there, nothing is there twice, and no job by half. Writers may go on meanwhile.
pub async fn judge(store: &ScyllaStore, told: &Told, worked: &[u64]) {
    // Taken before anything is read: what is acknowledged later need not have been seen.
    let all = told.all();
    jobs(store, &all, worked, told.is_stopped()).await;
    for &n in worked {
        tasks(store, &all, n).await;
        announced(store, &all, n).await;
    }
}

async fn jobs(store: &ScyllaStore, all: &All, worked: &[u64], is_quiet: bool) {
    let before = by_id(store, all, worked).await;
    let listed = JobStore::list(store, JobQuery::Owner(owner(1)), None, ALL).await.expect("list");
    let of_owner: BTreeMap<JobId, Serial> = listed.iter().map(|r| (r.job.id, r.job.serial)).collect();
    assert_eq!(of_owner.len(), listed.len(), "each job is listed once");
    let serials: BTreeSet<Serial> = of_owner.values().copied().collect();
    assert_eq!(serials.len(), listed.len(), "no two jobs have one serial");
    let found = store.due(TriggerKind::Time, ShardSet::ALL, at(1_000_000_000), ALL).await.expect("due");
    let due: BTreeSet<JobId> = found.iter().map(|record| record.job.id).collect();
    assert_eq!(due.len(), found.len(), "each job is due once");

    for (n, serial) in &all.jobs {
        let found = before[n].unwrap_or_else(|| panic!("job {n} was acknowledged and is lost"));
        assert_eq!(found, *serial, "job {n} is another than was acknowledged");
    }
    // What a writer gave up may still be carried out, just now.
    let after = by_id(store, all, worked).await;
    for (n, serial) in before.into_iter().filter(|(n, serial)| after[n] == *serial) {
        let id = job(n).id;
        // One whose cursor moves just now may be read in no bucket.
        let by_due = due.contains(&id) || (!is_quiet && worked.contains(&n));
        assert_eq!(of_owner.get(&id).copied(), serial, "job {n} by half: what its owner's list says of it");
        assert_eq!(by_due, serial.is_some(), "job {n} by half: whether it is due");
    }
}

async fn by_id(store: &ScyllaStore, all: &All, worked: &[u64]) -> BTreeMap<u64, Option<Serial>> {
    let numbers = all.jobs.keys().chain(&all.given_up).chain(worked).copied();
    let read = async |n: u64| {
        let record = store.job(job(n).id).await.expect("job");
        (n, record.map(|record| record.job.serial))
    };
    stream::iter(numbers).map(read).buffer_unordered(AT_ONCE).collect().await
}

async fn tasks(store: &ScyllaStore, all: &All, n: u64) {
    let id = job(n).id;
    let mut listed = TaskStore::list(store, TaskQuery::Job(id), None, ALL).await.expect("list");
    listed.reverse();
    let numbers: Vec<u32> = listed.iter().map(|record| record.task.number.0).collect();
    let expect = 1..=u32::try_from(numbers.len()).expect("few");
    assert_eq!(numbers, expect.collect::<Vec<_>>(), "job {n}: one task per occurrence, in order");
    let cursor = store.job(id).await.expect("job").expect("record").cursor;
    assert!(all.cursors.get(&n).is_none_or(|told| cursor.revision >= *told), "job {n}: {cursor:?} went back");
    assert!(cursor.opened.0 as usize >= numbers.len(), "job {n}: {cursor:?} does not know of its tasks");
    let found: BTreeMap<_, _> = listed.into_iter().map(|record| (record.task.id, record.facts)).collect();
    for task in all.tasks.iter().filter(|(_, of)| **of == n).map(|(task, _)| task) {
        let facts = found.get(task).unwrap_or_else(|| panic!("job {n}: a task was acknowledged and is lost"));
        let verdicts: Vec<&Fact> = facts.iter().filter(|fact| matches!(fact, Fact::Settled(_))).collect();
        assert!(verdicts.len() <= 1, "job {n}: {verdicts:?}");
        if let Some(told) = all.verdicts.get(task) {
            assert_eq!(verdicts, [told], "job {n}: the verdict that counts is the one that was told");
        }
        let attempts = facts.iter().filter(|fact| matches!(fact, Fact::Attempted(_))).count();
        assert!(attempts <= 1, "job {n}: {facts:?}");
        assert!(
            attempts == 1 || !all.attempts.contains(task),
            "job {n}: an attempt was acknowledged and is lost"
        );
    }
}

async fn announced(store: &ScyllaStore, all: &All, n: u64) {
    let kept = store.since(Room::Job(job(n).id), 0, ALL).await.expect("since");
    let seqs: Vec<u64> = kept.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(seqs, (1..=kept.len() as u64).collect::<Vec<_>>(), "job {n}: numbered without a gap");
    let tasks: BTreeSet<_> = kept.iter().map(|(_, change)| change.task).collect();
    assert_eq!(tasks.len(), kept.len(), "job {n}: each task is announced once");
    let mut told = all.announced.iter().filter(|task| all.tasks.get(*task) == Some(&n));
    assert!(told.all(|task| tasks.contains(task)), "job {n}: a change was acknowledged and is lost");
}
