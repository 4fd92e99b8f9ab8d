//! ABI encoding of JSON values, through alloy's dyn-abi: every Solidity type, lossy input refused.
//!
//! Functions and events are found in the ABI that the client sent (JSON, an artefact with an `abi` member, or
//! human-readable items) or read from a full signature. Signatures are canonical: `uint` is written `uint256`.

mod coerce;
mod item;

use alloy_dyn_abi::DynSolValue;
use alloy_primitives::{Bytes, keccak256};
use serde_json::Value;

pub use item::Parameter;
pub(crate) use item::{event_of_signature, events, signature};

use crate::job::Target;

/// Deepest nesting of arrays and tuples in a type.
pub const TYPE_DEPTH_MAX: usize = 16;
/// Most words that the fixed parts of one signature may take: `uint256[1000000]` costs nothing to write.
pub const TYPE_WORDS_MAX: usize = 8192;
/// Longest ABI text that is read, bytes.
pub const ABI_BYTES_MAX: usize = 1024 * 1024;

/// Why a function, an event or an argument list is refused. Each message says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AbiError {
    /// The ABI text itself.
    #[error("the ABI cannot be read: {0}")]
    BadAbi(String),
    /// A signature.
    #[error("{text:?} is no signature: {reason}")]
    BadSignature {
        /// As given.
        text: String,
        /// What is wrong.
        reason: String,
    },
    /// Not in the ABI.
    #[error("{0:?} is not in the ABI: give its full signature, for example name(uint256,address)")]
    Absent(String),
    /// Several of that name.
    #[error("{name:?} is overloaded: give one of the signatures {}", signatures.join(", "))]
    Ambiguous {
        /// As given.
        name: String,
        /// What there is.
        signatures: Vec<String>,
    },
    /// Arguments: every fault at once.
    #[error("{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Arguments {
        /// At least one.
        faults: Vec<ArgumentFault>,
    },
}

/// What is wrong with one argument.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct ArgumentFault {
    /// Where, for example `arguments[2].amount`.
    pub path: String,
    /// What, with type and remedy.
    pub reason: String,
}

/// A function of a contract: its name and what it takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Function {
    name: String,
    inputs: Vec<Parameter>,
}

impl Function {
    /// Reads a full signature, parameter names allowed: `transfer(address to, uint256)`.
    pub fn parse(signature: &str) -> Result<Self, AbiError> {
        item::function_of_signature(signature).map(|(name, inputs)| Self { name, inputs })
    }

    /// Finds a function by name or full signature in an ABI; with a full signature the ABI may be empty. An
    /// overloaded name is decided by the number of arguments, where that is known and decides it.
    pub fn find(abi: &str, name_or_signature: &str, arity: Option<usize>) -> Result<Self, AbiError> {
        let wanted = name_or_signature.trim();
        let all: Vec<Self> = item::functions(abi, name_of(wanted))?
            .into_iter()
            .map(|(name, inputs)| Self { name, inputs })
            .collect();
        if wanted.contains('(') {
            let given = Self::parse(wanted)?;
            let signature = given.signature();
            // The ABI's entry knows the names of tuple members, the bare signature does not.
            return Ok(all.into_iter().find(|f| f.signature() == signature).unwrap_or(given));
        }
        let mut fitting: Vec<Self> = all;
        if fitting.len() > 1
            && let Some(arity) = arity
            && fitting.iter().any(|f| f.inputs.len() == arity)
        {
            fitting.retain(|f| f.inputs.len() == arity);
        }
        match fitting.len() {
            0 => Err(AbiError::Absent(item::cut(wanted))),
            1 => Ok(fitting.remove(0)),
            _ => Err(AbiError::Ambiguous {
                name: item::cut(wanted),
                signatures: fitting.iter().map(Self::signature).collect(),
            }),
        }
    }

    /// The function of a job's target, with the names of tuple members where the ABI has them.
    pub fn of_target(target: &Target) -> Result<Self, AbiError> {
        Self::find(&target.abi, &target.signature, None)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it takes.
    pub fn inputs(&self) -> &[Parameter] {
        &self.inputs
    }

    /// Its canonical signature.
    pub fn signature(&self) -> String {
        signature(&self.name, &self.inputs)
    }

    /// The first four bytes of the signature's hash.
    pub fn selector(&self) -> [u8; 4] {
        let hash = keccak256(self.signature());
        [hash[0], hash[1], hash[2], hash[3]]
    }
}

/// Encodes a call: the calldata, and the arguments as encoded (integers as decimal strings, bytes as lower-case
/// hex, addresses checksummed, tuples and arrays as arrays).
///
/// Integers may be JSON integers, decimal strings or `0x` strings; a number with exponent or point is taken where
/// it is a whole number. Bytes are `0x` hex of exactly the right length. Tuples come by position or by name. An
/// array or tuple may come as its JSON text, because clients send every argument as a string. Everything that
/// would lose something is refused, every fault of the list at once.
pub fn encode_call(function: &Function, values: &[Value]) -> Result<(Bytes, Vec<Value>), AbiError> {
    let (encoded, converted) = encode_arguments(&function.inputs, values)?;
    let mut calldata = function.selector().to_vec();
    calldata.extend_from_slice(&encoded);
    Ok((calldata.into(), converted))
}

/// The arguments alone, without a selector.
pub fn encode_arguments(inputs: &[Parameter], values: &[Value]) -> Result<(Vec<u8>, Vec<Value>), AbiError> {
    let mut faults = coerce::Faults::default();
    if inputs.len() != values.len() {
        let types: Vec<String> = inputs.iter().map(Parameter::canonical).collect();
        faults.push(
            "arguments",
            format!("{} are needed ({}), {} were given", inputs.len(), types.join(", "), values.len()),
        );
    }
    let mut encoded = Vec::with_capacity(inputs.len());
    let mut converted = Vec::with_capacity(inputs.len());
    for (index, (input, value)) in inputs.iter().zip(values).enumerate() {
        if let Some(done) = coerce::coerce(input, value, &format!("arguments[{index}]"), &mut faults) {
            encoded.push(done.encoded);
            converted.push(done.shown);
        }
    }
    faults.into_result()?;
    Ok((DynSolValue::Tuple(encoded).abi_encode_params(), converted))
}

/// One value by its type.
pub(crate) fn encode_value(input: &Parameter, value: &Value, path: &str) -> Result<DynSolValue, AbiError> {
    let mut faults = coerce::Faults::default();
    let done = coerce::coerce(input, value, path, &mut faults);
    faults.into_result()?;
    done.map(|d| d.encoded).ok_or_else(|| AbiError::Arguments { faults: Vec::new() })
}

fn name_of(wanted: &str) -> &str {
    let name = wanted.split('(').next().unwrap_or(wanted).trim();
    name.strip_prefix("function ").unwrap_or(name).trim()
}

#[cfg(test)]
mod tests;
