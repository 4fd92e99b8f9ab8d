//! What a node's refusal means. Nodes agree on codes for little, so their texts are read. Those of geth and anvil were
//! met in practice; those of erigon, nethermind and besu were not tried against the programs themselves.

use alloy::{
    primitives::{Bytes, hex},
    transports::{RpcError, TransportError, TransportErrorKind},
};
use argus_ports::ChainError;

use crate::contracts::revert_reason;

/// What one node made of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It gave no answer that can be read: another may.
    NoAnswer(String),
    /// It is asked too much, or is in trouble: another, or later.
    Busy(String),
    /// It lacks the state or the method: another may have it.
    NotHere(String),
    /// It does not know the block.
    NoBlock,
    /// It wants a smaller range of blocks, or fewer logs.
    TooMuch(String),
    /// Every node would say the same.
    Final(ChainError),
}

/// Reads a failed request.
pub(crate) fn fault_of(error: &TransportError) -> Fault {
    match error {
        RpcError::ErrorResp(payload) => {
            let data = payload.data.as_ref().and_then(|raw| revert_data(raw.get()));
            classify(payload.code, &payload.message, data)
        }
        RpcError::NullResp => Fault::NoAnswer("an empty answer".to_owned()),
        RpcError::DeserError { err, .. } => Fault::NoAnswer(format!("an answer that cannot be read ({err})")),
        RpcError::Transport(kind) => transport(kind),
        RpcError::UnsupportedFeature(what) => Fault::NoAnswer(format!("no support for {what}")),
        RpcError::SerError(_) | RpcError::LocalUsageError(_) => {
            Fault::Final(ChainError::Refused("the request could not be written".to_owned()))
        }
    }
}

fn transport(kind: &TransportErrorKind) -> Fault {
    match kind {
        TransportErrorKind::HttpError(http) => Fault::NoAnswer(format!("HTTP status {}", http.status)),
        TransportErrorKind::HttpErrorWithRetryAfter { error, .. } => {
            Fault::NoAnswer(format!("HTTP status {}", error.status))
        }
        TransportErrorKind::BackendGone => Fault::NoAnswer("the connection is gone".to_owned()),
        // The outer texts carry the URL, and a URL often carries a key. The innermost cause is the system's.
        TransportErrorKind::Custom(source) | TransportErrorKind::NonRetryable(source) => {
            let mut cause: &(dyn std::error::Error + 'static) = source.as_ref();
            while let Some(inner) = cause.source() {
                cause = inner;
            }
            let text = cause.to_string();
            let safe = !text.contains("://");
            Fault::NoAnswer(if safe { text } else { "the connection failed".to_owned() })
        }
        _ => Fault::NoAnswer("the connection failed".to_owned()),
    }
}

// The revert data is a hex string; some nodes wrap it in an object or write "Reverted 0x...".
fn revert_data(raw: &str) -> Option<Bytes> {
    let value: serde_json::Value = serde_json::from_str(raw).ok()?;
    let text = match &value {
        serde_json::Value::String(text) => text.as_str(),
        serde_json::Value::Object(map) => map.get("data")?.as_str()?,
        _ => return None,
    };
    let text = text.strip_prefix("Reverted ").unwrap_or(text);
    text.starts_with("0x").then(|| hex::decode(text).ok()).flatten().map(Bytes::from)
}

fn classify(code: i64, message: &str, data: Option<Bytes>) -> Fault {
    let text = message.to_lowercase();
    let any = |needles: &[&str]| needles.iter().any(|needle| text.contains(needle));

    // Code 3 is geth's for a revert; -32015 is nethermind's and the old Parity's.
    if code == 3
        || code == -32015
        // What follows is anvil's for an invalid instruction and the like.
        || any(&["execution reverted", "vm execution error", "transaction reverted", "evm error"])
    {
        let data = data.unwrap_or_default();
        let reason = if data.is_empty() { clip(message) } else { revert_reason(&data) };
        return Fault::Final(ChainError::Reverted { reason, data });
    }
    if any(&["already known", "alreadyknown", "already imported", "known transaction"]) {
        return Fault::Final(ChainError::AlreadyKnown);
    }
    if any(&["nonce too low", "nonce is too low", "oldnonce", "invalid nonce; got"]) {
        return Fault::Final(ChainError::NonceTooLow);
    }
    if any(&[
        "underpriced",
        "replacementnotallowed",
        "could not replace existing",
        "less than block base fee",
        "feetoolow",
        "gas price below",
    ]) {
        return Fault::Final(ChainError::Underpriced);
    }
    if any(&["insufficient funds", "insufficientfunds", "upfront cost exceeds", "insufficient balance"]) {
        return Fault::Final(ChainError::InsufficientFunds);
    }
    if any(&[
        "query returned more than",
        "block range",
        "range too",
        "too many blocks",
        "too many results",
        "response size",
        "max results",
        "exceeds the range",
        "limited to a",
        "logs matched",
    ]) {
        return Fault::TooMuch(clip(message));
    }
    if any(&[
        "header not found",
        "header for hash not found",
        "resource not found",
        "unknown block",
        "block not found",
        "is not canonical",
    ]) || any(&["is not currently canonical", "blockoutofrange", "block out of range"])
    {
        return Fault::NoBlock;
    }
    if matches!(code, -32005 | -32603 | 429) || any(&["rate limit", "too many requests"]) {
        return Fault::Busy(clip(message));
    }
    if code == -32601
        || any(&["missing trie node", "pruned", "state not available", "state is not available"])
        || any(&["not supported", "does not exist/is not available"])
    {
        return Fault::NotHere(clip(message));
    }
    Fault::Final(ChainError::Refused(clip(message)))
}

// A node's text ends up in logs and in answers to users.
fn clip(text: &str) -> String {
    const MAX: usize = 300;
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX).collect();
    if text.chars().count() > MAX { format!("{clean}...") } else { clean }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_is_understood() {
        use ChainError::{AlreadyKnown, InsufficientFunds, NonceTooLow, Underpriced};
        for (code, message, expect) in [
            (-32000, "already known", AlreadyKnown), // geth, erigon
            (-32010, "AlreadyKnown, transaction hash: 0x00", AlreadyKnown), // nethermind
            (-32000, "Known transaction", AlreadyKnown), // besu
            (-32003, "transaction already imported", AlreadyKnown), // anvil
            (-32000, "nonce too low: next nonce 5, tx nonce 4", NonceTooLow), // geth
            (-32010, "OldNonce, Current nonce: 5, nonce of rejected tx: 4", NonceTooLow), // nethermind
            (-32001, "Nonce too low", NonceTooLow),  // besu
            (-32000, "replacement transaction underpriced", Underpriced), // geth, anvil
            (-32000, "transaction underpriced: gas tip cap 0, minimum needed 1", Underpriced), // geth
            (-32000, "transaction gas price below minimum: gas tip cap 0", Underpriced), // geth 1.16
            (-32000, "could not replace existing tx", Underpriced), // erigon
            (-32010, "ReplacementNotAllowed", Underpriced), // nethermind
            (-32000, "max fee per gas less than block base fee: address 0x", Underpriced), // geth
            (-32000, "insufficient funds for gas * price + value: have 0", InsufficientFunds), // geth
            (-32003, "Insufficient funds for gas * price + value", InsufficientFunds), // anvil
            (-32004, "Upfront cost exceeds account balance", InsufficientFunds), // besu
        ] {
            assert_eq!(classify(code, message, None), Fault::Final(expect), "{message}");
        }
        for message in [
            "header not found",
            "Resource not found",
            "unknown block",
            "Resource not found",
            "Block not found",
            "hash 0x00 is not currently canonical",
        ] {
            assert_eq!(classify(-32000, message, None), Fault::NoBlock, "{message}");
        }
        assert!(matches!(classify(-32005, "daily request count exceeded", None), Fault::Busy(_)));
        for (code, message) in
            [(-32000, "missing trie node 00"), (-32601, "the method eth_foo does not exist/is not available")]
        {
            assert!(matches!(classify(code, message, None), Fault::NotHere(_)), "{message}");
        }
        for message in ["query returned more than 10000 results", "exceed maximum block range: 5000"] {
            assert!(matches!(classify(-32005, message, None), Fault::TooMuch(_)), "{message}");
        }
        let odd = classify(-32602, "invalid argument 0", None);
        assert_eq!(odd, Fault::Final(ChainError::Refused("invalid argument 0".to_owned())));
    }

    #[test]
    fn reverts_say_why() {
        let text = "0x08c379a0\
                    0000000000000000000000000000000000000000000000000000000000000020\
                    0000000000000000000000000000000000000000000000000000000000000003\
                    6e6f210000000000000000000000000000000000000000000000000000000000";
        for raw in [format!("\"{text}\""), format!("{{\"data\":\"{text}\"}}"), format!("\"Reverted {text}\"")]
        {
            let data = revert_data(&raw).expect("data");
            let Fault::Final(ChainError::Reverted { reason, .. }) =
                classify(3, "execution reverted", Some(data))
            else {
                panic!("a revert");
            };
            assert_eq!(reason, "no!");
        }
        for (code, message) in [(-32000, "execution reverted"), (-32603, "EVM error InvalidFEOpcode")] {
            let bare = classify(code, message, None);
            assert!(matches!(bare, Fault::Final(ChainError::Reverted { .. })), "{message}");
        }
    }

    #[test]
    fn a_url_with_a_key_is_not_repeated() {
        let error = TransportErrorKind::custom_str("error for https://node.example/v2/SECRET");
        assert!(!format!("{:?}", fault_of(&error)).contains("SECRET"));
    }
}
