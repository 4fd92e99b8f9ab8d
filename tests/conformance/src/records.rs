//! The contract of [`RecordStore`]: a store that holds something of every kind, and another one into which it is copied.

mod fill;
mod goes_on;

use argus_domain::{
    ids::Serial,
    job::{Cursor, Job},
    time::Timestamp,
};
use argus_ports::{
    Change, ChangeKind, CreateOutcome, EventBus, JobStore, PlatformStore, Room,
    records::{CopyMark, CopyStage, Page, Record, RecordKind, RecordStore},
};

use crate::{
    bus::change,
    samples::{NOW, cursor, job, owner},
};

pub use fill::fill;
pub use goes_on::goes_on;

/// The instant at which stores are read here.
pub const AT: Timestamp = NOW;

/// The whole suite: of a store that is filled and of one into which its records are written, which both are empty and may
/// be of different adapters.
pub async fn suite<S: PlatformStore + RecordStore, T: PlatformStore + RecordStore>(source: S, target: T) {
    marks(&target).await;
    nothing(&target).await;
    fill(&source).await;
    let mut all = pages_hold_everything_once(&source).await;
    // As of a store that keeps changes for a while only.
    let numbered = all.iter_mut().find_map(|record| match record {
        Record::Job(stored) if stored.record.job.id == job(2).id => Some(&mut stored.seq),
        _ => None,
    });
    *numbered.expect("a job without changes") = 40;
    // And of one that gave serials out to creations which never came to be.
    if let Some(Record::Numbers { serial, .. }) = all.last_mut() {
        *serial = 12;
    }
    written_twice_is_written_once(&target, &all).await;
    numbers_outlive_their_changes(&target).await;
    no_serial_comes_again(&target).await;
    goes_on(&target).await;
}

/// Who a store is, and how far a copy into it is.
async fn marks(store: &dyn RecordStore) {
    for fresh in ["one", "other"] {
        assert_eq!(store.identity(fresh.to_owned()).await, Ok("one".to_owned()), "the first name stays");
    }
    assert_eq!(store.copy_mark().await, Ok(None));
    let place = Some("0x00/7".to_owned());
    for stage in [
        CopyStage::Writing(RecordKind::Job, None),
        CopyStage::Writing(RecordKind::Task, place),
        CopyStage::Comparing,
        CopyStage::Done,
    ] {
        let mark = CopyMark { source: "it".to_owned(), stage, records: 7 };
        store.set_copy_mark(mark.clone()).await.expect("noted");
        assert_eq!(store.copy_mark().await, Ok(Some(mark)));
    }
}

async fn nothing(store: &dyn RecordStore) {
    let all = exported(store, 10).await;
    assert_eq!(all, [Record::Numbers { serial: 1, position: 0 }], "neither name nor mark is a record");
}

/// All records of a store in its own order, read in pages of so many.
pub async fn exported(store: &dyn RecordStore, limit: u32) -> Vec<Record> {
    let mut all = Vec::new();
    for &kind in RecordKind::ALL {
        let mut after = None;
        loop {
            let Page { records, next } = store.export(kind, after, AT, limit).await.expect("a page");
            assert!(records.iter().all(|record| record.kind() == kind), "{kind:?}");
            all.extend(records);
            after = next;
            if after.is_none() {
                break;
            }
        }
    }
    all
}

/// The records of two stores, or of two looks at one, as sets.
///
/// # Panics
/// Where one of them has what the other has not.
pub fn assert_same(one: &[Record], other: &[Record], why: &str) {
    for (from, to) in [(one, other), (other, one)] {
        for record in from {
            let like = to.iter().filter(|other| other.kind() == record.kind()).collect::<Vec<_>>();
            assert!(like.contains(&record), "{why}: {record:#?}\nis not among {like:#?}");
        }
    }
    assert_eq!(one.len(), other.len(), "{why}");
}

async fn pages_hold_everything_once<S: RecordStore>(store: &S) -> Vec<Record> {
    let all = exported(store, 1000).await;
    for &kind in RecordKind::ALL {
        let count = all.iter().filter(|record| record.kind() == kind).count();
        let least = if matches!(kind, RecordKind::NonceKey | RecordKind::Numbers) { 1 } else { 2 };
        assert!(count >= least, "{count} {}: the samples have too few", kind.name());
    }
    assert_eq!(exported(store, 1000).await, all, "each keeps its place");
    for limit in [1, 2, 3] {
        assert_same(&exported(store, limit).await, &all, &format!("in pages of {limit}"));
    }
    all
}

async fn numbers_outlive_their_changes(store: &dyn EventBus) {
    let room = Room::Job(job(2).id);
    assert_eq!(store.since(room, 0, 9).await, Ok(vec![]));
    // Of nobody else's room.
    let change = Change { job: job(2).id, owner: owner(9), ..change(2, 1, ChangeKind::Created, 1) };
    let published = store.publish(vec![change.clone()]).await;
    assert_eq!(published, Ok(vec![Change { seq: 41, ..change }]), "clients that saw 40 hear of it");
}

async fn no_serial_comes_again(store: &dyn JobStore) {
    let job = Job { owner: owner(9), ..job(50) };
    let cursor = Cursor { next_due: None, ..cursor(&job) };
    assert_eq!(store.create(vec![(job, cursor)]).await, Ok(CreateOutcome::Created(vec![Serial(12)])));
}

async fn written_twice_is_written_once(store: &dyn RecordStore, all: &[Record]) {
    for &kind in RecordKind::ALL {
        let of_kind: Vec<Record> = all.iter().filter(|record| record.kind() == kind).cloned().collect();
        // In two pages, of which the first comes again before the second.
        let (first, second) = of_kind.split_at(of_kind.len().div_ceil(2));
        for page in [first, first, second, &of_kind] {
            store.import(page.to_vec(), AT).await.expect("written");
        }
    }
    assert_same(&exported(store, 1000).await, all, "what was written is what is read");
}
