//! The suite on the block directory, alone and before a real IPFS node.

use std::{cell::Cell, path::Path, sync::Arc};

use argus_conformance::{blobs, kubo::Kubo};
use argus_domain::module::Cid;
use argus_ipfs::{IpfsContent, Places};
use argus_ports::{ContentError, ContentStore, Egress, EgressError, EgressRequest, EgressResponse, Reach};
use async_trait::async_trait;
use bytes::Bytes;

/// No way out: without gateways nothing is asked for.
struct Nowhere;

#[async_trait]
impl Egress for Nowhere {
    async fn fetch(&self, request: EgressRequest) -> Result<EgressResponse, EgressError> {
        panic!("{} was asked for", request.url);
    }

    fn check(&self, _: &str, _: &Reach) -> Result<(), EgressError> {
        Ok(())
    }
}

fn open(root: &Path, node: Option<&str>) -> IpfsContent {
    let places = Places { root: root.to_owned(), node: node.map(str::to_owned), ..Places::default() };
    let egress: Arc<dyn Egress> = Arc::new(Nowhere);
    IpfsContent::open(&places, &egress).expect("the store opens")
}

#[tokio::test]
async fn content() {
    let (dir, made) = (tempfile::tempdir().expect("a folder"), Cell::new(0));
    blobs::content(|| {
        made.set(made.get() + 1);
        open(&dir.path().join(made.get().to_string()), None)
    })
    .await;
}

#[tokio::test]
async fn content_on_a_node() {
    let Some(node) = Kubo::start() else { return };
    let (dir, made) = (tempfile::tempdir().expect("a folder"), Cell::new(0));
    blobs::content(|| {
        made.set(made.get() + 1);
        open(&dir.path().join(made.get().to_string()), Some(&node.url))
    })
    .await;
}

/// Bytes that do not repeat from block to block.
fn bytes(len: usize) -> Bytes {
    (0..len).map(|i| (i ^ (i >> 8) ^ (i >> 16)) as u8).collect()
}

/// One block, one more byte than that, several, and more than one node can have as its parts.
const SIZES: [usize; 6] = [0, 1, 262_144, 262_145, 4 << 20, 175 * 262_144 + 5];

#[tokio::test]
async fn what_is_published_has_the_name_that_the_node_gives_and_is_pinned() {
    let Some(node) = Kubo::start() else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let store = open(&dir.path().join("one"), Some(&node.url));
    let file = dir.path().join("file");
    for size in SIZES {
        let content = bytes(size);
        let cid = store.put(content.clone()).await.expect("it is published");
        std::fs::write(&file, &content).expect("a file");
        let named =
            node.says(&["add", "--quieter", "--only-hash", "--cid-version=1", &file.to_string_lossy()]);
        assert_eq!(cid.0, named, "{size} bytes");
        let pinned = node.says(&["pin", "ls", "--quiet", "--type=recursive"]);
        assert!(pinned.lines().any(|pin| pin == cid.0), "{size} bytes are pinned");
        argus_ipfs::check(&cid, &content).expect("its own content");
        assert!(argus_ipfs::check(&cid, &bytes(size + 1)).is_err());
        // Somebody who has nothing yet.
        let other = open(&dir.path().join(format!("other-{size}")), Some(&node.url));
        assert_eq!(other.get(&cid, size as u64).await.as_ref(), Ok(&content), "{size} bytes");
    }
}

#[tokio::test]
async fn files_and_folders_of_others_are_read_in_every_form() {
    let Some(node) = Kubo::start() else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let folder = dir.path().join("scripts/prices");
    std::fs::create_dir_all(&folder).expect("a folder");
    let (small, large) = (bytes(1_000), bytes(700_000));
    std::fs::write(folder.join("eth.ts"), &small).expect("a file");
    std::fs::write(folder.join("large.wasm"), &large).expect("a file");
    let store = open(&dir.path().join("blocks"), Some(&node.url));
    for options in [
        vec![],
        vec!["--cid-version=1"],
        vec!["--raw-leaves"],
        vec!["--trickle"],
        vec!["--chunker=size-1000"],
    ] {
        let root = dir.path().join("scripts");
        let root = root.to_string_lossy();
        let add = [vec!["add", "--recursive", "--quieter"], options, vec![&*root]].concat();
        let cid = node.says(&add);
        for (path, content) in [("prices/eth.ts", &small), ("prices//large.wasm/", &large)] {
            let found = store.resolve(&format!("{cid}/{path}")).await.expect("the file");
            assert_eq!(store.get(&found, 1 << 20).await.as_ref(), Ok(content), "{add:?} {path}");
        }
        let absent = store.resolve(&format!("{cid}/prices/btc.ts")).await;
        assert!(matches!(absent, Err(ContentError::Absent(_))), "{absent:?}");
        let into_a_file = store.resolve(&format!("{cid}/prices/eth.ts/more")).await;
        assert!(
            matches!(into_a_file, Err(ContentError::Absent(_) | ContentError::BadCid(_))),
            "{into_a_file:?}"
        );
        let folder = store.parse(&cid).expect("a CID");
        let refused = store.get(&folder, 1 << 20).await;
        assert!(matches!(refused, Err(ContentError::BadCid(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn what_was_published_outlives_the_node() {
    let Some(mut node) = Kubo::start() else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let store = open(&dir.path().join("blocks"), Some(&node.url));
    let content = bytes(600_000);
    let cid = store.put(content.clone()).await.expect("it is published");
    let huge = store.get(&cid, 599_999).await;
    assert_eq!(huge, Err(ContentError::TooLarge { max: 599_999 }));
    let nowhere = Cid(blobs::HELLO_CID.to_owned());
    assert_eq!(store.get(&nowhere, 10).await, Err(ContentError::Absent(nowhere.clone())), "nobody has it");
    node.kill();
    assert_eq!(store.get(&cid, 1 << 20).await, Ok(content));
    let unreachable = store.get(&nowhere, 10).await;
    assert!(
        matches!(&unreachable, Err(ContentError::Unavailable(why)) if why.contains(&node.url)),
        "{unreachable:?}"
    );
    let unpublished = store.put(bytes(10)).await;
    assert!(
        matches!(&unpublished, Err(ContentError::Unavailable(why)) if why.contains("the IPFS node")),
        "{unpublished:?}"
    );
}
