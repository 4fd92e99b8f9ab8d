//! The forms in which single values leave the platform, each with its schema.

use argus_domain::{
    Address, B256, Bytes, U256, Value,
    decimal::Decimal,
    ids::{ChainId, JobId},
    time::Timestamp,
};
use serde_json::Number;

macro_rules! shown {
    ($(#[doc = $says:literal])+ $name:ident($inner:ty), $show:expr, $schema:tt) => {
        $(#[doc = $says])+
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name(pub $inner);

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                let show: fn(&$inner, S) -> Result<S::Ok, S::Error> = $show;
                show(&self.0, s)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let mut schema = schemars::json_schema!($schema);
                schema.insert("description".to_owned(), concat!($($says),+).trim().into());
                schema
            }
        }
    };
}

pub(super) use shown;

shown!(
    /// An Ethereum address: 0x and 40 hexadecimal digits.
    Account(Address), |a, s| a.serialize(s),
    {"type": "string", "pattern": "^0x[0-9a-fA-F]{40}$"}
);
shown!(
    /// 32 bytes: 0x and 64 hexadecimal digits.
    Hash(B256), |hash, s| hash.serialize(s),
    {"type": "string", "pattern": "^0x[0-9a-f]{64}$"}
);
shown!(
    /// Bytes: 0x and two hexadecimal digits each.
    Hex(Bytes), |bytes, s| bytes.serialize(s),
    {"type": "string", "pattern": "^0x([0-9a-f]{2})*$"}
);
shown!(
    /// An instant: RFC 3339 in UTC, with milliseconds.
    Instant(Timestamp), |at, s| s.serialize_str(&at.to_rfc3339()),
    {"type": "string", "format": "date-time", "pattern": "^[0-9]{4,}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\\.[0-9]{3}Z$"}
);
shown!(
    /// A job's number: a uint256 in decimal digits.
    JobNumber(JobId), |id, s| s.collect_str(id),
    {"type": "string", "pattern": "^[0-9]{1,78}$"}
);
shown!(
    /// A chain by its number, in decimal digits.
    ChainNumber(ChainId), |id, s| s.collect_str(id),
    {"type": "string", "pattern": "^[0-9]{1,20}$"}
);
shown!(
    /// Wei in decimal digits.
    Wei(U256), |n, s| s.collect_str(n),
    {"type": "string", "pattern": "^[0-9]{1,78}$"}
);
shown!(
    /// Wei as an exact number; past 2^53, which a float parser does not hold, in decimal digits.
    WeiNumber(U256), |n, s| if *n <= U256::from(1u64 << 53) { whole(*n).serialize(s) } else { s.collect_str(n) },
    {"oneOf": [
        {"type": "integer", "minimum": 0, "maximum": 9_007_199_254_740_992_u64},
        {"type": "string", "pattern": "^[0-9]{16,78}$"},
    ]}
);
shown!(
    /// A whole number with all its digits.
    Digits(U256), |n, s| whole(*n).serialize(s),
    {"type": "integer", "minimum": 0}
);
shown!(
    /// Wei as ether, an exact number.
    Ether(U256), |n, s| ether(*n).serialize(s),
    {"type": "number", "minimum": 0}
);
shown!(
    /// A decimal number with all its digits.
    DecimalNumber(Decimal), |d, s| Number::from_string_unchecked(d.to_string()).serialize(s),
    {"type": "number"}
);

shown!(
    /// An argument as it was encoded: integers in decimal digits, bytes and addresses in hexadecimal ones, arrays and tuples as
    /// arrays.
    Argument(Value), |value, s| value.serialize(s),
    {"type": ["string", "boolean", "array"]}
);

fn whole(n: U256) -> Number {
    Number::from_string_unchecked(n.to_string())
}

fn ether(n: U256) -> Number {
    let padded = format!("{:0>19}", n.to_string());
    let (whole, fraction) = padded.split_at(padded.len() - 18);
    let fraction = fraction.trim_end_matches('0');
    let shown = if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") };
    Number::from_string_unchecked(shown)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn amounts_keep_their_digits() {
        for (wei, shown) in [
            ("0", "0"),
            ("1", "0.000000000000000001"),
            ("1000000000000000000", "1"),
            ("1500000000000000000", "1.5"),
        ] {
            assert_eq!(json!(Ether(wei.parse().unwrap())).to_string(), shown);
        }
        assert_eq!(json!(WeiNumber(U256::from(5))).to_string(), "5");
        assert_eq!(json!(WeiNumber(U256::MAX)), json!(U256::MAX.to_string()));
        assert_eq!(json!(Digits(U256::MAX)).to_string(), U256::MAX.to_string());
    }
}
