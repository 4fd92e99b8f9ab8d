//! When the development chain makes its blocks.
//!
//! A block for each transaction at once is what no other chain has, and it breaks clients: ethers keeps the answer to
//! "which nonce is next" for 250 ms, so that whoever sends, sees the receipt and sends again within that time sends the
//! same nonce twice. So a block waits until no transaction has come for a while. An idle chain makes none.

use std::{convert::Infallible, time::Duration};

use serde_json::json;
use tokio::time::{Instant, sleep};

use super::node::Node;

/// Between two looks at the pool.
const LOOK: Duration = Duration::from_millis(50);
/// Where transactions keep coming, a block waits no longer than so many waits.
const WAITS_MAX: u32 = 4;

/// Makes blocks.
pub struct Miner {
    node: Node,
    wait: Duration,
}

/// Transactions that wait for a block.
#[derive(Clone, Copy)]
struct Waiting {
    count: u64,
    first: Instant,
    last: Instant,
}

impl Miner {
    /// From now on the node mines only what this tells it to.
    pub async fn take_over(node: Node, wait: Duration) -> anyhow::Result<Self> {
        node.ask("evm_setAutomine", json!([false])).await?;
        Ok(Self { node, wait })
    }

    /// Mines for as long as it is polled. A node that does not answer is asked again: whoever holds its process sees it
    /// end.
    pub async fn run(self) -> Infallible {
        let mut waiting = None;
        loop {
            sleep(LOOK).await;
            waiting = self.look(waiting).await.unwrap_or_else(|error| {
                tracing::debug!(%error, "no block was made");
                None
            });
        }
    }

    async fn look(&self, before: Option<Waiting>) -> anyhow::Result<Option<Waiting>> {
        let (count, now) = (self.node.pending().await?, Instant::now());
        if count == 0 {
            return Ok(None);
        }
        let Some(before) = before else { return Ok(Some(Waiting { count, first: now, last: now })) };
        let last = if count == before.count { before.last } else { now };
        if now.duration_since(last) < self.wait && now.duration_since(before.first) < self.wait * WAITS_MAX {
            return Ok(Some(Waiting { count, last, ..before }));
        }
        self.node.ask("evm_mine", json!([])).await?;
        Ok(None)
    }
}
