//! What only the inside can show: a full disk, damaged rows, and a group in which one operation fails.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use argus_domain::{
    Address, B256,
    access::{ApiKey, Role},
    fees::{LedgerReason, Standing},
    time::Timestamp,
};
use argus_ports::{Archive, ClaimStore, KeyStore, Ledger, StoreError};
use bytes::Bytes;
use rusqlite::Connection;

use crate::{Options, SqliteStore, cell::corrupt, fault::Fault};

fn open() -> (tempfile::TempDir, SqliteStore) {
    let dir = tempfile::tempdir().expect("a folder");
    let store = SqliteStore::open(&dir.path().join("argus.db"), &Options::default()).expect("open");
    (dir, store)
}

/// Lets the file grow by so many pages; SQLite then says that the disk is full.
async fn room_for(store: &SqliteStore, pages: i64) {
    let limited = store.write(1, move |db| {
        let now: i64 = db.query_row("PRAGMA page_count", [], |row| row.get(0))?;
        db.query_row(&format!("PRAGMA max_page_count = {}", now + pages), [], |_| Ok(()))?;
        Ok(())
    });
    limited.await.expect("limit");
}

#[tokio::test]
async fn a_full_disk_refuses_writes_reads_go_on_and_room_heals_it() {
    let (_dir, store) = open();
    let (small, large) = (Bytes::from_static(b"small"), Bytes::from(vec![7; 1 << 20]));
    Archive::put(&store, B256::repeat_byte(1), small.clone()).await.expect("put");
    room_for(&store, 10).await;
    let bytes = large.clone();
    let full = store.write(1, move |db| {
        db.execute("INSERT INTO archive (name, bytes) VALUES (x'02', ?1)", [&bytes[..]])?;
        Ok(())
    });
    let full = full.await;
    assert!(matches!(&full, Err(StoreError::ReadOnly(text)) if text.contains("full")), "{full:?}");
    assert_eq!(store.get(B256::repeat_byte(1)).await, Ok(Some(small)));
    assert!(Archive::put(&store, B256::repeat_byte(3), large.clone()).await.is_err());
    room_for(&store, 10_000).await;
    Archive::put(&store, B256::repeat_byte(3), large.clone()).await.expect("there is room again");
    assert_eq!(store.get(B256::repeat_byte(3)).await, Ok(Some(large)));
}

#[tokio::test]
async fn a_damaged_row_is_named_and_spoils_no_other() {
    let (_dir, store) = open();
    for n in [1, 2] {
        let key = ApiKey {
            id: format!("key-{n}"),
            hash: B256::repeat_byte(n),
            masked: String::new(),
            owner: Address::ZERO,
            role: Role::User,
            rate_limit: 1,
            created_at: Timestamp(0),
            revoked_at: None,
            expires_at: None,
            last_used: None,
        };
        KeyStore::put(&store, key).await.expect("put");
    }
    let damage = store.write(1, |db| {
        db.execute("UPDATE api_keys SET body = x'ffff' WHERE id = 'key-1'", [])?;
        Ok(())
    });
    damage.await.expect("damage");
    let damaged = store.by_hash(B256::repeat_byte(1)).await;
    assert!(matches!(&damaged, Err(StoreError::Corrupt(text)) if text.contains("body")), "{damaged:?}");
    assert!(!damaged.expect_err("damaged").is_retryable());
    assert!(store.by_hash(B256::repeat_byte(2)).await.expect("by_hash").is_some());
}

#[tokio::test]
async fn one_that_fails_spoils_none_of_its_group() {
    let (_dir, store) = open();
    let runs = Arc::new(AtomicUsize::new(0));
    let put = |name: u8, fails: bool| {
        let runs = runs.clone();
        store.write(1, move |db| {
            runs.fetch_add(1, Ordering::Relaxed);
            db.execute("INSERT INTO archive (name, bytes) VALUES (?1, x'00')", [[name; 32]])?;
            if fails { Err(corrupt("name", "it is for a test")) } else { Ok(()) }
        })
    };
    // Holds the writer until the others wait, so that they come into one group.
    let busy = store.write(1, |_| {
        std::thread::sleep(Duration::from_millis(200));
        Ok(())
    });
    let (held, first, bad, last) = tokio::join!(busy, put(1, false), put(2, true), put(3, false));
    assert_eq!(held.and(first).and(last), Ok(()));
    assert!(matches!(bad, Err(StoreError::Corrupt(_))), "{bad:?}");
    assert_eq!(runs.load(Ordering::Relaxed), 5, "two of the group before it ended, then each by itself");
    for (name, there) in [(1, true), (2, false), (3, true)] {
        let found = store.get(B256::repeat_byte(name)).await.expect("get");
        assert_eq!(found.is_some(), there, "{name}");
    }
}

#[tokio::test]
async fn a_few_rows_are_found_where_they_are_asked_for_and_nobody_is_waited_for_there() {
    let (_dir, store) = open();
    let here = std::thread::current().id();
    let place = |_: &Connection| Ok(std::thread::current().id());
    let patience = |db: &Connection| Ok(db.query_row("PRAGMA busy_timeout", [], |row| row.get::<_, u32>(0))?);
    assert_eq!((store.find(place).await, store.find(patience).await), (Ok(here), Ok(0)));
    let of_threads = Options::default().busy_timeout.as_millis() as u32;
    assert_eq!(store.read(patience).await, Ok(of_threads), "a thread waits as before");
    // What another process is in the way of is left to a thread.
    let busy = || rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY), None);
    let elsewhere = store.find(move |_| match std::thread::current().id() {
        place if place == here => Err(busy().into()),
        place => Ok(place),
    });
    assert!(elsewhere.await.expect("a thread finds it") != here);
    // So is what would wait for a connection.
    let dir = tempfile::tempdir().expect("a folder");
    let options = Options { readers: 1, ..Options::default() };
    let store = SqliteStore::open(&dir.path().join("argus.db"), &options).expect("open");
    let (begun, begins) = std::sync::mpsc::sync_channel(1);
    fn hold(begun: &std::sync::mpsc::SyncSender<()>) -> Result<(), Fault> {
        begun.send(()).expect("it is awaited");
        std::thread::sleep(Duration::from_millis(100));
        Ok(())
    }
    let reading = || {
        let begun = begun.clone();
        store.read(move |_| hold(&begun))
    };
    let found = async {
        begins.recv().expect("the other one is polled first");
        store.find(place).await
    };
    let (read, found) = tokio::join!(reading(), found);
    assert_eq!((read, found), (Ok(()), Ok(here)), "the connection that writes is free");
    let writing = store.write(1, {
        let begun = begun.clone();
        move |_| hold(&begun)
    });
    let found = async {
        begins.recv().and_then(|()| begins.recv()).expect("the others are polled first");
        store.find(place).await
    };
    let (read, written, found) = tokio::join!(reading(), writing, found);
    assert_eq!((read, written), (Ok(()), Ok(())));
    assert!(found.expect("a thread finds it") != here);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_writes_alone_writes_in_place_and_the_others_through_the_thread() {
    let (_dir, store) = open();
    let here = std::thread::current().id();
    let write = || {
        store.write(1, |db| {
            db.execute("INSERT INTO archive (name, bytes) VALUES (randomblob(32), x'00')", [])?;
            Ok(std::thread::current().id())
        })
    };
    for _ in 0..3 {
        assert_eq!(write().await, Ok(here));
    }
    // The first one holds the connection until the others wait.
    let (begin, begun) = std::sync::mpsc::sync_channel(1);
    let (let_go, held) = std::sync::mpsc::sync_channel::<()>(1);
    let (first, held) = (store.clone(), Mutex::new(held));
    let mut others = tokio::task::JoinSet::new();
    others.spawn(async move {
        let written = first.write(1, move |_| {
            begin.send(()).expect("it is awaited");
            held.lock().expect("once").recv().expect("it is let go");
            Ok(std::thread::current().id())
        });
        written.await
    });
    begun.recv().expect("the first one writes");
    let end = async { let_go.send(()).expect("it is awaited") };
    let (second, third, ()) = tokio::join!(write(), write(), end);
    assert_eq!(second, third, "both through one thread");
    let first = others.join_next().await.expect("the first one").expect("no panic");
    assert!(second.expect("written") != here && first != third);
    let rows = store.find(|db| Ok(db.query_row("SELECT count(*) FROM archive", [], |row| row.get(0))?));
    assert_eq!(rows.await, Ok(5));
}

/// What was booked before there were sums is summed once, however large it is.
#[tokio::test]
async fn sums_of_a_ledger_are_made_up_for() {
    let dir = tempfile::tempdir().expect("a directory");
    let (path, options) = (dir.path().join("argus.db"), Options::default());
    let mut db = crate::database::connect(&path, &options).expect("connect");
    crate::migrate::apply(&mut db, &crate::migrate::PLATFORM[..1]).expect("the first tables");
    let mut expected = BTreeMap::new();
    let amounts =
        ["0", "999999999999", "1", "999999999999999999999999", "123456789012345678901234567890123456"];
    for (n, amount) in amounts.into_iter().enumerate() {
        for (number, reason, account) in
            [(1, LedgerReason::Charged, 1), (2, LedgerReason::Earned, 1), (3, LedgerReason::JobCreated, 2)]
        {
            // Jobs were worth a few points each.
            let amount = if number == 3 { "20" } else { amount };
            let (key, account) = (B256::repeat_byte(n as u8), Address::repeat_byte(account));
            let sql = "INSERT INTO ledger (key, reason, account, amount) VALUES (?1, ?2, ?3, ?4)";
            db.execute(sql, rusqlite::params![key.0, number, account.0.0, amount]).expect("inserted");
            let standing =
                expected.entry((reason.board(), account)).or_insert_with(|| Standing::none(account));
            standing.count(reason, amount.parse().expect("a number"));
        }
    }
    drop(db);
    let store = SqliteStore::open(&path, &options).expect("the rest of the tables");
    for ((board, account), standing) in expected {
        assert_eq!(store.standing(board, account).await, Ok(standing));
    }
}

/// What was claimed once a day before claims had ends of their own is free again after that day.
#[tokio::test]
async fn claims_of_before_end_after_their_day() {
    let dir = tempfile::tempdir().expect("a directory");
    let (path, options) = (dir.path().join("argus.db"), Options::default());
    let mut db = crate::database::connect(&path, &options).expect("connect");
    crate::migrate::apply(&mut db, &crate::migrate::PLATFORM[..6]).expect("the tables of before");
    db.execute("INSERT INTO claims (who, at) VALUES ('a', 1000)", []).expect("inserted");
    drop(db);
    let store = SqliteStore::open(&path, &options).expect("the rest of the tables");
    let end = Timestamp(1_000 + 24 * 3_600_000);
    let claim =
        async |now: u64| store.claim(vec!["a".to_owned()], Timestamp(now), Timestamp(u64::MAX >> 1)).await;
    assert_eq!(claim(end.0 - 1).await, Ok(Err(end)));
    assert_eq!(claim(end.0).await, Ok(Ok(())));
}
