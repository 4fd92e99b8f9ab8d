//! From JSON values to Solidity values, without losing anything.

use alloy_dyn_abi::{DynSolType, DynSolValue};
use alloy_primitives::{Address, B256, Function as FunctionPointer, I256, U256, hex};
use serde_json::Value;

use super::{
    AbiError, ArgumentFault,
    item::{Parameter, cut},
};
use crate::decimal::Decimal;

/// More faults than this help nobody.
const FAULTS_MAX: usize = 100;

/// Collects what is wrong.
#[derive(Default)]
pub(super) struct Faults(Vec<ArgumentFault>);

impl Faults {
    pub(super) fn push(&mut self, path: &str, reason: String) {
        if self.0.len() < FAULTS_MAX {
            self.0.push(ArgumentFault { path: path.to_owned(), reason });
        }
    }

    pub(super) fn into_result(self) -> Result<(), AbiError> {
        if self.0.is_empty() { Ok(()) } else { Err(AbiError::Arguments { faults: self.0 }) }
    }
}

/// A value ready to encode, and as it is shown.
pub(super) struct Coerced {
    pub(super) encoded: DynSolValue,
    pub(super) shown: Value,
}

impl Coerced {
    fn new(encoded: DynSolValue, shown: impl Into<Value>) -> Self {
        Self { encoded, shown: shown.into() }
    }
}

/// Turns a value into its type; `None` where a fault was noted. Recursion is as deep as the type, which is bounded.
pub(super) fn coerce(input: &Parameter, value: &Value, path: &str, faults: &mut Faults) -> Option<Coerced> {
    coerce_type(&input.ty, &input.members, value, path, faults)
}

fn coerce_type(
    ty: &DynSolType,
    members: &[Parameter],
    value: &Value,
    path: &str,
    faults: &mut Faults,
) -> Option<Coerced> {
    let result = match ty {
        DynSolType::Array(inner) => return list(inner, members, (None, value), path, faults),
        DynSolType::FixedArray(inner, n) => return list(inner, members, (Some(*n), value), path, faults),
        DynSolType::Tuple(types) => return tuple(types, members, value, path, faults),
        DynSolType::Bool => boolean(value),
        DynSolType::Uint(bits) => unsigned(value, *bits),
        DynSolType::Int(bits) => signed(value, *bits),
        DynSolType::Address => address(value),
        DynSolType::FixedBytes(size) => fixed_bytes(value, *size),
        DynSolType::Function => function_pointer(value),
        DynSolType::Bytes => {
            bytes(value).map(|b| Coerced::new(DynSolValue::Bytes(b.clone()), hex::encode_prefixed(b)))
        }
        DynSolType::String => match value {
            Value::String(text) => Ok(Coerced::new(DynSolValue::String(text.clone()), text.clone())),
            other => Err(format!("a string is needed, not {}", kind(other))),
        },
        #[allow(
            unreachable_patterns,
            reason = "the enum grows with features of alloy that others may turn on"
        )]
        _ => Err("this type cannot be encoded".to_owned()),
    };
    result.map_err(|reason| faults.push(path, reason)).ok()
}

fn list(
    inner: &DynSolType,
    members: &[Parameter],
    (length, value): (Option<usize>, &Value),
    path: &str,
    faults: &mut Faults,
) -> Option<Coerced> {
    let unpacked = unpack(value);
    let Value::Array(items) = unpacked.as_ref().unwrap_or(value) else {
        faults.push(path, format!("an array is needed, not {}", kind(value)));
        return None;
    };
    if let Some(length) = length.filter(|n| *n != items.len()) {
        faults.push(path, format!("exactly {length} elements are needed, {} were given", items.len()));
        return None;
    }
    let mut encoded = Vec::with_capacity(items.len());
    let mut shown = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        if let Some(done) = coerce_type(inner, members, item, &format!("{path}[{index}]"), faults) {
            encoded.push(done.encoded);
            shown.push(done.shown);
        }
    }
    let complete = encoded.len() == items.len();
    let encoded = match length {
        Some(_) => DynSolValue::FixedArray(encoded),
        None => DynSolValue::Array(encoded),
    };
    complete.then(|| Coerced::new(encoded, shown))
}

fn tuple(
    types: &[DynSolType],
    members: &[Parameter],
    value: &Value,
    path: &str,
    faults: &mut Faults,
) -> Option<Coerced> {
    let unpacked = unpack(value);
    let named = members.len() == types.len();
    let path_of = |index: usize| match members.get(index) {
        Some(member) if named && !member.name.is_empty() => format!("{path}.{}", member.name),
        _ => format!("{path}[{index}]"),
    };
    let items: Vec<&Value> = match unpacked.as_ref().unwrap_or(value) {
        Value::Array(items) if items.len() == types.len() => items.iter().collect(),
        Value::Array(items) => {
            faults.push(path, format!("a tuple of {} is needed, {} were given", types.len(), items.len()));
            return None;
        }
        Value::Object(fields) => {
            if !named || members.iter().any(|m| m.name.is_empty()) {
                faults.push(path, "the ABI names no members here: give an array in their order".to_owned());
                return None;
            }
            let unknown: Vec<String> =
                fields.keys().filter(|k| members.iter().all(|m| m.name != **k)).map(|k| cut(k)).collect();
            if !unknown.is_empty() {
                faults.push(path, format!("unknown members: {}", unknown.join(", ")));
            }
            let absent: Vec<&Parameter> = members.iter().filter(|m| !fields.contains_key(&m.name)).collect();
            for member in &absent {
                faults.push(&format!("{path}.{}", member.name), format!("missing ({})", member.canonical()));
            }
            if !unknown.is_empty() || !absent.is_empty() {
                return None;
            }
            members.iter().filter_map(|m| fields.get(&m.name)).collect()
        }
        other => {
            faults.push(path, format!("a tuple (array or object) is needed, not {}", kind(other)));
            return None;
        }
    };
    let mut encoded = Vec::with_capacity(types.len());
    let mut shown = Vec::with_capacity(types.len());
    for (index, (ty, item)) in types.iter().zip(items).enumerate() {
        let inner = members.get(index).filter(|_| named).map_or(&[][..], |m| m.members.as_slice());
        if let Some(done) = coerce_type(ty, inner, item, &path_of(index), faults) {
            encoded.push(done.encoded);
            shown.push(done.shown);
        }
    }
    (encoded.len() == types.len()).then(|| Coerced::new(DynSolValue::Tuple(encoded), shown))
}

/// The value inside a string that holds the JSON of an array or object.
fn unpack(value: &Value) -> Option<Value> {
    let text = value.as_str()?.trim_start();
    if text.starts_with(['[', '{']) { serde_json::from_str(text).ok() } else { None }
}

fn boolean(value: &Value) -> Result<Coerced, String> {
    let flag = match value {
        Value::Bool(flag) => *flag,
        Value::String(text) if text == "true" => true,
        Value::String(text) if text == "false" => false,
        other => return Err(format!("true or false is needed, not {}", kind(other))),
    };
    Ok(Coerced::new(DynSolValue::Bool(flag), flag))
}

fn unsigned(value: &Value, bits: usize) -> Result<Coerced, String> {
    let ty = format!("uint{bits}");
    let (negative, magnitude) = integer(value, &ty)?;
    if negative && !magnitude.is_zero() {
        return Err(format!("{ty} takes no negative number"));
    }
    if magnitude.bit_len() > bits {
        return Err(format!("the number does not fit {ty}"));
    }
    Ok(Coerced::new(DynSolValue::Uint(magnitude, bits), magnitude.to_string()))
}

fn signed(value: &Value, bits: usize) -> Result<Coerced, String> {
    let ty = format!("int{bits}");
    let (negative, magnitude) = integer(value, &ty)?;
    // -2^(bits-1) ..= 2^(bits-1) - 1
    let bound = U256::from(1) << (bits - 1);
    if magnitude > bound || (magnitude == bound && !negative) {
        return Err(format!("the number does not fit {ty}"));
    }
    let raw = if negative { magnitude.wrapping_neg() } else { magnitude };
    let number = I256::from_raw(raw);
    Ok(Coerced::new(DynSolValue::Int(number, bits), number.to_dec_string()))
}

/// Sign and magnitude of a whole number below 2^256.
fn integer(value: &Value, ty: &str) -> Result<(bool, U256), String> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().to_owned(),
        other => return Err(format!("a whole number ({ty}) is needed, not {}", kind(other))),
    };
    let (negative, body) = match text.strip_prefix('-') {
        Some(body) => (true, body),
        None => (false, text.strip_prefix('+').unwrap_or(&text)),
    };
    let unfit = || format!("the number does not fit {ty}");
    if let Some(digits) = body.strip_prefix("0x").or_else(|| body.strip_prefix("0X")) {
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(format!("{:?} is no whole number ({ty}): write decimal or 0x hex", cut(&text)));
        }
        let significant = digits.trim_start_matches('0');
        if significant.len() > 64 {
            return Err(unfit());
        }
        let magnitude =
            if significant.is_empty() { Ok(U256::ZERO) } else { U256::from_str_radix(significant, 16) };
        return Ok((negative, magnitude.map_err(|_| unfit())?));
    }
    let decimal: Decimal = body.parse().map_err(|fault| match fault {
        crate::decimal::BadDecimal::Syntax => {
            format!("{:?} is no whole number ({ty}): write decimal or 0x hex", cut(&text))
        }
        crate::decimal::BadDecimal::TooLong => unfit(),
    })?;
    let plain = decimal.to_string();
    if plain.starts_with('-') || plain.starts_with('+') {
        return Err(format!("{:?} is no whole number ({ty})", cut(&text)));
    }
    if plain.contains('.') {
        return Err(format!("{} has a fraction, and {ty} takes whole numbers alone", cut(&text)));
    }
    U256::from_str_radix(&plain, 10).map(|magnitude| (negative, magnitude)).map_err(|_| unfit())
}

fn address(value: &Value) -> Result<Coerced, String> {
    let bytes = exact_bytes(value, 20, "an address")?;
    let address = Address::from_slice(&bytes);
    Ok(Coerced::new(DynSolValue::Address(address), address.to_checksum(None)))
}

fn fixed_bytes(value: &Value, size: usize) -> Result<Coerced, String> {
    let bytes = exact_bytes(value, size, &format!("bytes{size}"))?;
    let mut word = B256::ZERO;
    word[..size].copy_from_slice(&bytes);
    Ok(Coerced::new(DynSolValue::FixedBytes(word, size), hex::encode_prefixed(bytes)))
}

fn function_pointer(value: &Value) -> Result<Coerced, String> {
    let bytes = exact_bytes(value, 24, "a function (address and selector)")?;
    Ok(Coerced::new(DynSolValue::Function(FunctionPointer::from_slice(&bytes)), hex::encode_prefixed(bytes)))
}

fn exact_bytes(value: &Value, size: usize, what: &str) -> Result<Vec<u8>, String> {
    let bytes = bytes(value).map_err(|reason| format!("{what}: {reason}"))?;
    if bytes.len() == size {
        Ok(bytes)
    } else {
        Err(format!("{what} has exactly {size} bytes, {} were given", bytes.len()))
    }
}

fn bytes(value: &Value) -> Result<Vec<u8>, String> {
    let Value::String(text) = value else {
        return Err(format!("0x hex is needed, not {}", kind(value)));
    };
    let digits = text
        .trim()
        .strip_prefix("0x")
        .ok_or_else(|| format!("0x hex is needed, and {:?} does not begin with 0x", cut(text)))?;
    // The decoder would take a second 0x.
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(format!("{:?} holds something else than hex digits", cut(text)));
    }
    hex::decode(digits).map_err(|_| "hex comes in pairs of digits, and one is missing".to_owned())
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
