//! What of a receipt holds: that the chain's block of this hash has the agreed call, and what came of it.

use super::{Account, Finding, Tools};
use crate::{
    chain::Included,
    contracts::{decode_task_executed, is_execute},
    job::Mode,
    task::{Agreed, Receipt},
};

pub(super) fn receipt(account: &Account, tools: &Tools<'_>) -> Finding {
    let Some(receipt) = account.record.state().receipt else {
        return Finding::Open("the platform knows of no receipt".to_owned());
    };
    let Receipt { transaction, chain, block_number, block_hash, keeper, .. } = &receipt;
    let came_to = if receipt.success { "made the call" } else { "made the call, which failed" };
    let Some(inclusion) = &account.inclusion else {
        return Finding::Told(format!(
            "transaction {transaction} on chain {chain} {came_to}: a node of that chain can tell"
        ));
    };
    let fault = match (tools.included)(inclusion) {
        Ok(included) => fault(account, &receipt, &included),
        Err(why) => Some(why),
    };
    let words = format!(
        "transaction {transaction}, the agreed call signed by keeper {keeper}, {came_to} in block {block_number} with \
         the hash {block_hash}: whether that block is on chain {chain}, a node of it can tell"
    );
    fault.map_or(Finding::Holds(words), Finding::Fails)
}

/// In what the receipt is not what the block shows.
fn fault(account: &Account, receipt: &Receipt, shown: &Included) -> Option<String> {
    let block = &shown.block;
    if block.hash != receipt.block_hash {
        return Some(format!(
            "its block header has the hash {}, the receipt names block {}",
            block.hash, receipt.block_hash
        ));
    }
    if (block.number, block.time) != (receipt.block_number, receipt.block_time) {
        return Some("its block has another number or time than the receipt names".to_owned());
    }
    if shown.transaction != receipt.transaction {
        return Some(format!("transaction {} is shown, not the one that it names", shown.transaction));
    }
    if shown.chain != Some(receipt.chain) {
        return Some("its transaction was signed for another chain".to_owned());
    }
    if shown.signer != receipt.keeper.0 {
        return Some(format!(
            "its transaction is signed by {}, not by the keeper that it names",
            shown.signer
        ));
    }
    let state = account.record.state();
    let Some(agreed) = state.agreed() else { return Some("no call was agreed".to_owned()) };
    match account.attempt(agreed.attempt).map(|attempt| attempt.mode) {
        Some(Mode::Quorum { .. }) => by_executor(account, agreed, receipt, shown),
        Some(Mode::Solo) => directly(agreed, receipt, shown),
        None => Some("the attempt that agreed on its call is not there".to_owned()),
    }
}

fn by_executor(account: &Account, agreed: &Agreed, receipt: &Receipt, shown: &Included) -> Option<String> {
    let Some(domain) = account.domain else { return Some("through which executor is not known".to_owned()) };
    let claim = agreed.claim(&account.job, account.record.task.id);
    if shown.to != Some(domain.executor) || !is_execute(&shown.data, &claim, &agreed.call.calldata) {
        return Some("its transaction is not the agreed call".to_owned());
    }
    if !shown.success {
        return Some("its transaction failed, so that no call was made".to_owned());
    }
    let mut own = shown.logs.iter().filter(|log| log.address == domain.executor);
    let Some(executed) = own.find_map(|log| decode_task_executed(log.topics(), &log.data.data)) else {
        return Some("its transaction logged no call of the executor".to_owned());
    };
    let said =
        (receipt.task, account.job.id, receipt.keeper, receipt.success, receipt.gas_used, receipt.charged);
    let logged =
        (executed.task, executed.job, executed.keeper, executed.success, executed.gas_used, executed.charged);
    (said != logged).then(|| {
        format!(
            "the executor logged that keeper {} made the call of task {}, which {}, for {} gas and {} wei: not what the \
             receipt says",
            executed.keeper,
            executed.task,
            if executed.success { "ran through" } else { "failed" },
            executed.gas_used,
            executed.charged
        )
    })
}

/// A call that a keeper made by itself. How much gas it used by itself, a block's receipts do not say.
fn directly(agreed: &Agreed, receipt: &Receipt, shown: &Included) -> Option<String> {
    let call = &agreed.call;
    if (shown.to, shown.value, &shown.data) != (Some(call.target), call.value, &call.calldata) {
        return Some("its transaction is not the agreed call".to_owned());
    }
    if shown.success != receipt.success {
        let is = if shown.success { "ran through" } else { "failed" };
        return Some(format!("its transaction {is}: not what the receipt says"));
    }
    (!receipt.charged.is_zero()).then(|| "nobody is charged for a call without an executor".to_owned())
}
