//! Copies of keyspaces, and into keyspaces.

use std::sync::Arc;

use argus_conformance::records;
use argus_ports::{LeaseStore, RecordStore};
use argus_scylla::{Options, migrate};
use argus_sqlite::SqliteStore;
use argus_transfer::{Compared, Side};
use scylla::client::session_builder::SessionBuilder;

use super::{on_a_node, open};

/// A keyspace that was filled is copied into a file, that file into a keyspace, and that again into a file.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_copied_to_a_file_and_back() {
    on_a_node(|keyspace| async move {
        let dir = tempfile::tempdir().expect("a folder");
        let file = |name: &str| {
            SqliteStore::open(&dir.path().join(name), &argus_sqlite::Options::default())
                .expect("the file opens")
        };
        let (one, other) = (file("one.db"), file("other.db"));
        let store = keyspace.store().await;
        records::fill(&store).await;
        let all = records::exported(&store, 1000).await;
        let there = copied(side(&store, "keyspace"), side(&one, "one")).await;
        records::assert_same(&records::exported(&one, 1000).await, &all, "in a file");
        drop(store);
        let store = keyspace.store().await;
        let back = copied(side(&one, "one"), side(&store, "keyspace")).await;
        records::assert_same(&records::exported(&store, 1000).await, &all, "in a keyspace again");
        let again = copied(side(&store, "keyspace"), side(&other, "other")).await;
        assert!(there == back && back == again, "{there:?} {back:?} {again:?}");
        records::goes_on(&store).await;
        records::goes_on(&other).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keyspace_is_read_and_written_as_records() {
    on_a_node(|keyspace| async move {
        let other = Options { keyspace: format!("{}_to", keyspace.name), ..keyspace.options() };
        migrate::up(&other).await.expect("the keyspace is made");
        let target = open(&Options { half_copied: true, ..other.clone() }).await;
        records::suite(keyspace.store().await, target).await;
        let session =
            SessionBuilder::new().known_node(&keyspace.node.address).build().await.expect("a session");
        session.query_unpaged(format!("DROP KEYSPACE {}", other.keyspace), ()).await.expect("dropped");
    })
    .await;
}

fn side<S: RecordStore + LeaseStore + Clone + 'static>(store: &S, name: &str) -> Side {
    Side { records: Arc::new(store.clone()), leases: Arc::new(store.clone()), name: name.to_owned() }
}

async fn copied(from: Side, to: Side) -> Vec<Compared> {
    let fresh = [from.name.clone(), to.name.clone()];
    let options = argus_transfer::Options { page: 7, now: records::AT, fresh };
    argus_transfer::copy(&from, &to, &options, &mut |_| {}).await.expect("copied").compared
}
