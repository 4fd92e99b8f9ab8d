//! What a client calls its request, so that its log, its traces and ours can be laid side by side.

use axum::{
    http::{HeaderMap, HeaderValue},
    response::Response,
};

/// Where a request's name stands, in the request and in its answer.
pub const TRACE_ID: &str = "x-trace-id";
/// The same as W3C Trace Context has it, in the request: <https://www.w3.org/TR/trace-context/#traceparent-header>.
pub const TRACEPARENT: &str = "traceparent";
/// Longest name, bytes.
const TRACE_ID_MAX: usize = 128;

/// The trace of a request.
#[derive(Debug, Clone)]
pub struct Trace {
    name: HeaderValue,
    /// The client's own span.
    pub parent: Option<[u8; 8]>,
}

impl Trace {
    /// That which a client told: by X-Trace-ID, else by traceparent. Nameless ones get a name.
    pub fn of(headers: &HeaderMap) -> Self {
        let parent = headers.get(TRACEPARENT).and_then(|value| traceparent(value.to_str().ok()?));
        let told = headers.get(TRACE_ID).filter(|value| {
            (1..=TRACE_ID_MAX).contains(&value.len()) && value.to_str().is_ok_and(|text| text.trim() == text)
        });
        if let Some(name) = told {
            let is_same = |trace: &str| name.as_bytes() == trace.as_bytes();
            return Self {
                name: name.clone(),
                parent: parent.filter(|(trace, _)| is_same(trace)).map(|p| p.1),
            };
        }
        let (name, parent) = match parent {
            Some((trace, span)) => (trace.to_owned(), Some(span)),
            None => (uuid::Uuid::new_v4().to_string(), None),
        };
        Self { name: HeaderValue::from_str(&name).unwrap_or(HeaderValue::from_static("-")), parent }
    }

    /// As text.
    pub fn name(&self) -> &str {
        self.name.to_str().unwrap_or_default()
    }

    /// Names it in an answer.
    pub fn put(self, mut response: Response) -> Response {
        response.headers_mut().insert(TRACE_ID, self.name);
        response
    }
}

/// Trace and span of a header of version 00, or of a later one as far as it is the same. `None`: it is none.
fn traceparent(text: &str) -> Option<(&str, [u8; 8])> {
    let mut parts = text.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |part: &str, digits: usize| {
        part.len() == digits && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let is_none = |part: &str| part.bytes().all(|b| b == b'0');
    let holds = is_hex(version, 2)
        && version != "ff"
        && (version != "00" || parts.next().is_none())
        && is_hex(trace, 32)
        && !is_none(trace)
        && is_hex(span, 16)
        && !is_none(span)
        && is_hex(flags, 2);
    let id = u64::from_str_radix(span, 16).ok().filter(|_| holds)?;
    Some((trace, id.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn of(headers: &[(&'static str, &str)]) -> Trace {
        let parsed = headers.iter().map(|(name, value)| {
            ((*name).parse().expect("a name"), HeaderValue::from_str(value).expect("a value"))
        });
        Trace::of(&parsed.collect())
    }

    #[test]
    fn a_client_names_its_trace_in_either_way() {
        let w3c = format!("00-{TRACE}-00f067aa0ba902b7-01");
        let told = of(&[(TRACEPARENT, &w3c)]);
        assert_eq!((told.name(), told.parent), (TRACE, Some([0, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7])));
        let both = of(&[(TRACEPARENT, &w3c), (TRACE_ID, "mine")]);
        assert_eq!((both.name(), both.parent), ("mine", None), "the span is of another trace");
        let same = of(&[(TRACEPARENT, &w3c), (TRACE_ID, TRACE)]);
        assert!(same.name() == TRACE && same.parent.is_some());
        let later = of(&[(TRACEPARENT, &format!("cc-{TRACE}-00f067aa0ba902b7-01-more"))]);
        assert_eq!(later.name(), TRACE);
        assert!(of(&[]).name().len() == 36 && of(&[]).name() != of(&[]).name());
    }

    #[test]
    fn what_is_no_traceparent_names_nothing() {
        let zero = "0".repeat(32);
        for text in [
            String::new(),
            format!("00-{TRACE}-00f067aa0ba902b7"),
            format!("00-{TRACE}-00f067aa0ba902b7-01-more"),
            format!("ff-{TRACE}-00f067aa0ba902b7-01"),
            format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()),
            format!("00-{zero}-00f067aa0ba902b7-01"),
            format!("00-{TRACE}-0000000000000000-01"),
            format!("00-{TRACE}-00f067aa0ba902b7-1"),
            format!("00-{}-00f067aa0ba902b7-01", &TRACE[1..]),
        ] {
            assert_eq!(traceparent(&text), None, "{text}");
        }
    }
}
