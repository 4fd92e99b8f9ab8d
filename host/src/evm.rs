//! The evm capability: reads at the block pinned for the run, so that every keeper can read the same again.

use std::sync::Arc;

use argus_domain::{
    Address, B256, Bytes,
    chain::{Log, LogQuery, Pin},
    ids::ChainId,
};
use argus_ports::{ChainError, ChainReader, chain::At};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    calls::{parse, ready},
    reply::{CallError, ErrorKind, Reply},
    state::{Flight, Run},
    text,
};

/// Blocks that one request for logs may cover.
const LOG_BLOCKS_MAX: u64 = 10_000;
/// Logs that it may give.
const LOGS_MAX: usize = 1_000;
/// Bytes that a call may give back.
const CALL_BYTES_MAX: usize = 256 * 1024;
/// Calldata of a call.
const DATA_BYTES_MAX: usize = 128 * 1024;

#[derive(Deserialize)]
struct Call {
    chain_id: u64,
    to: Address,
    #[serde(default)]
    data: Bytes,
}

#[derive(Deserialize)]
struct OfChain {
    chain_id: u64,
}

#[derive(Deserialize)]
struct OfAccount {
    chain_id: u64,
    address: Address,
}

#[derive(Deserialize)]
struct Logs {
    chain_id: u64,
    #[serde(default)]
    address: Option<Address>,
    /// By position; null matches any.
    #[serde(default)]
    topics: Vec<Option<B256>>,
    #[serde(default)]
    from_block: Option<u64>,
    #[serde(default)]
    to_block: Option<u64>,
}

/// `eth_call`: `{"chain_id", "to", "data"}` to 0x hex.
pub(crate) fn call(run: &Run, request: &str) -> Flight {
    let (request, reader, pin) = match of_chain(run, request, |r: &Call| r.chain_id) {
        Ok(found) => found,
        Err(reply) => return ready(reply),
    };
    if request.data.len() > DATA_BYTES_MAX {
        return ready(Reply::err(ErrorKind::Invalid, format!("calldata has at most {DATA_BYTES_MAX} bytes")));
    }
    Box::pin(async move {
        match reader.call(None, request.to, request.data, At::Hash(pin.hash)).await {
            Ok(bytes) if bytes.len() > CALL_BYTES_MAX => too_much(format!("{CALL_BYTES_MAX} bytes")),
            Ok(bytes) => Reply::ok(json!(bytes)),
            Err(error) => refused(error),
        }
    })
}

/// Height of the pinned block: `{"chain_id"}` to a number.
pub(crate) fn block_number(run: &Run, request: &str) -> Flight {
    ready(match pinned(run, request, |r: &OfChain| r.chain_id) {
        Ok((_, pin)) => Reply::ok(json!(pin.number)),
        Err(reply) => reply,
    })
}

/// Balance in wei: `{"chain_id", "address"}` to a decimal string.
pub(crate) fn balance(run: &Run, request: &str) -> Flight {
    let (request, reader, pin) = match of_chain(run, request, |r: &OfAccount| r.chain_id) {
        Ok(found) => found,
        Err(reply) => return ready(reply),
    };
    Box::pin(async move {
        match reader.balance(request.address, At::Hash(pin.hash)).await {
            Ok(wei) => Reply::ok(json!(wei.to_string())),
            Err(error) => refused(error),
        }
    })
}

/// Logs up to the pinned block: `{"chain_id", "address", "topics", "from_block", "to_block"}` to a list.
pub(crate) fn logs(run: &Run, request: &str) -> Flight {
    let (request, reader, pin) = match of_chain(run, request, |r: &Logs| r.chain_id) {
        Ok(found) => found,
        Err(reply) => return ready(reply),
    };
    let to = request.to_block.unwrap_or(pin.number).min(pin.number);
    let from = request.from_block.unwrap_or(to);
    if from > to || to - from >= LOG_BLOCKS_MAX {
        let message = format!(
            "logs are given for 1 to {LOG_BLOCKS_MAX} blocks up to the pinned block {}, not for {from} to {to}",
            pin.number
        );
        return ready(Reply::err(ErrorKind::Invalid, message));
    }
    let query = LogQuery {
        from,
        to,
        addresses: request.address.into_iter().collect(),
        topic0: request.topics.first().copied().flatten().into_iter().collect(),
    };
    Box::pin(async move {
        match reader.logs(query).await {
            Ok(logs) => {
                let logs: Vec<Value> =
                    logs.iter().filter(|log| matches(log, &request.topics)).map(shown).collect();
                if logs.len() > LOGS_MAX {
                    too_much(format!("{LOGS_MAX} logs"))
                } else {
                    Reply::ok(json!(logs))
                }
            }
            Err(error) => refused(error),
        }
    })
}

fn matches(log: &Log, topics: &[Option<B256>]) -> bool {
    topics.iter().enumerate().all(|(i, want)| want.is_none() || log.topics.get(i) == want.as_ref())
}

/// A log as scripts see it.
pub(crate) fn shown(log: &Log) -> Value {
    json!({
        "address": log.address,
        "topics": log.topics,
        "data": log.data,
        "block_number": log.block_number,
        "block_hash": log.block_hash,
        "transaction_hash": log.transaction,
        "log_index": log.index_in_block,
    })
}

fn pinned<T: serde::de::DeserializeOwned>(
    run: &Run,
    request: &str,
    chain: impl Fn(&T) -> u64,
) -> Result<(T, Pin), Reply> {
    let request: T = parse(request)?;
    let chain = ChainId(chain(&request));
    match run.input.pins.get(&chain) {
        Some(pin) => Ok((request, *pin)),
        None => {
            let message = format!("chain {chain} has no pinned block in this run: name the chain in the job");
            Err(Reply::err(ErrorKind::Denied, message))
        }
    }
}

fn of_chain<T: serde::de::DeserializeOwned>(
    run: &Run,
    request: &str,
    chain: impl Fn(&T) -> u64,
) -> Result<(T, Arc<dyn ChainReader>, Pin), Reply> {
    let (request, pin) = pinned(run, request, &chain)?;
    let chain = ChainId(chain(&request));
    match run.world.chains.get(&chain) {
        Some(reader) => Ok((request, reader.clone(), pin)),
        None => Err(Reply::err(ErrorKind::Transport, format!("no node of chain {chain} is configured here"))),
    }
}

fn too_much(max: String) -> Reply {
    Reply::err(ErrorKind::Limit, format!("the EVM answer limit of {max} is used up: ask for less at a time"))
}

fn refused(error: ChainError) -> Reply {
    let message = text::shown(&error.to_string(), 500);
    match error {
        ChainError::Reverted { data, .. } => {
            let error = CallError { kind: ErrorKind::Reverted, message, data: Some(data) };
            Reply { result: Err(error), hops: 0 }
        }
        _ => Reply::err(ErrorKind::Transport, message),
    }
}
