//! What a script remembers: a small map that the run was given, changed in place and handed back at its end.
//!
//! The answers follow from the run's input, live and in a replay alike; a transcript that says otherwise was not made
//! by this script on this state. What a run writes it reads back; whether anything comes of it is its job's business.

use std::sync::Arc;

use argus_domain::{
    Bytes,
    state::{NOT_GRANTED, State, StateError},
};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    calls::{Op, parse},
    reply::{ErrorKind, Reply},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    key: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    key: String,
    value: Bytes,
}

/// Carries a storage call out on the run's state.
pub(crate) fn answer(state: &mut Option<Arc<State>>, op: Op, request: &str) -> Reply {
    let Some(state) = state else { return Reply::err(ErrorKind::Denied, NOT_GRANTED) };
    carry_out(state, op, request).unwrap_or_else(|refusal| refusal)
}

fn carry_out(state: &mut Arc<State>, op: Op, request: &str) -> Result<Reply, Reply> {
    let value = match op {
        Op::StorageSet => {
            let Entry { key, value } = parse(request)?;
            Arc::make_mut(state).set(&key, value).map_err(refusal)?;
            Value::Null
        }
        Op::StorageDelete => {
            let Key { key } = parse(request)?;
            Arc::make_mut(state).delete(&key);
            Value::Null
        }
        Op::StorageGet => {
            let Key { key } = parse(request)?;
            state.get(&key).map_or(Value::Null, |value| Value::String(value.to_string()))
        }
        Op::HttpFetch
        | Op::EvmCall
        | Op::EvmBlockNumber
        | Op::EvmBalance
        | Op::EvmLogs
        | Op::EnvSecret
        | Op::EnvHmac => {
            return Err(Reply::err(ErrorKind::Invalid, "no storage call"));
        }
    };
    Ok(Reply::ok(value))
}

fn refusal(fault: StateError) -> Reply {
    let kind = match fault {
        StateError::Key => ErrorKind::Invalid,
        StateError::Full => ErrorKind::Limit,
    };
    Reply::err(kind, fault.to_string())
}
