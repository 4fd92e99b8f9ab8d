//! The contract ABI, as far as scripts meet it: every elementary type, arrays and tuples of them.

use std::fmt;

use crate::{Address, U256};

/// A value with its place in the ABI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// `uint8` to `uint256`.
    Uint(U256),
    /// `int8` to `int256`, in two's complement of 256 bits.
    Int(U256),
    /// `address`.
    Address(Address),
    /// `bool`.
    Bool(bool),
    /// `bytes1` to `bytes32`.
    FixedBytes(Vec<u8>),
    /// `bytes`.
    Bytes(Vec<u8>),
    /// `string`.
    String(String),
    /// `T[]` and `T[n]`.
    Array(Vec<Token>),
    /// `(T, U)`.
    Tuple(Vec<Token>),
}

/// What cannot be encoded or decoded, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AbiError(String);

impl fmt::Display for AbiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for AbiError {}

type Result<T> = std::result::Result<T, AbiError>;

fn bad<T>(message: impl Into<String>) -> Result<T> {
    Err(AbiError(message.into()))
}

impl From<U256> for Token {
    fn from(n: U256) -> Self {
        Self::Uint(n)
    }
}

impl From<u64> for Token {
    fn from(n: u64) -> Self {
        Self::Uint(n.into())
    }
}

impl From<i64> for Token {
    fn from(n: i64) -> Self {
        let mut bytes = [if n < 0 { 0xff } else { 0 }; 32];
        bytes[24..].copy_from_slice(&n.to_be_bytes());
        Self::Int(U256::from_be_bytes(bytes))
    }
}

impl From<Address> for Token {
    fn from(address: Address) -> Self {
        Self::Address(address)
    }
}

impl From<bool> for Token {
    fn from(yes: bool) -> Self {
        Self::Bool(yes)
    }
}

impl From<&str> for Token {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl Token {
    /// The number, if it is unsigned.
    pub fn uint(&self) -> Result<U256> {
        match self {
            Self::Uint(n) => Ok(*n),
            _ => bad("the value is no unsigned integer"),
        }
    }

    /// The address, if it is one.
    pub fn address(&self) -> Result<Address> {
        match self {
            Self::Address(address) => Ok(*address),
            _ => bad("the value is no address"),
        }
    }
}

/// A type, read from its name.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Type {
    Uint(usize),
    Int(usize),
    Address,
    Bool,
    FixedBytes(usize),
    Bytes,
    String,
    Array(Box<Type>, Option<usize>),
    Tuple(Vec<Type>),
}

impl Type {
    fn parse(name: &str) -> Result<Self> {
        let unknown = || AbiError(format!("{name:?} is no ABI type"));
        if let Some(inner) = name.strip_suffix(']') {
            let (item, length) = inner.rsplit_once('[').ok_or_else(unknown)?;
            let length = if length.is_empty() { None } else { Some(length.parse().map_err(|_| unknown())?) };
            return Ok(Self::Array(Box::new(Self::parse(item)?), length));
        }
        if let Some(inner) = name.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
            return Ok(Self::Tuple(list(inner)?));
        }
        let bits = |text: &str| match text {
            "" => Ok(256),
            text => text.parse().ok().filter(|n| (8..=256).contains(n) && n % 8 == 0).ok_or_else(unknown),
        };
        Ok(match name {
            "address" => Self::Address,
            "bool" => Self::Bool,
            "bytes" => Self::Bytes,
            "string" => Self::String,
            _ => {
                if let Some(text) = name.strip_prefix("uint") {
                    Self::Uint(bits(text)?)
                } else if let Some(text) = name.strip_prefix("int") {
                    Self::Int(bits(text)?)
                } else {
                    let size = name.strip_prefix("bytes").and_then(|text| text.parse().ok());
                    Self::FixedBytes(size.filter(|n| (1..=32).contains(n)).ok_or_else(unknown)?)
                }
            }
        })
    }

    fn is_dynamic(&self) -> bool {
        match self {
            Self::Bytes | Self::String | Self::Array(_, None) => true,
            Self::Array(item, Some(_)) => item.is_dynamic(),
            Self::Tuple(items) => items.iter().any(Self::is_dynamic),
            Self::Uint(_) | Self::Int(_) | Self::Address | Self::Bool | Self::FixedBytes(_) => false,
        }
    }

    /// Bytes that it takes in the head of what holds it.
    fn head(&self) -> usize {
        match self {
            dynamic if dynamic.is_dynamic() => 32,
            Self::Array(item, Some(length)) => item.head() * length,
            Self::Tuple(items) => items.iter().map(Self::head).sum(),
            _ => 32,
        }
    }
}

/// The types of a comma-separated list.
fn list(text: &str) -> Result<Vec<Type>> {
    let (mut depth, mut from, mut types) = (0i32, 0, Vec::new());
    if text.trim().is_empty() {
        return Ok(types);
    }
    for (at, c) in text.char_indices().chain([(text.len(), ',')]) {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                types.push(Type::parse(text[from..at].trim())?);
                from = at + 1;
            }
            _ => {}
        }
    }
    if depth == 0 { Ok(types) } else { bad(format!("{text:?} has unequal parentheses")) }
}

/// `"f(a)(b)"` as the signature `"f(a)"` and what it returns, `"b"`.
pub(crate) fn split(function: &str) -> Result<(&str, &str)> {
    let mut depth = 0;
    for (at, c) in function.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if c == ')' && depth == 0 {
            let (signature, returns) = function.split_at(at + 1);
            let returns = returns.trim().trim_start_matches("returns").trim();
            return match returns.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
                Some(returns) => Ok((signature, returns)),
                None => bad(format!("{function:?} does not say what it returns: name(types)(types)")),
            };
        }
    }
    bad(format!("{function:?} is no function: name(types)(types)"))
}

/// Calldata: the selector of `"name(types)"` and the encoded arguments.
pub fn encode_call(signature: &str, arguments: &[Token]) -> Result<Vec<u8>> {
    let signature: String = signature.chars().filter(|c| !c.is_whitespace()).collect();
    let types = signature.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    let Some(types) = types else { return bad(format!("{signature:?} is no signature: name(types)")) };
    let mut data = keccak256(signature.as_bytes())[..4].to_vec();
    data.extend(encode(types, arguments)?);
    Ok(data)
}

/// Values as the parameters `"types"`.
pub fn encode(types: &str, values: &[Token]) -> Result<Vec<u8>> {
    encode_list(&list(types)?, values)
}

fn encode_list(types: &[Type], values: &[Token]) -> Result<Vec<u8>> {
    if types.len() != values.len() {
        return bad(format!("{} values are needed, and {} are given", types.len(), values.len()));
    }
    let head_len: usize = types.iter().map(Type::head).sum();
    let (mut head, mut tail) = (Vec::with_capacity(head_len), Vec::new());
    for (kind, value) in types.iter().zip(values) {
        let encoded = encode_one(kind, value)?;
        if kind.is_dynamic() {
            head.extend(word(head_len + tail.len()));
            tail.extend(encoded);
        } else {
            head.extend(encoded);
        }
    }
    head.extend(tail);
    Ok(head)
}

fn word(n: usize) -> [u8; 32] {
    U256::from(n as u64).to_be_bytes()
}

fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut padded = bytes.to_vec();
    padded.resize(bytes.len().next_multiple_of(32), 0);
    padded
}

fn encode_one(kind: &Type, value: &Token) -> Result<Vec<u8>> {
    Ok(match (kind, value) {
        (Type::Uint(bits), Token::Uint(n)) => {
            let bytes = n.to_be_bytes();
            if bytes[..32 - bits / 8].iter().any(|b| *b != 0) {
                return bad(format!("{n} does not fit into uint{bits}"));
            }
            bytes.to_vec()
        }
        (Type::Int(bits), Token::Int(n)) => {
            let bytes = n.to_be_bytes();
            let (above, own) = bytes.split_at(32 - bits / 8);
            let sign = if own[0] >> 7 == 1 { 0xff } else { 0 };
            if above.iter().any(|b| *b != sign) {
                return bad(format!("the number does not fit into int{bits}"));
            }
            bytes.to_vec()
        }
        (Type::Address, Token::Address(address)) => [&[0; 12], &address.0[..]].concat(),
        (Type::Bool, Token::Bool(yes)) => word(usize::from(*yes)).to_vec(),
        (Type::FixedBytes(size), Token::FixedBytes(bytes)) if bytes.len() == *size => padded(bytes),
        (Type::Bytes, Token::Bytes(bytes)) => [&word(bytes.len())[..], &padded(bytes)].concat(),
        (Type::String, Token::String(text)) => [&word(text.len())[..], &padded(text.as_bytes())].concat(),
        (Type::Array(item, length), Token::Array(values)) => {
            if length.is_some_and(|length| length != values.len()) {
                return bad(format!("{} items do not fill an array of a fixed length", values.len()));
            }
            let items = encode_list(&vec![(**item).clone(); values.len()], values)?;
            if length.is_some() { items } else { [&word(values.len())[..], &items].concat() }
        }
        (Type::Tuple(types), Token::Tuple(values)) => encode_list(types, values)?,
        _ => return bad("a value is of another kind than its type, or of another length"),
    })
}

/// The values of the parameters `"types"`, from what a contract returned.
pub fn decode(types: &str, data: &[u8]) -> Result<Vec<Token>> {
    decode_list(&list(types)?, data)
}

fn decode_list(types: &[Type], data: &[u8]) -> Result<Vec<Token>> {
    let mut at = 0;
    let mut values = Vec::with_capacity(types.len());
    for kind in types {
        let from = if kind.is_dynamic() { length(data, at)? } else { at };
        values.push(decode_one(kind, data.get(from..).unwrap_or_default())?);
        at += kind.head();
    }
    Ok(values)
}

fn word_at(data: &[u8], at: usize) -> Result<[u8; 32]> {
    let word = at.checked_add(32).and_then(|end| data.get(at..end)?.try_into().ok());
    word.map_or_else(|| bad("the data ends before the value"), Ok)
}

/// A length or offset: one past the data would not be honest.
fn length(data: &[u8], at: usize) -> Result<usize> {
    let n = U256::from_be_bytes(word_at(data, at)?);
    let n = u64::try_from(n).ok().and_then(|n| usize::try_from(n).ok()).filter(|n| *n <= data.len());
    n.map_or_else(|| bad("a length or offset is past the data"), Ok)
}

fn decode_one(kind: &Type, data: &[u8]) -> Result<Token> {
    let bytes = |data: &[u8]| -> Result<Vec<u8>> {
        let len = length(data, 0)?;
        data.get(32..32 + len).map_or_else(|| bad("the data ends before the value"), |b| Ok(b.to_vec()))
    };
    Ok(match kind {
        Type::Uint(_) => Token::Uint(U256::from_be_bytes(word_at(data, 0)?)),
        Type::Int(_) => Token::Int(U256::from_be_bytes(word_at(data, 0)?)),
        Type::Address => {
            let word = word_at(data, 0)?;
            Token::Address(Address(std::array::from_fn(|i| word[12 + i])))
        }
        Type::Bool => Token::Bool(word_at(data, 0)?[31] != 0),
        Type::FixedBytes(size) => Token::FixedBytes(word_at(data, 0)?[..*size].to_vec()),
        Type::Bytes => Token::Bytes(bytes(data)?),
        Type::String => match String::from_utf8(bytes(data)?) {
            Ok(text) => Token::String(text),
            Err(_) => return bad("the string is not UTF-8"),
        },
        Type::Array(item, known) => {
            let (length, items) = match known {
                Some(length) => (*length, data),
                None => (length(data, 0)?, data.get(32..).unwrap_or_default()),
            };
            // Items of no size would be as many as somebody likes.
            if item.head().max(1).saturating_mul(length) > items.len() {
                return bad("the data ends before the array");
            }
            Token::Array(decode_list(&vec![(**item).clone(); length], items)?)
        }
        Type::Tuple(types) => Token::Tuple(decode_list(types, data)?),
    })
}

/// Keccak-256, as Ethereum uses it.
pub fn keccak256(data: &[u8]) -> [u8; 32] {
    const RATE: usize = 136;
    let mut padded = data.to_vec();
    padded.push(1);
    padded.resize(padded.len().next_multiple_of(RATE), 0);
    if let Some(last) = padded.last_mut() {
        *last |= 0x80;
    }
    let mut state = [0u64; 25];
    for block in padded.chunks_exact(RATE) {
        for (lane, bytes) in state.iter_mut().zip(block.chunks_exact(8)) {
            *lane ^= bytes.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b));
        }
        permute(&mut state);
    }
    std::array::from_fn(|i| (state[i / 8] >> (i % 8 * 8)) as u8)
}

/// Keccak-f[1600] of FIPS 202, section 3.3.
fn permute(a: &mut [u64; 25]) {
    let mut lfsr = 1u8;
    for _ in 0..24 {
        let c: [u64; 5] = std::array::from_fn(|x| a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20]);
        for (i, lane) in a.iter_mut().enumerate() {
            *lane ^= c[(i + 4) % 5] ^ c[(i + 1) % 5].rotate_left(1);
        }
        let (mut x, mut y, mut last) = (1, 0, a[1]);
        for t in 0..24 {
            (x, y) = (y, (2 * x + 3 * y) % 5);
            let rotated = last.rotate_left((t + 1) * (t + 2) / 2 % 64);
            last = std::mem::replace(&mut a[x + 5 * y], rotated);
        }
        for row in a.chunks_exact_mut(5) {
            let r: [u64; 5] = std::array::from_fn(|x| row[x]);
            for x in 0..5 {
                row[x] = r[x] ^ (!r[(x + 1) % 5] & r[(x + 2) % 5]);
            }
        }
        for j in 0..7 {
            if lfsr & 1 == 1 {
                a[0] ^= 1 << ((1u32 << j) - 1);
            }
            lfsr = lfsr << 1 ^ if lfsr >> 7 == 1 { 0x71 } else { 0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{from_hex, to_hex};

    #[test]
    fn keccak_of_known_texts() {
        for (text, expect) in [
            ("", "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
            (
                "Transfer(address,address,uint256)",
                "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef",
            ),
        ] {
            assert_eq!(to_hex(&keccak256(text.as_bytes())), expect, "{text}");
        }
        // A text that fills its block, so that the padding is a block of its own.
        assert_eq!(keccak256(&[b'a'; 136]).len(), 32);
        assert_ne!(keccak256(&[b'a'; 135]), keccak256(&[b'a'; 136]));
    }

    /// The example of the ABI specification, section "Use of Dynamic Types".
    #[test]
    fn the_specifications_example_encodes_and_reads_back() {
        let values = [
            Token::Uint(U256::from(0x123u64)),
            Token::Array(vec![0x456u64.into(), 0x789u64.into()]),
            Token::FixedBytes(b"1234567890".to_vec()),
            Token::Bytes(b"Hello, world!".to_vec()),
        ];
        let data = encode_call("f(uint256,uint32[],bytes10,bytes)", &values).expect("it encodes");
        let expect = concat!(
            "0x8be65246",
            "0000000000000000000000000000000000000000000000000000000000000123",
            "0000000000000000000000000000000000000000000000000000000000000080",
            "3132333435363738393000000000000000000000000000000000000000000000",
            "00000000000000000000000000000000000000000000000000000000000000e0",
            "0000000000000000000000000000000000000000000000000000000000000002",
            "0000000000000000000000000000000000000000000000000000000000000456",
            "0000000000000000000000000000000000000000000000000000000000000789",
            "000000000000000000000000000000000000000000000000000000000000000d",
            "48656c6c6f2c20776f726c642100000000000000000000000000000000000000",
        );
        assert_eq!(to_hex(&data), expect);
        assert_eq!(decode("uint256,uint32[],bytes10,bytes", &data[4..]).expect("it decodes"), values);
    }

    #[test]
    fn nested_values_read_back() {
        let who = Token::Address(Address([7; 20]));
        let types = "(address,string)[],int64,bool[2],(uint8,(bytes,uint256[]))";
        let values = [
            Token::Array(vec![
                Token::Tuple(vec![who.clone(), "a".into()]),
                Token::Tuple(vec![who, "longer than a word of the ABI is".into()]),
            ]),
            (-5i64).into(),
            Token::Array(vec![true.into(), false.into()]),
            Token::Tuple(vec![
                255u64.into(),
                Token::Tuple(vec![Token::Bytes(vec![1; 33]), Token::Array(vec![U256::MAX.into()])]),
            ]),
        ];
        let data = encode(types, &values).expect("it encodes");
        assert_eq!(decode(types, &data).expect("it decodes"), values);
        for cut in (0..data.len()).step_by(32) {
            assert!(decode(types, &data[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (types, value) in [
            ("uint8", Token::from(256u64)),
            ("int8", (-129i64).into()),
            ("bytes4", Token::FixedBytes(vec![1; 5])),
            ("bool[2]", Token::Array(vec![true.into()])),
            ("address", "0x00".into()),
            ("uint7", 1u64.into()),
            ("uint256,uint256", 1u64.into()),
            ("bytes33", Token::FixedBytes(vec![1; 33])),
        ] {
            assert!(encode(types, std::slice::from_ref(&value)).is_err(), "{types}: {value:?}");
        }
        let endless = from_hex(&format!("0x{:064x}{}", 32, "f".repeat(64))).expect("hex");
        assert!(decode("uint256[]", &endless).is_err());
        assert!(decode("()[]", &endless).is_err());
    }

    #[test]
    fn a_function_names_what_it_takes_and_returns() {
        assert_eq!(split("f((a,b),c)(d,e)"), Ok(("f((a,b),c)", "d,e")));
        assert_eq!(split("f() returns (uint256)"), Ok(("f()", "uint256")));
        assert!(split("f(uint256)").is_err());
        assert!(split("f").is_err());
    }
}
