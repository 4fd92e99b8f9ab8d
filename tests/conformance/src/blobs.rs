//! The contracts of [`ContentStore`] and [`Archive`].

use argus_domain::{B256, module::Cid, state::State};
use argus_ports::{Archive, ContentError, ContentStore};
use bytes::Bytes;

use crate::samples::state;

/// `hello\n` as `ipfs add --raw-leaves --cid-version=1` names it.
pub const HELLO_CID: &str = "bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am";

/// Public content.
pub async fn content<S: ContentStore>(fresh: impl Fn() -> S) {
    let store = &fresh() as &dyn ContentStore;
    let hello = Bytes::from_static(b"hello\n");
    let cid = Cid(HELLO_CID.to_owned());
    assert_eq!(store.get(&cid, 100).await, Err(ContentError::Absent(cid.clone())));
    for _ in 0..2 {
        assert_eq!(store.put(hello.clone()).await, Ok(cid.clone()), "CIDv1, raw, sha2-256");
    }
    assert_eq!(store.get(&cid, 6).await, Ok(hello));
    assert_eq!(store.get(&cid, 5).await, Err(ContentError::TooLarge { max: 5 }));
    let upper = format!("B{}", HELLO_CID[1..].to_uppercase());
    assert_eq!(store.parse(&upper), Ok(cid), "the canonical form is base32 in lower case");
    let v0 = store.parse("QmZULkCELmmk5XNfCgTnCyFgAVxBRBXyDHGGMVoLFLiXEN").expect("a CIDv0");
    assert!(v0.0.starts_with("bafybei"), "{v0}");
    let junk = ["", "hello", "Qm", "bafk", "../../etc/passwd", "https://example.org/x"];
    // The last is a CIDv1 with blake2b-256, which nobody here can check.
    for text in junk.into_iter().chain(["bafk2bzacea6mtmukmqcb2kwtjn2yvxhdt5vmdddwmkgzaoihoyesnfjvqqmjk"]) {
        assert!(matches!(store.parse(text), Err(ContentError::BadCid(_))), "{text}");
    }
    let empty = store.put(Bytes::new()).await.expect("put");
    assert_eq!(store.get(&empty, 0).await, Ok(Bytes::new()));
    let other = store.put(Bytes::from(vec![7; 100_000])).await.expect("put");
    assert_eq!(store.get(&other, 100_000).await.expect("get").len(), 100_000);
}

/// Private blobs.
pub async fn archive<S: Archive>(fresh: impl Fn() -> S) {
    let store = &fresh() as &dyn Archive;
    let name = B256::repeat_byte(1);
    assert_eq!(store.get(name).await, Ok(None), "absent is none");
    store.put(name, Bytes::from_static(b"first")).await.expect("put");
    store.put(name, Bytes::from_static(b"second")).await.expect("put");
    assert_eq!(store.get(name).await, Ok(Some(Bytes::from_static(b"first"))), "the first bytes stay");
    store.put(B256::ZERO, Bytes::new()).await.expect("put");
    assert_eq!(store.get(B256::ZERO).await, Ok(Some(Bytes::new())));

    let (empty, kept) = (State::default(), state());
    assert_eq!(store.state(empty.root()).await, Ok(empty), "always there");
    let absent = store.state(kept.root()).await;
    assert!(matches!(absent, Err(ContentError::Lost(why)) if why.contains("does not have")));
    store.put_state(&kept).await.expect("put");
    assert_eq!(store.state(kept.root()).await, Ok((*kept).clone()));
    // A copy that has other entries under this name is found out.
    let name = B256::repeat_byte(2);
    store.put(name, Bytes::from_static(br#"{"a":"0x01"}"#)).await.expect("put");
    let wrong = store.state(name).await;
    assert!(matches!(wrong, Err(ContentError::Lost(why)) if why.contains("something else")));
}
