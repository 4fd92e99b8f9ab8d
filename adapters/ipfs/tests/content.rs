//! The block directory, and a gateway that lies.

use std::sync::Arc;

use argus_domain::module::Cid;
use argus_ipfs::{IpfsContent, Places};
use argus_ports::{ContentError, ContentStore, Egress, EgressError, EgressRequest, EgressResponse, Reach};
use async_trait::async_trait;
use bytes::Bytes;

/// Answers every request with the same bytes; absent where there are none.
struct Gateway(Option<&'static [u8]>);

#[async_trait]
impl Egress for Gateway {
    async fn fetch(&self, request: EgressRequest) -> Result<EgressResponse, EgressError> {
        assert!(request.url.ends_with("?format=raw"), "{}", request.url);
        let body = Bytes::from_static(self.0.unwrap_or_default());
        let status = if self.0.is_some() { 200 } else { 404 };
        Ok(EgressResponse { status, headers: Vec::new(), body })
    }

    fn check(&self, _: &str, _: &Reach) -> Result<(), EgressError> {
        Ok(())
    }
}

const HELLO: &str = "bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4";

fn open(root: &std::path::Path, gateway: Gateway) -> IpfsContent {
    let gateways = vec!["https://gateway.example/".into()];
    let egress: Arc<dyn Egress> = Arc::new(gateway);
    IpfsContent::open(&Places { root: root.to_owned(), gateways, ..Places::default() }, &egress)
        .expect("open")
}

#[tokio::test]
async fn bytes_come_back_under_their_name_and_a_rotten_block_does_not() {
    let root = tempfile::tempdir().expect("folder");
    let content = open(root.path(), Gateway(None));
    let cid = content.put(Bytes::from_static(b"hello world\n")).await.expect("put");
    assert_eq!(cid.0, HELLO);
    assert_eq!(content.put(Bytes::from_static(b"hello world\n")).await.expect("again"), cid);
    assert_eq!(content.get(&cid, 100).await.expect("get"), "hello world\n");
    assert_eq!(content.get(&cid, 3).await, Err(ContentError::TooLarge { max: 3 }));
    let path = root.path().join("i4").join(HELLO);
    std::fs::write(path, "hello w0rld\n").expect("rot");
    assert!(matches!(content.get(&cid, 100).await, Err(ContentError::Absent(_))));
    content.put(Bytes::from_static(b"hello world\n")).await.expect("mend");
    assert_eq!(content.get(&cid, 100).await.expect("mended"), "hello world\n");
}

#[tokio::test]
async fn a_gateway_is_checked() {
    let root = tempfile::tempdir().expect("folder");
    let cid = Cid(HELLO.into());
    let lying = open(root.path(), Gateway(Some(b"hello w0rld\n")));
    assert_eq!(lying.get(&cid, 100).await, Err(ContentError::Mismatch(cid.clone())));
    let honest = open(root.path(), Gateway(Some(b"hello world\n")));
    assert_eq!(honest.get(&cid, 100).await.expect("get"), "hello world\n");
    // It is here now, whatever becomes of the gateway.
    assert_eq!(open(root.path(), Gateway(None)).get(&cid, 100).await.expect("kept"), "hello world\n");
}
