//! What a process left half done that died, in a copy of its store.

use std::collections::BTreeSet;

use argus_conformance::{
    records::exported,
    samples::{new_job, next_task, owner},
};
use argus_domain::{
    B256, U256,
    fees::{LedgerEntry, LedgerReason},
    ids::{JobId, TaskId},
};
use argus_ports::{
    Change, ChangeKind, EventBus, JobStore, Ledger, Opening, Record, Room, StoreError, TaskStore,
};

use super::{Fault, at_every_write, two};
use crate::ScyllaStore;

/// A job is created, its creation is booked, a task is opened and told of: as far as it comes.
async fn live(store: &ScyllaStore, n: u64) -> Result<(), StoreError> {
    let (key, amount) = (B256::from(U256::from(n)), U256::from(10));
    let entry = LedgerEntry { key, reason: LedgerReason::JobCreated, account: owner(1), amount };
    let (job, cursor) = new_job(n);
    let id = job.id;
    store.create_and_book(vec![(job, cursor)], vec![entry]).await?;
    let Some(record) = store.job(id).await? else { return Ok(()) };
    let (task, cursor) = next_task(&record);
    let told = Change {
        job: id,
        owner: owner(1),
        task: task.id,
        public_id: task.public_id(),
        kind: ChangeKind::Created,
        seq: 0,
        at: task.opened_at,
    };
    store.open(vec![Opening::unfenced(task, cursor)]).await?;
    store.publish(vec![told]).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_process_left_half_done_is_read_whole_or_not_at_all() {
    let Some(two) = two("copies").await else { return };
    at_every_write(&two, async |n, fault: Fault| {
        let _dies = live(&two.dying, n).await;
        // Before anybody else has looked.
        let all = exported(&two.other, 100).await;
        let (mut jobs, mut tasks) = (BTreeSet::<JobId>::new(), BTreeSet::<TaskId>::new());
        let (mut entries, mut changes, mut opened) = (0, 0, 0);
        for record in &all {
            match record {
                Record::Job(job) => {
                    jobs.insert(job.record.job.id);
                    opened += usize::try_from(job.record.cursor.opened.0).expect("small");
                }
                Record::Task(record) => drop(tasks.insert(record.task.id)),
                Record::Entry(place, _) => {
                    entries += 1;
                    assert_eq!(*place, entries, "{fault:?}: in their order, without a gap");
                }
                Record::Change(..) => changes += 1,
                _ => {}
            }
        }
        assert_eq!(tasks.len(), opened, "{fault:?}: a cursor that has moved has its task");
        assert!(entries >= jobs.len() as u64, "{fault:?}: a job that is there was booked");
        let (job, _) = new_job(n);
        let is_there = two.other.job(job.id).await.expect("job").is_some();
        assert_eq!(jobs.contains(&job.id), is_there, "{fault:?}");
        let booked = two.other.of_account(owner(1), 1000).await.expect("entries");
        assert_eq!(entries, booked.len() as u64, "{fault:?}");
        let told = two.other.since(Room::Owner(owner(1)), 0, 1000).await.expect("changes");
        assert_eq!(changes, told.len(), "{fault:?}: in its room, too");
    })
    .await;
}
