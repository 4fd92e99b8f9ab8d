//! Values that scripts are told, give, and compute with.

use std::{fmt, num::NonZeroU64, str::FromStr};

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value, json};

/// Why a script gives no arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// "Not now", and why: the task ends without a call and without a fault.
    Skip(String),
    /// What went wrong.
    Failed(String),
}

/// What most functions here give.
pub type Result<T> = std::result::Result<T, Error>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Skip(reason) => write!(f, "skipped: {reason}"),
            Self::Failed(reason) => f.write_str(reason),
        }
    }
}

/// Whatever goes wrong in a script, `?` makes its failure. [`Error`] itself is no `std::error::Error`, as this
/// conversion would then be two.
impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Why a host call was not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostError {
    /// `invalid`, `denied`, `timeout`, `transport` or `reverted`. A limit ends the run and is never seen here.
    pub kind: String,
    /// For people.
    pub message: String,
    /// Revert data, as 0x hex.
    pub data: Option<String>,
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}

impl std::error::Error for HostError {}

/// A text that cannot be read as what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed(pub(crate) String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Malformed {}

/// Reads `{"ok": ...}` or `{"err": ...}`.
#[cfg(target_arch = "wasm32")]
pub(crate) fn reply(bytes: &[u8]) -> std::result::Result<Value, HostError> {
    let mut reply: Value = serde_json::from_slice(bytes).unwrap_or_default();
    if reply["err"].is_null() {
        return Ok(reply["ok"].take());
    }
    let mut error = object(Some(reply["err"].take()));
    let data = error.remove("data").as_ref().and_then(Value::as_str).map(str::to_owned);
    Err(HostError { kind: text(error.remove("kind")), message: text(error.remove("message")), data })
}

/// The largest power of ten in a limb.
const CHUNK: NonZeroU64 = NonZeroU64::new(10_000_000_000_000_000_000).unwrap();

/// A member that is text; what is absent is empty.
fn text(value: Option<Value>) -> String {
    match value {
        Some(Value::String(text)) => text,
        _ => String::new(),
    }
}

/// A member that is an object; what is absent is empty.
#[cfg(target_arch = "wasm32")]
fn object(value: Option<Value>) -> Map<String, Value> {
    match value {
        Some(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

/// What a script is told.
#[derive(Debug, Clone)]
pub struct Context {
    /// The job, a decimal number.
    pub job_id: String,
    /// The task.
    pub task_id: String,
    /// When it was due, RFC 3339. The script's clock starts there.
    pub due: String,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// What set it off.
    pub trigger: Trigger,
    /// The job's static arguments.
    pub arguments: Vec<Value>,
    /// Per chain id: `{"number", "hash"}` of the block at which the run reads.
    pub pinned: Map<String, Value>,
}

impl Context {
    /// All empty.
    pub(crate) fn nothing() -> Self {
        Self {
            job_id: String::new(),
            task_id: String::new(),
            due: String::new(),
            attempt: 0,
            trigger: Trigger { kind: String::new(), details: Map::new() },
            arguments: Vec::new(),
            pinned: Map::new(),
        }
    }
}

impl Default for Context {
    /// A run that is told nothing: due at 2025-01-01T00:00:00Z.
    fn default() -> Self {
        Self {
            job_id: "1".to_owned(),
            task_id: format!("0x{}", "00".repeat(32)),
            due: "2025-01-01T00:00:00.000Z".to_owned(),
            attempt: 1,
            trigger: Trigger { kind: "time".to_owned(), details: Map::new() },
            arguments: Vec::new(),
            pinned: Map::new(),
        }
    }
}

/// As the host writes it; what is absent is empty. Read without a tree in between, which is a part of what every script
/// costs.
impl<'de> Deserialize<'de> for Context {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        from.deserialize_map(Fields)
    }
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Context;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a context")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> std::result::Result<Context, A::Error> {
        let mut context = Context::nothing();
        while let Some(name) = fields.next_key::<String>()? {
            match name.as_str() {
                "job_id" => context.job_id = fields.next_value()?,
                "task_id" => context.task_id = fields.next_value()?,
                "due" => context.due = fields.next_value()?,
                "attempt" => context.attempt = fields.next_value()?,
                "trigger" => {
                    let mut details: Map<String, Value> = fields.next_value()?;
                    context.trigger = Trigger { kind: text(details.remove("kind")), details };
                }
                "arguments" => context.arguments = fields.next_value()?,
                "pinned" => context.pinned = fields.next_value()?,
                _ => drop(fields.next_value::<IgnoredAny>()?),
            }
        }
        Ok(context)
    }
}

/// What set a task off.
#[derive(Debug, Clone)]
pub struct Trigger {
    /// `time`, `event`, `condition` or `manual`.
    pub kind: String,
    /// The rest: for an event `chain_id`, `block_number`, `tx_hash`, `log`; for a condition `value`.
    pub details: Map<String, Value>,
}

/// The arguments of the call, in order; [`crate::arguments!`] makes them.
#[derive(Debug, Clone, PartialEq)]
pub struct Arguments(pub Vec<Value>);

impl From<Arguments> for Value {
    fn from(arguments: Arguments) -> Self {
        Self::Array(arguments.0)
    }
}

/// What the script of a job of kind 7 gives: whom to call, and with what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Called contract.
    pub target: Address,
    /// Complete calldata.
    pub calldata: Vec<u8>,
}

impl From<Call> for Value {
    fn from(call: Call) -> Self {
        json!({
            "shouldExecute": true, "targetContract": call.target.to_string(), "calldata": to_hex(&call.calldata),
        })
    }
}

/// Bytes as 0x hex.
pub fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]]);
    "0x".chars().chain(digits.map(char::from)).collect()
}

/// The bytes of 0x hex.
pub fn from_hex(text: &str) -> std::result::Result<Vec<u8>, Malformed> {
    let bad = || Malformed(format!("{text:?} is no 0x hex"));
    let digits = text.strip_prefix("0x").ok_or_else(bad)?.as_bytes();
    let digit = |c: u8| char::from(c).to_digit(16).ok_or_else(bad);
    digits
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Ok((digit(*high)? << 4 | digit(*low)?) as u8),
            _ => Err(bad()),
        })
        .collect()
}

/// An address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(pub [u8; 20]);

impl FromStr for Address {
    type Err = Malformed;

    fn from_str(text: &str) -> std::result::Result<Self, Malformed> {
        let bytes = from_hex(text)?;
        bytes.try_into().map(Self).map_err(|_| Malformed(format!("{text:?} is no address: 20 bytes")))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_hex(&self.0))
    }
}

impl From<Address> for Value {
    fn from(address: Address) -> Self {
        Self::String(address.to_string())
    }
}

/// An unsigned integer of 256 bits. Limbs of 64 bits, the lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct U256([u64; 4]);

impl U256 {
    /// 0.
    pub const ZERO: Self = Self([0; 4]);
    /// 2^256 - 1.
    pub const MAX: Self = Self([u64::MAX; 4]);

    /// From 32 big-endian bytes, as the ABI has them.
    pub fn from_be_bytes(bytes: [u8; 32]) -> Self {
        let mut limbs = [0; 4];
        for (i, byte) in bytes.iter().rev().enumerate() {
            limbs[i / 8] |= u64::from(*byte) << (i % 8 * 8);
        }
        Self(limbs)
    }

    /// To 32 big-endian bytes.
    pub fn to_be_bytes(self) -> [u8; 32] {
        std::array::from_fn(|i| (self.0[(31 - i) / 8] >> ((31 - i) % 8 * 8)) as u8)
    }

    /// The sum, if it fits.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let mut carry = 0u128;
        let limbs = std::array::from_fn(|i| {
            let sum = u128::from(self.0[i]) + u128::from(other.0[i]) + carry;
            carry = sum >> 64;
            sum as u64
        });
        (carry == 0).then_some(Self(limbs))
    }

    /// The difference, if it is not negative.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        let mut borrow = false;
        let limbs = std::array::from_fn(|i| {
            let (less, a) = self.0[i].overflowing_sub(other.0[i]);
            let (less, b) = less.overflowing_sub(u64::from(borrow));
            borrow = a || b;
            less
        });
        (!borrow).then_some(Self(limbs))
    }

    /// The product, if it fits.
    pub fn checked_mul(self, other: Self) -> Option<Self> {
        let mut limbs = [0u64; 8];
        for i in 0..4 {
            let mut carry = 0u128;
            for j in 0..4 {
                let sum = u128::from(self.0[i]) * u128::from(other.0[j]) + u128::from(limbs[i + j]) + carry;
                limbs[i + j] = sum as u64;
                carry = sum >> 64;
            }
            limbs[i + 4] = carry as u64;
        }
        let [a, b, c, d, rest @ ..] = limbs;
        (rest == [0; 4]).then_some(Self([a, b, c, d]))
    }

    /// Quotient and remainder; `None` for a divisor of zero.
    pub fn div_rem(self, divisor: Self) -> Option<(Self, Self)> {
        if divisor == Self::ZERO {
            return None;
        }
        if let [short, 0, 0, 0] = divisor.0 {
            let (quotient, rest) = self.div_rem_short(short.try_into().ok()?);
            return Some((quotient, rest.into()));
        }
        let (mut quotient, mut rest) = (Self::ZERO, Self::ZERO);
        for bit in (0..256).rev() {
            let carried = rest.0[3] >> 63 == 1;
            rest = Self(std::array::from_fn(|i| {
                let from_below =
                    if i == 0 { self.0[bit / 64] >> (bit % 64) & 1 } else { rest.0[i - 1] >> 63 };
                rest.0[i] << 1 | from_below
            }));
            // A remainder past 2^256 is above every divisor; subtracting wraps it back below.
            if carried || rest >= divisor {
                rest = rest.wrapping_sub(divisor);
                quotient.0[bit / 64] |= 1 << (bit % 64);
            }
        }
        Some((quotient, rest))
    }

    fn wrapping_sub(self, other: Self) -> Self {
        let mut borrow = 0;
        Self(std::array::from_fn(|i| {
            let (less, a) = self.0[i].overflowing_sub(other.0[i]);
            let (less, b) = less.overflowing_sub(borrow);
            borrow = u64::from(a || b);
            less
        }))
    }

    /// Itself times a power of ten and as many digits, if that fits.
    fn pushed(self, power: u64, digits: u64) -> Option<Self> {
        let mut carry = u128::from(digits);
        let limbs = self.0.map(|limb| {
            carry += u128::from(limb) * u128::from(power);
            let low = carry as u64;
            carry >>= 64;
            low
        });
        (carry == 0).then_some(Self(limbs))
    }

    /// Quotient and remainder. Most numbers are short, and their first limbs cost nothing.
    fn div_rem_short(mut self, divisor: NonZeroU64) -> (Self, u64) {
        let mut rest = 0;
        for limb in self.0.iter_mut().rev() {
            (*limb, rest) = if rest == 0 {
                (*limb / divisor, *limb % divisor)
            } else {
                let (high, divisor) = (u128::from(rest) << 64 | u128::from(*limb), u128::from(divisor.get()));
                ((high / divisor) as u64, (high % divisor) as u64)
            };
        }
        (self, rest)
    }

    /// A decimal number times 10^`decimals`, exact; digits past them are cut. `"1.5"` with 2 is 150.
    pub fn parse_units(text: &str, decimals: u32) -> std::result::Result<Self, Malformed> {
        let text = text.trim().trim_matches('"');
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        let bad = || Malformed(format!("{text:?} is no decimal number that fits"));
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() && part.is_empty() || !digits(whole) || !digits(part) {
            return Err(bad());
        }
        let part = part.bytes().chain(std::iter::repeat(b'0')).take(decimals as usize);
        // As many digits at a time as a limb has room for.
        let (mut number, mut power, mut last) = (Self::ZERO, 1u64, 0u64);
        for b in whole.bytes().chain(part) {
            if power == CHUNK.get() {
                number = number.pushed(power, last).ok_or_else(bad)?;
                (power, last) = (1, 0);
            }
            (power, last) = (power * 10, last * 10 + u64::from(b - b'0'));
        }
        number.pushed(power, last).ok_or_else(bad)
    }

    /// The number over 10^`decimals`, without trailing zeros: 150 with 2 is `1.5`.
    pub fn format_units(self, decimals: usize) -> String {
        let digits = format!("{:0>1$}", self.to_string(), decimals + 1);
        let (whole, part) = digits.split_at(digits.len() - decimals);
        match part.trim_end_matches('0') {
            "" => whole.to_owned(),
            part => format!("{whole}.{part}"),
        }
    }
}

impl PartialOrd for U256 {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for U256 {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.iter().rev().cmp(other.0.iter().rev())
    }
}

impl From<u64> for U256 {
    fn from(n: u64) -> Self {
        Self([n, 0, 0, 0])
    }
}

impl From<u128> for U256 {
    fn from(n: u128) -> Self {
        Self([n as u64, (n >> 64) as u64, 0, 0])
    }
}

impl TryFrom<U256> for u64 {
    type Error = Malformed;

    fn try_from(n: U256) -> std::result::Result<Self, Malformed> {
        match n.0 {
            [low, 0, 0, 0] => Ok(low),
            _ => Err(Malformed(format!("{n} does not fit into 64 bits"))),
        }
    }
}

impl FromStr for U256 {
    type Err = Malformed;

    /// Decimal, or 0x hex.
    fn from_str(text: &str) -> std::result::Result<Self, Malformed> {
        let Some(digits) = text.strip_prefix("0x") else { return Self::parse_units(text, 0) };
        let bad = || Malformed(format!("{text:?} is no number of 256 bits"));
        if digits.is_empty() || digits.len() > 64 {
            return Err(bad());
        }
        let bytes = from_hex(&format!("0x{digits:0>64}"))?;
        Ok(Self::from_be_bytes(bytes.try_into().map_err(|_| bad())?))
    }
}

impl fmt::Display for U256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut rest, mut chunks) = (*self, Vec::new());
        loop {
            let (quotient, part) = rest.div_rem_short(CHUNK);
            chunks.push(part);
            rest = quotient;
            if rest == Self::ZERO {
                break;
            }
        }
        let mut text = chunks.pop().unwrap_or_default().to_string();
        for chunk in chunks.iter().rev() {
            text.push_str(&format!("{chunk:019}"));
        }
        f.pad_integral(true, "", &text)
    }
}

impl From<U256> for Value {
    /// Decimal text: exact wherever it goes.
    fn from(n: U256) -> Self {
        Self::String(n.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn n(text: &str) -> U256 {
        text.parse().expect(text)
    }

    #[test]
    fn numbers_of_256_bits() {
        let max = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
        assert_eq!(U256::MAX.to_string(), max);
        assert_eq!(n(max), U256::MAX);
        assert_eq!(n(&format!("0x{}", "f".repeat(64))), U256::MAX);
        assert!(max.replace("935", "936").parse::<U256>().is_err());
        assert_eq!(U256::MAX.checked_add(n("1")), None);
        assert_eq!(n("0").checked_sub(n("1")), None);
        assert_eq!(n("18446744073709551616").checked_sub(n("1")), Some(U256::from(u64::MAX)));
        let (a, b) =
            (n("340282366920938463463374607431768211457"), n("340282366920938463463374607431768211455"));
        assert_eq!(a.checked_mul(b).expect("it fits"), U256::MAX);
        assert_eq!(a.checked_mul(a), None);
        assert_eq!(U256::MAX.div_rem(a), Some((b, U256::ZERO)));
        assert_eq!(n("1000").div_rem(n("7")), Some((n("142"), n("6"))));
        let high = n(&format!("0x8{}1", "0".repeat(62)));
        assert_eq!(
            U256::MAX.div_rem(high).map(|(q, r)| (q, r.checked_add(high))),
            Some((n("1"), Some(U256::MAX)))
        );
        assert_eq!(n("1").div_rem(U256::ZERO), None);
        assert_eq!(U256::from_be_bytes(a.to_be_bytes()), a);
        assert!(n("18446744073709551616") > n("18446744073709551615"));
    }

    #[test]
    fn quotient_and_remainder_make_the_number_again() {
        let mut seed = 1u64;
        let mut next = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            seed.rotate_left(29)
        };
        for round in 0..2_000 {
            // Of each length.
            let mut number = || {
                U256(std::array::from_fn(
                    |i| if i <= next() as usize % 4 { next() >> (next() % 64) } else { 0 },
                ))
            };
            let (n, divisor) = (number(), number());
            let Some((quotient, rest)) = n.div_rem(divisor) else { continue };
            assert!(rest < divisor, "{round}: {n:?} by {divisor:?}");
            let product = quotient.checked_mul(divisor).expect("it is no more than the number");
            assert_eq!(product.checked_add(rest), Some(n), "{round}: {n:?} by {divisor:?}");
            assert_eq!(n.to_string().parse(), Ok(n), "{round}");
        }
    }

    #[test]
    fn units_are_exact() {
        for (text, decimals, expect) in [
            ("1.5", 2, "150"),
            ("3012.123456789", 8, "301212345678"),
            ("7", 18, "7000000000000000000"),
            (".5", 1, "5"),
            ("\"2.0\"", 0, "2"),
        ] {
            assert_eq!(U256::parse_units(text, decimals).expect(text).to_string(), expect);
        }
        for text in ["", ".", "-1", "1e3", "1.2.3", "0x1"] {
            assert!(U256::parse_units(text, 2).is_err(), "{text}");
        }
        assert_eq!(n("150").format_units(2), "1.5");
        assert_eq!(n("5").format_units(3), "0.005");
        assert_eq!(n("700").format_units(2), "7");
    }

    #[test]
    fn a_context_is_what_the_host_writes() {
        let context = serde_json::from_value::<Context>(json!({
            "job_id": "7", "due": "2025-06-01T12:00:00.000Z", "attempt": 2, "arguments": [1],
            "trigger": { "kind": "condition", "value": "5" }, "pinned": { "1": { "number": 9 } },
        }))
        .expect("a context");
        assert_eq!((context.job_id.as_str(), context.attempt, context.arguments.len()), ("7", 2, 1));
        assert_eq!(
            (context.trigger.kind.as_str(), &context.trigger.details["value"]),
            ("condition", &json!("5"))
        );
        assert_eq!(context.pinned["1"]["number"], 9);
    }

    #[test]
    fn hex_and_addresses() {
        assert_eq!(from_hex("0x00ff").expect("hex"), [0, 255]);
        assert_eq!(to_hex(&[0, 255]), "0x00ff");
        for text in ["00", "0x0", "0xg0", "0x+f", "0xé"] {
            assert!(from_hex(text).is_err(), "{text}");
        }
        assert!("0x00".parse::<Address>().is_err());
    }
}
