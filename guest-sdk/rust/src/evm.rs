//! Chain reads at the block that is pinned for the run: every keeper reads the same.

use serde_json::{Value, json};

use crate::{
    Address, Result, U256,
    abi::{self, Token},
    from_hex, guest, to_hex,
};

/// `eth_call`.
pub fn call(chain_id: u64, to: Address, data: &[u8]) -> Result<Vec<u8>> {
    let reply = guest::evm_call(json!({ "chain_id": chain_id, "to": to.to_string(), "data": to_hex(data) }))?;
    Ok(from_hex(reply.as_str().unwrap_or_default())?)
}

/// Calls a function and decodes what it returns: `read(1, token, "balanceOf(address)(uint256)", &[who.into()])`.
pub fn read(chain_id: u64, to: Address, function: &str, arguments: &[Token]) -> Result<Vec<Token>> {
    let (signature, returns) = abi::split(function)?;
    let data = abi::encode_call(signature, arguments)?;
    Ok(abi::decode(returns, &call(chain_id, to, &data)?)?)
}

/// Height of the pinned block.
pub fn block_number(chain_id: u64) -> Result<u64> {
    let reply = guest::evm_block_number(json!({ "chain_id": chain_id }))?;
    Ok(reply.as_u64().unwrap_or_default())
}

/// Balance in wei.
pub fn balance(chain_id: u64, address: Address) -> Result<U256> {
    let reply = guest::evm_balance(json!({ "chain_id": chain_id, "address": address.to_string() }))?;
    Ok(reply.as_str().unwrap_or_default().parse()?)
}

/// Logs of a contract in the blocks `from..=to`, at most 10,000 of these and 1,000 logs: each an object with
/// `address`, `topics`, `data`, `block_number`, `block_hash`, `transaction_hash`, `log_index`. A topic of `None` matches
/// any.
pub fn logs(
    chain_id: u64,
    address: Address,
    topics: &[Option<&str>],
    from: u64,
    to: u64,
) -> Result<Vec<Value>> {
    let reply = guest::evm_logs(json!({
        "chain_id": chain_id, "address": address.to_string(), "topics": topics, "from_block": from, "to_block": to,
    }))?;
    Ok(reply.as_array().cloned().unwrap_or_default())
}
