//! Which logs set an event job off.

use alloy_dyn_abi::{DynSolType, DynSolValue};
use alloy_primitives::{Address, B256, Bytes, U256, hex, keccak256};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    abi::{self, AbiError, Parameter},
    chain::Log,
    ids::ChainId,
};

/// An event filter, compiled: what cannot be compiled is refused and never "matches all".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventFilter {
    /// Chain to watch.
    pub chain: ChainId,
    /// Contract to watch.
    pub contract: Address,
    /// Canonical signature, for example `Transfer(address,address,uint256)`.
    pub signature: String,
    /// keccak256 of the signature.
    pub topic0: B256,
    /// An additional test on one parameter.
    pub test: Option<ParameterTest>,
    /// Blocks on top of the log's own before it counts (0: its own block is enough).
    pub confirmations: u64,
}

/// A parameter that must equal a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParameterTest {
    /// The name as the user gave it, for display.
    pub name: String,
    /// The value as the user gave it, for display.
    pub value: String,
    /// Where it is looked for.
    pub place: ParameterPlace,
}

/// Where a tested parameter is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ParameterPlace {
    /// An indexed parameter: topic 1 to 3 must equal this word (the hash, for dynamic types).
    Topic {
        /// 1, 2 or 3.
        index: u8,
        /// The expected word.
        word: B256,
    },
    /// A parameter in the data: decoded by these types, the one at `index` must encode to `encoded`.
    Data {
        /// Solidity types of all non-indexed parameters, in order.
        types: Vec<String>,
        /// Which of them.
        index: usize,
        /// Its expected ABI encoding.
        encoded: Bytes,
    },
}

/// What a client says of the event it waits for.
#[derive(Debug, Clone, Copy)]
pub struct EventRequest<'a> {
    /// Chain to watch.
    pub chain: ChainId,
    /// Contract to watch.
    pub contract: Address,
    /// A full signature, `indexed` and names allowed, or a name that the ABI has.
    pub event: &'a str,
    /// The ABI as the client sent it; may be empty.
    pub abi: &'a str,
    /// A parameter's name, or `topic1` to `topic3`; empty: no test.
    pub parameter: &'a str,
    /// What it must equal, by its Solidity type.
    pub value: &'a str,
    /// Blocks on top of the log's own.
    pub confirmations: u64,
}

/// Why an event filter is refused. Each message says what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadFilter {
    /// The event itself.
    #[error(transparent)]
    Event(#[from] AbiError),
    /// No event was named.
    #[error("trigger_event is missing: give a signature such as Transfer(address,address,uint256)")]
    NoEvent,
    /// A value without a parameter.
    #[error("event_filter_value is given without event_filter_para_name")]
    NoParameter,
    /// A parameter without a value.
    #[error("event_filter_para_name {0:?} is given without event_filter_value")]
    NoValue(String),
    /// No such parameter.
    #[error(
        "{event} has no parameter {name:?}: it has {known}; topic1 to topic3 name indexed ones by position"
    )]
    UnknownParameter {
        /// The event.
        event: String,
        /// As given.
        name: String,
        /// What there is.
        known: String,
    },
    /// Nobody said which parameters are indexed.
    #[error(
        "whether {0:?} is indexed cannot be told: give the ABI, or a signature such as \
         Transfer(address indexed from, address indexed to, uint256 value)"
    )]
    IndexedUnknown(String),
    /// A topic that the event does not have.
    #[error("{event} has {indexed} indexed parameters, so it has no {name}")]
    NoSuchTopic {
        /// The event.
        event: String,
        /// As given.
        name: String,
        /// How many there are.
        indexed: usize,
    },
    /// A value that is no topic, where the type is not known.
    #[error("{0:?} is no topic: give 32 bytes as 0x hex, an address, or a whole number")]
    BadTopic(String),
}

impl EventFilter {
    /// Compiles a request, or says what is missing.
    pub fn compile(request: &EventRequest<'_>) -> Result<Self, BadFilter> {
        let (name, inputs, indexed_known) = find_event(request)?;
        let signature = abi::signature(&name, &inputs);
        let test = match (request.parameter.trim(), request.value) {
            ("", "") => None,
            ("", _) => return Err(BadFilter::NoParameter),
            (parameter, value) => {
                let event = Event { signature: &signature, inputs: &inputs, indexed_known };
                let place = event.place(parameter, value)?;
                Some(ParameterTest { name: parameter.to_owned(), value: value.to_owned(), place })
            }
        };
        Ok(Self {
            chain: request.chain,
            contract: request.contract,
            topic0: keccak256(&signature),
            signature,
            test,
            confirmations: request.confirmations,
        })
    }

    /// Whether a log sets the job off. How deep its block is, is not asked here.
    pub fn matches(&self, log: &Log) -> bool {
        self.is_of_event(log) && self.test.as_ref().is_none_or(|test| test.place.matches(log))
    }

    /// Whether a log is of this event of this contract, whatever its parameters.
    pub fn is_of_event(&self, log: &Log) -> bool {
        log.chain == self.chain && log.address == self.contract && log.topics.first() == Some(&self.topic0)
    }
}

impl ParameterPlace {
    fn matches(&self, log: &Log) -> bool {
        match self {
            Self::Topic { index, word } => log.topics.get(usize::from(*index)) == Some(word),
            Self::Data { types, index, encoded } => {
                let parsed: Result<Vec<DynSolType>, _> = types.iter().map(|t| DynSolType::parse(t)).collect();
                let Ok(DynSolValue::Tuple(values)) =
                    parsed.and_then(|types| DynSolType::Tuple(types).abi_decode_params(&log.data))
                else {
                    // Another event of the same signature with other parameters indexed.
                    return false;
                };
                values.get(*index).is_some_and(|value| value.abi_encode() == encoded.as_ref())
            }
        }
    }
}

/// The event's name, its parameters, and whether it is known which of them are indexed.
fn find_event(request: &EventRequest<'_>) -> Result<(String, Vec<Parameter>, bool), BadFilter> {
    let wanted = request.event.trim();
    let bare = wanted.split('(').next().unwrap_or("").trim();
    let bare = bare.strip_prefix("event ").unwrap_or(bare).trim();
    if bare.is_empty() {
        return Err(BadFilter::NoEvent);
    }
    let mut known = abi::events(request.abi, bare)?;
    if wanted.contains('(') {
        let (name, inputs) = abi::event_of_signature(wanted)?;
        let signature = abi::signature(&name, &inputs);
        let said = inputs.iter().any(|p| p.indexed);
        if !said && let Some(at) = known.iter().position(|(n, i)| abi::signature(n, i) == signature) {
            let (name, inputs) = known.swap_remove(at);
            return Ok((name, inputs, true));
        }
        // With names and without a single `indexed`, the author has written the event out and none is.
        let written_out = !inputs.is_empty() && inputs.iter().all(|p| !p.name.is_empty());
        return Ok((name, inputs, said || written_out));
    }
    match known.len() {
        0 => Err(AbiError::Absent(bare.chars().take(100).collect()).into()),
        1 => {
            let (name, inputs) = known.swap_remove(0);
            Ok((name, inputs, true))
        }
        _ => Err(AbiError::Ambiguous {
            name: bare.chars().take(100).collect(),
            signatures: known.iter().map(|(n, i)| abi::signature(n, i)).collect(),
        }
        .into()),
    }
}

struct Event<'a> {
    signature: &'a str,
    inputs: &'a [Parameter],
    indexed_known: bool,
}

impl Event<'_> {
    fn place(&self, name: &str, value: &str) -> Result<ParameterPlace, BadFilter> {
        if let Some(at) = self.inputs.iter().position(|p| p.name == name) {
            if value.is_empty() && self.inputs[at].ty != DynSolType::String {
                return Err(BadFilter::NoValue(name.to_owned()));
            }
            return self.place_of(at, value);
        }
        let index = match name {
            "topic1" => 1u8,
            "topic2" => 2,
            "topic3" => 3,
            _ => {
                let known: Vec<&str> =
                    self.inputs.iter().map(|p| p.name.as_str()).filter(|n| !n.is_empty()).collect();
                return Err(BadFilter::UnknownParameter {
                    event: self.signature.to_owned(),
                    name: name.chars().take(100).collect(),
                    known: if known.is_empty() { "no named ones".to_owned() } else { known.join(", ") },
                });
            }
        };
        if value.is_empty() {
            return Err(BadFilter::NoValue(name.to_owned()));
        }
        if !self.indexed_known {
            if usize::from(index) > self.inputs.len() {
                return Err(self.no_such_topic(name, self.inputs.len()));
            }
            return Ok(ParameterPlace::Topic { index, word: bare_topic(value)? });
        }
        let indexed: Vec<usize> = (0..self.inputs.len()).filter(|at| self.inputs[*at].indexed).collect();
        match indexed.get(usize::from(index) - 1) {
            Some(at) => self.place_of(*at, value),
            None => Err(self.no_such_topic(name, indexed.len())),
        }
    }

    fn no_such_topic(&self, name: &str, indexed: usize) -> BadFilter {
        BadFilter::NoSuchTopic { event: self.signature.to_owned(), name: name.to_owned(), indexed }
    }

    fn place_of(&self, at: usize, value: &str) -> Result<ParameterPlace, BadFilter> {
        let input = &self.inputs[at];
        if !self.indexed_known {
            return Err(BadFilter::IndexedUnknown(input.name.clone()));
        }
        if !input.indexed {
            let encoded = encode(input, value)?;
            return Ok(ParameterPlace::Data {
                types: self.inputs.iter().filter(|p| !p.indexed).map(Parameter::canonical).collect(),
                index: self.inputs[..at].iter().filter(|p| !p.indexed).count(),
                encoded: encoded.abi_encode().into(),
            });
        }
        let index = 1 + self.inputs[..at].iter().filter(|p| p.indexed).count();
        let index = u8::try_from(index)
            .ok()
            .filter(|index| *index <= 3)
            .ok_or_else(|| self.no_such_topic(&input.name, 3))?;
        Ok(ParameterPlace::Topic { index, word: topic_word(input, value)? })
    }
}

/// The topic of an indexed parameter. For dynamic types it is a hash, which may be given itself.
fn topic_word(input: &Parameter, value: &str) -> Result<B256, BadFilter> {
    let hashed = matches!(
        input.ty,
        DynSolType::String
            | DynSolType::Bytes
            | DynSolType::Array(_)
            | DynSolType::FixedArray(..)
            | DynSolType::Tuple(_)
    );
    if hashed
        && input.ty != DynSolType::Bytes
        && let Some(word) = full_word(value)
    {
        return Ok(word);
    }
    Ok(encode(input, value)?.encode_topic())
}

fn encode(input: &Parameter, value: &str) -> Result<DynSolValue, AbiError> {
    abi::encode_value(input, &Value::String(value.to_owned()), "event_filter_value")
}

fn full_word(value: &str) -> Option<B256> {
    let bytes = hex::decode(value.trim().strip_prefix("0x")?).ok()?;
    B256::try_from(bytes.as_slice()).ok()
}

/// A topic whose type nobody told: a whole word, an address, or a number.
fn bare_topic(value: &str) -> Result<B256, BadFilter> {
    if let Some(word) = full_word(value) {
        return Ok(word);
    }
    let bad = || BadFilter::BadTopic(value.chars().take(100).collect());
    let text = value.trim();
    if let Some(digits) = text.strip_prefix("0x") {
        return match hex::decode(digits) {
            Ok(bytes) if bytes.len() == 20 => Ok(Address::from_slice(&bytes).into_word()),
            _ => Err(bad()),
        };
    }
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(bad());
    }
    U256::from_str_radix(text, 10).map(B256::from).map_err(|_| bad())
}

#[cfg(test)]
mod tests;
