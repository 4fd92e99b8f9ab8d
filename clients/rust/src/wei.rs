//! Amounts.

use std::{fmt, str::FromStr};

use alloy_primitives::U256;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::Value;

/// An amount of wei: 256 bits, written as decimal text, read from text or a whole number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wei(pub U256);

impl fmt::Display for Wei {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Wei {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_decimal = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let value = is_decimal.then(|| U256::from_str_radix(text, 10).ok()).flatten();
        value.map(Self).ok_or_else(|| format!("{text:?} is no whole number of wei"))
    }
}

impl Serialize for Wei {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Wei {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => text.parse(),
            Value::Number(number) => number.to_string().parse(),
            other => Err(format!("{other} is no whole number of wei")),
        }
        .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_keep_all_their_digits() {
        let most = U256::MAX.to_string();
        for (json, text) in [
            ("0".to_owned(), "0"),
            ("9007199254740993".to_owned(), "9007199254740993"),
            ("10000000000000000001".to_owned(), "10000000000000000001"),
            (format!("\"{most}\""), &most),
        ] {
            let wei: Wei = serde_json::from_str(&json).expect("an amount");
            assert_eq!(wei.to_string(), text);
            assert_eq!(serde_json::to_string(&wei).expect("JSON"), format!("\"{text}\""));
        }
        for wrong in ["-1", "1.5", "1e18", "\"\"", "\"0x10\"", "\"+1\"", "null", &format!("\"{most}0\"")] {
            assert!(serde_json::from_str::<Wei>(wrong).is_err(), "{wrong}");
        }
    }
}
