//! JSON in and out. Bodies are parsed whatever their Content-Type says: several clients send `text/plain`.

use std::collections::BTreeMap;

use argus_domain::{Address, decimal::Decimal};
use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use serde::Serialize;
use serde_json::Value;

use crate::errors::ApiError;

/// A JSON answer.
pub fn reply<T: Serialize>(status: StatusCode, value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => {
            let mut response = Response::new(Body::from(bytes));
            *response.status_mut() = status;
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        Err(cause) => {
            tracing::error!(%cause, "an answer could not be written");
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
    }
}

/// Levels of nesting that the parser takes.
pub const DEPTH_MAX: usize = 127;

/// Parses a body. Of repeated keys in an object the last one counts.
pub fn parse(body: &[u8]) -> Result<Value, ApiError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(ApiError::bad_request("the body is empty; send JSON"));
    }
    serde_json::from_slice(body).map_err(|e| ApiError::bad_request(format!("the body is no JSON: {e}")))
}

/// Parses a body that may be empty, which then means `{}`.
pub fn parse_or_empty(body: &[u8]) -> Result<Value, ApiError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    parse(body)
}

/// The pairs of a query string; of repeated names the last one counts.
pub fn query(text: &str) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

/// A whole number in any form that clients send: `7`, `"7"`, `7.0`, `7e0`. `None` where it is none or too large.
pub fn whole(value: &Value) -> Option<u64> {
    let text = scalar_text(value)?;
    let decimal: Decimal = text.parse().ok()?;
    decimal.to_string().parse().ok()
}

/// A decimal in any form that clients send, exact.
pub fn decimal(value: &Value) -> Option<Decimal> {
    scalar_text(value)?.parse().ok()
}

/// The text of a number or a string.
pub fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::Number(n) => Some(n.to_string()),
        Value::String(s) => Some(s.trim().to_owned()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A flag in any form that clients send.
pub fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(b) => Some(*b),
        Value::String(s) if s.eq_ignore_ascii_case("true") => Some(true),
        Value::String(s) if s.eq_ignore_ascii_case("false") || s.is_empty() => Some(false),
        Value::Number(n) => match n.to_string().as_str() {
            "0" => Some(false),
            "1" => Some(true),
            _ => None,
        },
        Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// An address as clients write it: 0x and 40 hexadecimal digits in any case.
pub fn address(text: &str) -> Option<Address> {
    let digits = text.trim().strip_prefix("0x").or_else(|| text.trim().strip_prefix("0X"))?;
    (digits.len() == 40).then(|| digits.parse().ok()).flatten()
}

/// The integer by which clients know an address: its first 48 bits, so that a JSON number holds it.
pub fn address_number(address: Address) -> u64 {
    address.0.iter().take(6).fold(0, |n, byte| (n << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_every_form() {
        for (text, expect) in [
            ("7", Some(7)),
            ("\"7\"", Some(7)),
            ("7.0", Some(7)),
            ("7e0", Some(7)),
            ("\" 7 \"", Some(7)),
            ("7.5", None),
            ("-1", None),
            ("\"\"", None),
            ("true", None),
            ("1e99", None),
        ] {
            let value: Value = serde_json::from_str(text).unwrap();
            assert_eq!(whole(&value), expect, "{text}");
        }
    }

    #[test]
    fn nesting_ends_where_it_is_said_to() {
        for (depth, good) in [(DEPTH_MAX, true), (DEPTH_MAX + 1, false)] {
            let body = [vec![b'['; depth], vec![b']'; depth]].concat();
            assert_eq!(parse(&body).is_ok(), good, "{depth}");
        }
    }

    #[test]
    fn addresses_need_forty_digits() {
        for (text, good) in [
            ("0x1111111111111111111111111111111111111111", true),
            ("0X1111111111111111111111111111111111111111", true),
            ("1111111111111111111111111111111111111111", false),
            ("0x11", false),
            ("0x111111111111111111111111111111111111111g", false),
            ("", false),
        ] {
            assert_eq!(address(text).is_some(), good, "{text}");
        }
    }
}
