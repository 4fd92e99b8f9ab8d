//! Stores as records: of files of SQLite. Those of Cassandra stand in `scylla.rs`.

use std::{
    num::NonZeroU16,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use argus_conformance::{
    records,
    samples::{job, keeper, settled_agreed},
    tasks::open_next,
};
use argus_domain::{
    B256,
    lease::{Live, MemberId, ServiceKind, Session},
    time::Timestamp,
};
use argus_ports::{
    Archive, CopyMark, KeeperStore, KeyStore, LeaseStore, Page, Record, RecordKind, RecordStore, StoreError,
    TaskStore,
};
use argus_sqlite::{OpenError, Options, SqliteStore};
use argus_transfer::{How, Side, TransferError, Written};
use async_trait::async_trait;

fn open(dir: &tempfile::TempDir, name: &str) -> SqliteStore {
    let options = Options { half_copied: true, ..Options::default() };
    SqliteStore::open(&dir.path().join(name), &options).expect("the store opens")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_read_and_written_as_records() {
    let dir = tempfile::tempdir().expect("a folder");
    records::suite(open(&dir, "a.db"), open(&dir, "b.db")).await;
}

fn side(store: &SqliteStore, name: &str) -> Side {
    Side { records: Arc::new(store.clone()), leases: Arc::new(store.clone()), name: name.to_owned() }
}

fn options() -> argus_transfer::Options {
    let fresh = ["the source".to_owned(), "the target".to_owned()];
    argus_transfer::Options { page: 10, now: records::AT, fresh }
}

async fn copied(from: &Side, to: &Side) -> Result<Written, TransferError> {
    argus_transfer::copy(from, to, &options(), &mut |_| {}).await
}

async fn compared(from: &Side, to: &Side) -> Result<(), TransferError> {
    argus_transfer::verify(from, to, &options(), &mut |_| {}).await.map(drop)
}

/// A store that was filled, whose processes are gone.
async fn filled(dir: &tempfile::TempDir) -> SqliteStore {
    let store = open(dir, "source.db");
    records::fill(&store).await;
    for kind in ServiceKind::ALL {
        for member in store.look(kind).await.expect("look").members {
            store.end(kind, member.session, None).await.expect("ended");
        }
    }
    store
}

/// A target that dies: after so many writes each is refused, before it is carried out or after.
struct Dying {
    store: SqliteStore,
    lives: AtomicI64,
    /// Whether the last one is carried out, and nobody hears of it.
    silently: bool,
}

impl Dying {
    fn of(store: &SqliteStore, lives: i64, silently: bool) -> Arc<Self> {
        Arc::new(Self { store: store.clone(), lives: AtomicI64::new(lives), silently })
    }

    async fn write(&self, write: impl Future<Output = Result<(), StoreError>>) -> Result<(), StoreError> {
        let lives = self.lives.fetch_sub(1, Ordering::SeqCst);
        if lives > 0 || (lives == 0 && self.silently) {
            write.await?;
        }
        if lives > 0 { Ok(()) } else { Err(StoreError::Unavailable("this process died".to_owned())) }
    }
}

#[async_trait]
impl RecordStore for Dying {
    async fn identity(&self, fresh: String) -> Result<String, StoreError> {
        self.store.identity(fresh).await
    }

    async fn export(
        &self,
        kind: RecordKind,
        after: Option<String>,
        at: Timestamp,
        limit: u32,
    ) -> Result<Page, StoreError> {
        self.store.export(kind, after, at, limit).await
    }

    async fn import(&self, records: Vec<Record>, at: Timestamp) -> Result<(), StoreError> {
        self.write(self.store.import(records, at)).await
    }

    async fn copy_mark(&self) -> Result<Option<CopyMark>, StoreError> {
        self.store.copy_mark().await
    }

    async fn set_copy_mark(&self, mark: CopyMark) -> Result<(), StoreError> {
        self.write(self.store.set_copy_mark(mark)).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_stopped_at_any_write_goes_on_and_ends_with_the_same() {
    let dir = tempfile::tempdir().expect("a folder");
    let source = filled(&dir).await;
    let from = side(&source, "source");
    let all = records::exported(&source, 1000).await;
    let whole = open(&dir, "whole.db");
    let never = Dying::of(&whole, i64::MAX, false);
    let to = Side { records: never.clone(), ..side(&whole, "whole") };
    let written = copied(&from, &to).await.expect("copied");
    assert_eq!((written.records, written.is_resumed), (all.len() as u64, false));
    let writes = i64::MAX - never.lives.load(Ordering::SeqCst);
    assert!(writes > 40, "{writes}: pages are too long");
    for silently in [false, true] {
        for lives in 0..writes {
            let name = format!("target-{silently}-{lives}.db");
            let target = open(&dir, &name);
            let dying = Side { records: Dying::of(&target, lives, silently), ..side(&target, "target") };
            let died = copied(&from, &dying).await;
            assert!(matches!(died, Err(TransferError::Store { .. })), "{lives}: {died:?}");
            let is_begun = target.copy_mark().await.expect("read").is_some();
            drop((dying, target));
            if is_begun && (lives + 1 < writes || !silently) {
                let opened = SqliteStore::open(&dir.path().join(&name), &Options::default()).err();
                assert!(
                    matches!(opened, Some(OpenError::HalfCopied)),
                    "{lives}: no process runs on a half: {opened:?}"
                );
            }
            let target = open(&dir, &name);
            let again = copied(&from, &side(&target, "target")).await;
            match again {
                Ok(written) => {
                    assert_eq!(written.is_resumed, is_begun);
                    assert!(written.records >= all.len() as u64 || !is_begun, "{lives}");
                    assert_eq!(written.compared.len(), RecordKind::ALL.len());
                }
                // It had come to its end, and nobody heard of it.
                Err(TransferError::Done(_)) if silently && lives + 1 == writes => {}
                Err(error) => panic!("{lives}: {error}"),
            }
            records::assert_same(&records::exported(&target, 1000).await, &all, &name);
            drop(target);
            SqliteStore::open(&dir.path().join(&name), &Options::default()).expect("whole");
            std::fs::remove_file(dir.path().join(&name)).expect("removed");
        }
    }
    records::goes_on(&whole).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_stores_do_not_share_is_found_and_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let (source, target) = (filled(&dir).await, open(&dir, "target.db"));
    let (from, to) = (side(&source, "source"), side(&target, "target"));
    copied(&from, &to).await.expect("copied");
    compared(&from, &to).await.expect("equal");
    compared(&to, &from).await.expect("equal");
    let check = async |kind: RecordKind, key: &str, how: How, counts: (u64, u64)| {
        let Err(TransferError::Differ(found)) = compared(&from, &to).await else {
            panic!("{key}: no difference")
        };
        assert_eq!((found.kind, found.how, found.counts), (kind, how, counts), "{found}");
        assert!(found.key.contains(key), "{found}");
        let Err(TransferError::Differ(mirrored)) = compared(&to, &from).await else { panic!("{key}") };
        let other = match how {
            How::Missing => How::Added,
            How::Added => How::Missing,
            How::Other => How::Other,
        };
        assert_eq!((mirrored.how, mirrored.counts), (other, (counts.1, counts.0)), "{mirrored}");
    };
    // The last kinds first: each difference hides those of later kinds.
    Archive::put(&target, B256::repeat_byte(9), vec![9].into()).await.expect("put");
    check(RecordKind::Blob, "0x0909", How::Added, (3, 4)).await;
    source.update("key-2", Some(1), None).await.expect("changed");
    check(RecordKind::ApiKey, "key-2", How::Other, (3, 3)).await;
    KeeperStore::remove(&target, keeper(1)).await.expect("removed");
    check(RecordKind::Keeper, &keeper(1).to_string(), How::Missing, (2, 1)).await;
    let (task, _) = open_next(&target, job(1).id).await;
    // The job's cursor has moved, and that is read first.
    check(RecordKind::Job, &format!("job {}", job(1).id), How::Other, (7, 7)).await;
    open_next(&source, job(1).id).await;
    target.record(vec![settled_agreed(task)]).await.expect("recorded");
    check(RecordKind::Task, &task.to_string(), How::Other, (10, 10)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_be_mixed_or_is_in_use_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let (source, target) = (filled(&dir).await, open(&dir, "target.db"));
    let (from, to) = (side(&source, "source"), side(&target, "target"));
    let refused = async |from: &Side, to: &Side, part: &str| {
        let said = copied(from, to).await.expect_err("refused").to_string();
        assert!(said.contains(part), "{said}");
    };
    refused(&from, &side(&source, "itself"), "the same store").await;
    let full = open(&dir, "full.db");
    Archive::put(&full, B256::repeat_byte(9), vec![9].into()).await.expect("put");
    refused(&from, &side(&full, "full"), "full is not empty, it holds blobs").await;
    assert_eq!(full.copy_mark().await, Ok(None), "nothing was begun");

    // A process that is there beats; one that was killed does not.
    let session = Session { member: MemberId([9; 16]), no: 1 };
    let (ttl, shards) = (Duration::from_millis(200), NonZeroU16::MIN);
    for (store, name) in [(&source, "source is used by a running monitor"), (&target, "target is used by")] {
        store.join(ServiceKind::Monitor, Live { session, beats: 0, ttl, shards }).await.expect("joined");
        let beating = async {
            for beats in 1.. {
                store.beat(ServiceKind::Monitor, session, beats).await.expect("beaten");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            () = refused(&from, &to, name) => {}
            () = beating => {}
        }
        assert_eq!(target.copy_mark().await, Ok(None), "nothing was begun");
        // From here on it stands still, as after kill -9.
    }
    let dying = Side { records: Dying::of(&target, 5, false), ..to.clone() };
    copied(&from, &dying).await.expect_err("it died");
    let [third, other] = ["third", "other"].map(|name| side(&open(&dir, &format!("{name}.db")), name));
    for store in [&third, &other] {
        store.records.identity(store.name.clone()).await.expect("named");
    }
    refused(&to, &third, "target holds half a copy").await;
    refused(&other, &to, "target holds a copy of another store").await;
    copied(&from, &to).await.expect("those that are gone are in nobody's way");
    refused(&from, &to, "target holds the whole copy already").await;
    // What is left of them is not copied.
    let view = target.look(ServiceKind::Monitor).await.expect("look");
    assert_eq!(view.members.len(), 1, "the target's own, which is gone, too");
}
