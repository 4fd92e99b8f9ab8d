//! The operator's own IPFS node, by the RPC that Kubo speaks (<https://docs.ipfs.tech/reference/kubo/rpc/>). It is
//! the operator's host and not other people's, so it is reached directly.

use std::{io::Cursor, time::Duration};

use argus_ports::ContentError;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use ipfs_api_backend_hyper::{
    BackendWithGlobalOptions, Error, GlobalOptions, IpfsApi, IpfsClient, TryFromUri, request::Add,
};

use crate::{name::Name, sources::Answer, unixfs::LEAF_BYTES};

/// The node looks for a block this long, and takes this long to keep content; then we wait no longer either.
const WITHIN: Duration = Duration::from_secs(10);
/// What an answer may take besides.
const GRACE: Duration = Duration::from_secs(2);
/// Tries to publish, and the pause before the second; it doubles.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(250);

/// A node.
pub(crate) struct Node {
    url: String,
    client: BackendWithGlobalOptions<IpfsClient>,
}

impl Node {
    /// By the URL of its RPC, like `http://127.0.0.1:5001`.
    ///
    /// # Errors
    /// [`ContentError::Unavailable`] where that is no http URL.
    pub(crate) fn new(url: &str) -> Result<Self, ContentError> {
        let bad =
            || ContentError::Unavailable(format!("{url:?} is no IPFS node: give the http URL of its RPC"));
        if !url.starts_with("http://") {
            return Err(bad());
        }
        let client = IpfsClient::from_str(url).map_err(|_| bad())?;
        let options = GlobalOptions { offline: None, timeout: Some(WITHIN) };
        Ok(Self { url: url.to_owned(), client: BackendWithGlobalOptions::new(client, options) })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Adds and pins content, under the name that we give it too.
    ///
    /// # Errors
    /// [`ContentError::Unavailable`] where the node does not take it, [`ContentError::Mismatch`] where it gives it
    /// another name.
    pub(crate) async fn publish(&self, content: &Bytes, name: &Name) -> Result<(), ContentError> {
        let mut pause = PAUSE;
        for _ in 1..TRIES {
            match self.add(content, name).await {
                Err(ContentError::Unavailable(reason)) => {
                    tracing::warn!(
                        node = self.url,
                        reason,
                        "the IPFS node did not take content; trying again"
                    );
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                other => return other,
            }
        }
        self.add(content, name).await
    }

    async fn add(&self, content: &Bytes, name: &Name) -> Result<(), ContentError> {
        let chunker = format!("size-{LEAF_BYTES}");
        let options = Add {
            chunker: Some(&chunker),
            cid_version: Some(1),
            raw_leaves: Some(true),
            pin: Some(true),
            ..Add::default()
        };
        let sent = self.client.add_with_options(Cursor::new(content.clone()), options);
        match tokio::time::timeout(WITHIN + GRACE, sent).await {
            Ok(Ok(added)) if Name::parse(&added.hash).as_ref() == Ok(name) => Ok(()),
            Ok(Ok(_)) => Err(ContentError::Mismatch(name.cid())),
            Ok(Err(error)) => Err(ContentError::Unavailable(format!("the IPFS node {}: {error}", self.url))),
            Err(_) => Err(ContentError::Unavailable(format!("the IPFS node {} does not answer", self.url))),
        }
    }

    /// A block as the node gives it; the caller checks it.
    pub(crate) async fn block(&self, name: &Name, max: u64) -> Answer {
        match tokio::time::timeout(WITHIN + GRACE, self.read(name, max)).await {
            Ok(answer) => answer,
            Err(_) => Answer::Fault(format!("{}: no answer", self.url)),
        }
    }

    async fn read(&self, name: &Name, max: u64) -> Answer {
        let mut stream = self.client.block_get(&name.cid().0);
        let mut block = BytesMut::new();
        while let Some(chunk) = stream.next().await {
            match chunk {
                Ok(chunk) if (block.len() + chunk.len()) as u64 > max => return Answer::TooLarge,
                Ok(chunk) => block.extend_from_slice(&chunk),
                // It answers, and does not have the block, nor anybody it knows.
                Err(Error::Api(_)) => return Answer::Absent,
                Err(error) => return Answer::Fault(format!("{}: {error}", self.url)),
            }
        }
        Answer::Block(block.freeze())
    }
}
