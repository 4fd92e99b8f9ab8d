//! Exact decimals: thresholds, observed values and prices never pass through a floating point number.

use std::{cmp::Ordering, fmt, str::FromStr};

use alloy_primitives::U256;
use bigdecimal::{BigDecimal, Zero, num_bigint::BigInt};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A decimal number, exact, of at most [`Decimal::DIGITS_MAX`] digits before and after the point.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Decimal(BigDecimal);

/// Why a text is no decimal of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadDecimal {
    /// No number.
    #[error("not a decimal number")]
    Syntax,
    /// A number whose size would be a burden: `1e1000000000` must cost nothing.
    #[error("more than {} digits before or after the point", Decimal::DIGITS_MAX)]
    TooLong,
}

impl Decimal {
    /// Enough for a uint256 (78 digits) with 18 decimals on either side.
    pub const DIGITS_MAX: usize = 120;

    /// Zero.
    pub fn zero() -> Self {
        Self(BigDecimal::zero())
    }

    /// Whether `difference` is at most this fraction `of` a size; exact.
    pub fn allows(&self, difference: U256, of: U256) -> bool {
        let exact = |n: U256| BigDecimal::from_str(&n.to_string()).unwrap_or_default();
        exact(difference) <= &self.0 * exact(of)
    }

    /// The least fraction that allows this difference `of` a size, rounded up to a hundredth of a per cent.
    pub fn least_that_allows(difference: U256, of: U256) -> Self {
        let exact = |n: U256| BigInt::from_str(&n.to_string()).unwrap_or_default();
        if difference.is_zero() || of.is_zero() {
            return Self::zero();
        }
        let parts = (exact(difference) * 10_000u32 + exact(of) - 1u32) / exact(of);
        Self(BigDecimal::new(parts, 4).normalized())
    }

    /// Whether it is zero.
    pub fn is_zero(&self) -> bool {
        self.0.is_zero()
    }
}

impl From<u32> for Decimal {
    fn from(n: u32) -> Self {
        Self(BigDecimal::from(n))
    }
}

impl FromStr for Decimal {
    type Err = BadDecimal;

    /// JSON's number grammar, a leading `+` and white space around it allowed: `12`, `-0.5`, `2.0e+21`.
    fn from_str(text: &str) -> Result<Self, BadDecimal> {
        let text = text.trim();
        let body = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (mantissa, exponent) = match body.split_once(['e', 'E']) {
            Some((m, e)) => (m, e.parse::<i32>().map_err(|_| exponent_fault(e))?),
            None => (body, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        let point_without_digits = mantissa.contains('.') && fraction.is_empty();
        if whole.is_empty() || point_without_digits || !digits(whole) || !digits(fraction) {
            return Err(BadDecimal::Syntax);
        }
        let shift = i64::from(exponent);
        let (before, after) =
            (whole.trim_start_matches('0').len() as i64 + shift, fraction.len() as i64 - shift);
        let max = Self::DIGITS_MAX as i64;
        if before > max || after > max || whole.len() + fraction.len() > 2 * Self::DIGITS_MAX {
            return Err(BadDecimal::TooLong);
        }
        BigDecimal::from_str(text.strip_prefix('+').unwrap_or(text))
            .map(|d| Self(d.normalized()))
            .map_err(|_| BadDecimal::Syntax)
    }
}

/// An exponent that is a number but fits no i32 is a size fault, anything else a syntax fault.
fn exponent_fault(text: &str) -> BadDecimal {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        BadDecimal::TooLong
    } else {
        BadDecimal::Syntax
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_plain_string())
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_clients_send() {
        for (text, shown) in [
            ("12", "12"),
            ("-0.50", "-0.5"),
            ("2.000786e+21", "2000786000000000000000"),
            ("1e-18", "0.000000000000000001"),
            (" +7 ", "7"),
            ("0", "0"),
        ] {
            assert_eq!(text.parse::<Decimal>().map(|d| d.to_string()), Ok(shown.to_owned()), "{text}");
        }
        for (text, fault) in [
            ("", BadDecimal::Syntax),
            ("abc", BadDecimal::Syntax),
            ("NaN", BadDecimal::Syntax),
            ("1.", BadDecimal::Syntax),
            (".5", BadDecimal::Syntax),
            ("1e", BadDecimal::Syntax),
            ("1_000", BadDecimal::Syntax),
            ("1e999999999", BadDecimal::TooLong),
            ("1e-999999999", BadDecimal::TooLong),
            ("1e99999999999999999999", BadDecimal::TooLong),
        ] {
            assert_eq!(text.parse::<Decimal>(), Err(fault), "{text}");
        }
    }

    #[test]
    fn the_least_fraction_allows_and_a_smaller_one_does_not() {
        for (difference, of, expect) in
            [(0, 5, "0"), (11, 1011, "0.0109"), (1, 3, "0.3334"), (2, 1, "2"), (1, 10, "0.1")]
        {
            let (difference, of) = (U256::from(difference), U256::from(of));
            let least = Decimal::least_that_allows(difference, of);
            assert_eq!(least.to_string(), expect);
            assert!(least.allows(difference, of), "{expect}");
        }
        assert!(Decimal::least_that_allows(U256::MAX, U256::MAX).allows(U256::MAX, U256::MAX));
    }

    #[test]
    fn equal_numbers_are_equal_however_written() {
        let d = |s: &str| s.parse::<Decimal>().expect(s);
        assert_eq!(d("1.0"), d("1"));
        assert_eq!(d("10e-1"), d("1"));
        assert!(d("0.1") < d("0.10000000000000000001"));
    }
}
