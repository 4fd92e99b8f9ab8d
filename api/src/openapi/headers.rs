//! Headers of answers. Those that every HTTP server, CORS and media types bring along are left out.

use serde_json::{Map, Value, json};

use crate::routes::{Access, Route};

const TRACE: &str = "X-Trace-Id";
const RATE: [&str; 3] = ["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"];
const RETRY: &str = "Retry-After";
const REPLAYED: &str = "Idempotency-Replayed";
const LINK: &str = "Link";
const ALLOW: &str = "Allow";

/// Those that an answer always has, by name.
pub fn components() -> Value {
    let always = [TRACE, RETRY, ALLOW].into_iter().chain(RATE);
    let with_required = |name: &str| {
        let mut header = header(name);
        header["required"] = json!(true);
        (name.to_owned(), header)
    };
    Value::Object(always.map(with_required).collect())
}

/// Those of an answer that is no refusal.
pub fn of_answer(route: &Route) -> Value {
    let mut headers = Map::from_iter([always(TRACE)]);
    match route.access {
        Access::Open => {}
        Access::Limited | Access::Keyed(_) => headers.extend(RATE.map(always)),
    }
    if route.query.iter().any(|query| query.name == "before") {
        headers.extend([sometimes(LINK)]);
    }
    if route.is_once {
        headers.extend([sometimes(REPLAYED)]);
    }
    Value::Object(headers)
}

/// Those of a refusal, whichever route it comes from.
pub fn of_refusal(status: u16) -> Value {
    let mut headers = Map::from_iter([always(TRACE)]);
    match status {
        401 | 403 | 429 => headers.extend(RATE.map(always)),
        405 => headers.extend([always(ALLOW)]),
        414 | 431 => {}
        _ => headers.extend(RATE.map(sometimes)),
    }
    if matches!(status, 429 | 503) {
        headers.extend([always(RETRY)]);
    }
    Value::Object(headers)
}

fn always(name: &str) -> (String, Value) {
    (name.to_owned(), json!({"$ref": format!("#/components/headers/{name}")}))
}

fn sometimes(name: &str) -> (String, Value) {
    (name.to_owned(), header(name))
}

fn header(name: &str) -> Value {
    let (says, schema) = match name {
        "X-RateLimit-Limit" => {
            ("Requests that may be made in a minute", json!({"type": "integer", "minimum": 1}))
        }
        "X-RateLimit-Remaining" => ("Those of them that are left", json!({"type": "integer", "minimum": 0})),
        "X-RateLimit-Reset" => {
            ("Seconds until all of them are there again", json!({"type": "integer", "minimum": 0}))
        }
        RETRY => ("Seconds until another try makes sense", json!({"type": "integer", "minimum": 1})),
        REPLAYED => ("The answer is that of an earlier request of this name", json!({"const": "true"})),
        LINK => (
            "Where the list goes on, if it does (RFC 8288)",
            json!({"type": "string", "pattern": "^<[^>]+>; rel=\"next\"$"}),
        ),
        ALLOW => ("The methods that the path has", json!({"type": "string", "minLength": 1})),
        // The trace, which all answers have.
        _ => ("The request's name in the platform's log", json!({"type": "string", "minLength": 1})),
    };
    json!({"description": says, "schema": schema})
}
