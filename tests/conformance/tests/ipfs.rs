//! The suite on the block directory.

use std::{cell::Cell, sync::Arc};

use argus_conformance::blobs;
use argus_ipfs::IpfsContent;
use argus_ports::{Egress, EgressError, EgressRequest, EgressResponse, Reach};
use async_trait::async_trait;

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

#[tokio::test]
async fn content() {
    let (dir, made) = (tempfile::tempdir().expect("a folder"), Cell::new(0));
    blobs::content(|| {
        made.set(made.get() + 1);
        let root = dir.path().join(made.get().to_string());
        IpfsContent::open(&root, vec![], Arc::new(Nowhere), vec![]).expect("the store opens")
    })
    .await;
}
