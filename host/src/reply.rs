//! What a host call comes back with, and its one text form: what reactors get, what the transcript holds.

use argus_domain::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Kinds of error that a guest can tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ErrorKind {
    /// The request is malformed.
    Invalid,
    /// The run may not do this.
    Denied,
    /// No answer in time.
    Timeout,
    /// Name, connection or protocol; a node that does not answer.
    Transport,
    /// An EVM call reverted.
    Reverted,
    /// A limit: the run ends here, and so does its replay.
    Limit,
}

/// An error as guests see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CallError {
    pub kind: ErrorKind,
    pub message: String,
    /// Revert data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Bytes>,
}

/// An HTTP answer after redirects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HttpAnswer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: bytes::Bytes,
    /// Where the answer came from.
    pub url: String,
}

/// What came back, and how many further HTTP calls (redirect hops) it took.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reply {
    pub result: Result<Answer, CallError>,
    pub hops: u32,
}

/// A good answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    Http(HttpAnswer),
    Json(Value),
}

/// The text form as it is written: a tree of values would cost what the call itself does.
#[derive(Serialize)]
struct Written<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    ok: Option<Good<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    err: Option<&'a CallError>,
    #[serde(skip_serializing_if = "is_zero")]
    hops: u32,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Good<'a> {
    Http {
        status: u16,
        headers: &'a [(String, String)],
        #[serde(skip_serializing_if = "Option::is_none")]
        body: Option<Bytes>,
        url: &'a str,
    },
    Json(&'a Value),
}

impl<'a> Good<'a> {
    fn http(answer: &'a HttpAnswer, body: Option<Bytes>) -> Self {
        Self::Http { status: answer.status, headers: &answer.headers, body, url: &answer.url }
    }
}

impl Written<'_> {
    fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// And as it is read.
#[derive(Deserialize)]
struct Text {
    #[serde(default, deserialize_with = "present")]
    ok: Option<Value>,
    #[serde(default)]
    err: Option<CallError>,
    #[serde(default)]
    hops: u32,
}

#[derive(Deserialize)]
struct HttpText {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
    url: String,
}

/// `{"ok": null}` is an answer.
fn present<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(d).map(Some)
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

impl Reply {
    pub fn ok(value: Value) -> Self {
        Self { result: Ok(Answer::Json(value)), hops: 0 }
    }

    pub fn err(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { result: Err(CallError { kind, message: message.into(), data: None }), hops: 0 }
    }

    /// The canonical JSON: `{"ok": ...}` or `{"err": ...}`, with `hops` where there were any.
    pub fn text(&self) -> String {
        let (ok, err) = match &self.result {
            Ok(Answer::Json(value)) => (Some(Good::Json(value)), None),
            Ok(Answer::Http(answer)) => (Some(Good::http(answer, Some(Bytes(answer.body.clone())))), None),
            Err(error) => (None, Some(error)),
        };
        Written { ok, err, hops: self.hops }.text()
    }

    /// Reads what [`Reply::text`] wrote for a call of that kind; `None` for anything else.
    pub fn parse(text: &str, is_http: bool) -> Option<Self> {
        let text: Text = serde_json::from_str(text).ok()?;
        let result = match (text.ok, text.err) {
            (Some(value), None) if is_http => {
                let http: HttpText = serde_json::from_value(value).ok()?;
                let body = hex::decode(http.body.strip_prefix("0x")?).ok()?;
                Ok(Answer::Http(HttpAnswer {
                    status: http.status,
                    headers: http.headers,
                    body: body.into(),
                    url: http.url,
                }))
            }
            (Some(value), None) => Ok(Answer::Json(value)),
            (None, Some(error)) => Err(error),
            _ => return None,
        };
        Some(Self { result, hops: text.hops })
    }

    /// For the JavaScript engine: JSON without the body, an answer's status first, and the body as bytes.
    pub fn head_and_body(&self) -> (String, bytes::Bytes) {
        match &self.result {
            Ok(Answer::Http(answer)) => {
                let head = Written { ok: Some(Good::http(answer, None)), err: None, hops: 0 };
                (head.text(), answer.body.clone())
            }
            _ => (self.text(), bytes::Bytes::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_text_form_reads_back() {
        let http = Reply {
            result: Ok(Answer::Http(HttpAnswer {
                status: 200,
                headers: vec![("content-type".into(), "text/plain".into())],
                body: bytes::Bytes::from_static(b"\x00\xff"),
                url: "https://a.example/".into(),
            })),
            hops: 2,
        };
        assert_eq!(Reply::parse(&http.text(), true), Some(http));
        for reply in [
            Reply::ok(Value::Null),
            Reply::ok(json!("0x00")),
            Reply::err(ErrorKind::Denied, "no"),
            Reply {
                result: Err(CallError {
                    kind: ErrorKind::Reverted,
                    message: "r".into(),
                    data: Some(vec![1].into()),
                }),
                hops: 0,
            },
        ] {
            assert_eq!(Reply::parse(&reply.text(), false), Some(reply.clone()), "{}", reply.text());
        }
        assert_eq!(Reply::parse("{}", true), None);
        assert_eq!(Reply::parse("junk", false), None);
    }
}
