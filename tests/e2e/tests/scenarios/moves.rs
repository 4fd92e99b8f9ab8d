//! A platform whose operator moves it to another kind of store, and back.

use std::{path::Path, time::Duration};

use argus_conformance::{cassandra::Cassandra, records};
use argus_domain::{B256, lease::ServiceKind};
use argus_e2e::{
    Start, Topology,
    command::{Output, argus, started},
    jobs,
    story::{Interval, now, stretch},
};
use argus_ports::{Archive, CopyStage, LeaseStore, RecordKind, RecordStore};
use argus_sqlite::{Options, SqliteStore};

use crate::{
    alone,
    cluster::{blocking, pauses},
    on,
    rooms::listen,
};

/// How often the job comes due, in seconds, and a time frame that outlasts it all.
const EVERY: u64 = 2;
const LONGER: u64 = 3600;
/// Changes that are heard in each of its lives.
const HEARD: usize = 5;

#[test]
fn a_platform_moves_to_a_cluster_and_back_and_does_nothing_twice() {
    on(&[Topology::OneProcess], moves);
}

async fn moves(topology: Topology) {
    let Some(cluster) = blocking(Cassandra::start_durable).await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path();
    let start = Start::on(place, topology);
    let settings = ["store.kind = \"scylla\"".to_owned(), format!("store.nodes = [{:?}]", cluster.address)];
    let settings =
        [&settings[..], &["store.copies = 1".to_owned(), "store.deadline_ms = 10000".to_owned()]].concat();
    let on_cluster = settings.iter().fold(start.clone(), |start, setting| start.set(setting));
    let there = format!("scylla:{}/argus", cluster.address);

    let platform = start.run().await;
    let job = platform.create(&jobs::interval(&platform, "moved", 3, EVERY, LONGER)).await;
    let mut heard = Vec::new();
    listen(&platform, &job, &mut heard, HEARD).await;
    let copy = ["copy", "--from", "sqlite:argus.db", "--to", &there];
    let early = store(place, &copy).await;
    assert!(early.code == 1 && early.err.contains("is open in another process"), "{early:?}");

    let mut down = Vec::new();
    let died = now();
    platform.stop().await;
    let early = store(place, &copy).await;
    assert!(early.code == 1 && early.err.contains("run `argus migrate up`"), "{early:?}");
    let sets = settings.iter().flat_map(|setting| ["--set", setting.as_str()]);
    let up = ["migrate", "up", "--json"].into_iter().chain(sets).collect::<Vec<_>>();
    let up = argus(place, &[], &up).await;
    assert_eq!(up.code, 0, "{up:?}");
    copied(place, "sqlite:argus.db", &there).await;
    std::fs::rename(place.join("argus.db"), place.join("old.db")).expect("moved away");
    let platform = on_cluster.run().await;
    down.push(stretch(died, now()));
    listen(&platform, &job, &mut heard, 2 * HEARD).await;
    let early = store(place, &["copy", "--from", &there, "--to", "sqlite:argus.db"]).await;
    assert!(early.code == 1 && early.err.contains("is used by a running"), "{early:?}");
    std::fs::remove_file(place.join("argus.db")).expect("it had been made");

    let died = now();
    platform.stop().await;
    copied(place, &there, "sqlite:argus.db").await;
    let platform = start.run().await;
    down.push(stretch(died, now()));
    listen(&platform, &job, &mut heard, 3 * HEARD).await;
    let numbers: Vec<_> = heard.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(numbers, Vec::from_iter(1..=heard.len() as u64), "without a gap: {heard:?}");
    let occurrences = pauses(&platform, &job).await;
    let interval = Interval { job, key: "moved".to_owned(), value: 3, every: EVERY, occurrences };
    interval.judge(&platform, &down, 60).await;
    platform.stop().await;
    drop(cluster);
}

async fn store(place: &Path, args: &[&str]) -> Output {
    argus(place, &[], &[&["store"], args].concat()).await
}

/// Copies, and compares once more.
async fn copied(place: &Path, from: &str, to: &str) {
    let done = store(place, &["copy", "--json", "--from", from, "--to", to]).await;
    assert!(done.code == 0 && done.json()["same"] == true && done.json()["resumed"] == false, "{done:?}");
    let again = store(place, &["copy", "--from", from, "--to", to]).await;
    assert!(again.code == 1 && again.err.contains("holds the whole copy already"), "{again:?}");
    let same = store(place, &["verify", "--json", "--from", from, "--to", to]).await;
    assert_eq!((same.code, &same.json()["kinds"]), (0, &done.json()["kinds"]), "{same:?}");
}

/// Blobs of a megabyte each, of which a page has a few.
const BLOBS: u8 = 60;

#[test]
fn a_copy_that_is_killed_goes_on_where_it_was() {
    alone(killed());
}

async fn killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path();
    let open = |name: &str| {
        let options = Options { half_copied: true, ..Options::default() };
        SqliteStore::open(&place.join(name), &options).expect("a store")
    };
    let source = open("a.db");
    records::fill(&source).await;
    for kind in ServiceKind::ALL {
        for member in source.look(kind).await.expect("look").members {
            source.end(kind, member.session, None).await.expect("ended");
        }
    }
    for n in 0..BLOBS {
        Archive::put(&source, B256::with_last_byte(n), vec![n; 1 << 20].into()).await.expect("put");
    }
    drop(source);
    let words = ["store", "copy", "--json", "--from", "sqlite:a.db", "--to", "sqlite:b.db"];
    let mut process = started(place, &words);
    let length = |name: &str| std::fs::metadata(place.join(name)).map_or(0, |file| file.len());
    // Some pages of blobs are there.
    while length("b.db") + length("b.db-wal") < 16 << 20 {
        assert!(process.try_wait().expect("a process").is_none(), "it ended by itself");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    process.kill().await.expect("killed");
    let mark = open("b.db").copy_mark().await.expect("read").expect("it had begun");
    assert!(matches!(mark.stage, CopyStage::Writing(RecordKind::Blob, Some(_))), "in the middle: {mark:?}");
    let refused = argus(
        place,
        &[],
        &[
            "api-key",
            "create",
            "--role",
            "admin",
            "--set",
            "data_dir = \".\"",
            "--set",
            "store.path = \"b.db\"",
        ],
    )
    .await;
    assert!(refused.code == 1 && refused.err.contains("half a copy"), "nothing runs on it: {refused:?}");

    let done = argus(place, &[], &words).await;
    assert_eq!(
        (done.code, &done.json()["resumed"], &done.json()["same"]),
        (0, &true.into(), &true.into()),
        "{done:?}"
    );
    let kinds = done.json()["kinds"].as_array().cloned().expect("kinds");
    let blobs = kinds.iter().find(|kind| kind["kind"] == "blob").expect("blobs");
    assert_eq!(blobs["records"], u64::from(BLOBS) + 3, "{done:?}");
    Archive::put(&open("b.db"), B256::repeat_byte(0xee), vec![1].into()).await.expect("put");
    let words = ["store", "verify", "--json", "--from", "sqlite:a.db", "--to", "sqlite:b.db"];
    let differ = argus(place, &[], &words).await;
    assert_eq!((differ.code, &differ.json()["same"]), (1, &false.into()), "{differ:?}");
    let found = &differ.json()["difference"];
    assert_eq!((&found["kind"], &found["how"]), (&"blob".into(), &"added".into()), "{differ:?}");
    assert!(found["key"].as_str().is_some_and(|key| key.contains("0xeeee")), "{differ:?}");
}
