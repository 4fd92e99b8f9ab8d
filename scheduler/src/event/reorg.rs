//! What a poller does when the chain is not the one that it has read.

use argus_domain::{B256, chain::Block};
use argus_ports::chain::At;
use tracing::warn;

use super::{HEADS_MAX, PollError, Poller};

impl Poller {
    /// Compares the chain with the heads remembered. Where it has changed, all jobs are set back to the last block
    /// that is still there, and the dispatcher hears of tasks whose log is gone.
    pub(super) async fn check_reorg(&mut self, head: Block) -> Result<(), PollError> {
        let mut changed = false;
        while let Some((number, hash)) = self.heads.back().copied() {
            let there = if number == head.number {
                Some(head)
            } else {
                self.ask(self.reader.block(At::Number(number))).await?
            };
            if there.is_some_and(|block| block.hash == hash) {
                break;
            }
            changed = true;
            self.heads.pop_back();
            if self.heads.is_empty() {
                // Deeper than is remembered: one more range is read again.
                self.heads.push_back((number.saturating_sub(self.shell.config.look_back), B256::ZERO));
                break;
            }
        }
        if changed {
            let common = self.heads.back().map_or(0, |(number, _)| *number);
            if self.heads.back().is_some_and(|(_, hash)| hash.is_zero()) {
                self.heads.clear();
            }
            warn!(chain = %self.reader.chain(), head = head.number, common, "the chain was reorganised");
            self.shell.metrics.reorgs.add(1);
            for watch in self.watches.values_mut() {
                watch.seen = watch.seen.min(common);
            }
            self.tell_vanished(common).await?;
        }
        // A development chain that lost its blocks, or a node that lags: what comes at these heights is read again.
        for watch in self.watches.values_mut() {
            watch.seen = watch.seen.min(head.number);
        }
        if self.heads.back().is_none_or(|(number, _)| *number < head.number) {
            self.heads.push_back((head.number, head.hash));
            if self.heads.len() > HEADS_MAX {
                self.heads.pop_front();
            }
        }
        Ok(())
    }

    async fn tell_vanished(&mut self, common: u64) -> Result<(), PollError> {
        let mut vanished = Vec::new();
        for opening in self.openings.iter().filter(|o| o.block > common) {
            if self.ask(self.reader.receipt(opening.transaction)).await?.is_none() {
                vanished.push(opening.task);
            }
        }
        if !vanished.is_empty() {
            let told = self.shell.ports.dispatch.touched(&vanished);
            if !matches!(tokio::time::timeout(self.shell.config.call_timeout, told).await, Ok(Ok(()))) {
                warn!(tasks = vanished.len(), "the dispatcher was not told of logs that are gone");
            }
        }
        Ok(())
    }
}
