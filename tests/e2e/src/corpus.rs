//! Requests of the original clients with the replies that they expect, kept as files and sent to the built program.
//!
//! A file is `{"why", "steps": [..]}`; a step has `request` ("PUT /api/jobs/delete/${first}"), and where they matter
//! `key` ("app", "user", "admin", "none"), `headers`, `body` (JSON, or a text that is sent as it is), `status` (200),
//! `reply`, `keep` (names for values of the reply, by JSON pointer) and `within` (seconds for which it is sent again until the
//! reply fits). `${name}` is replaced by what was kept, by what the caller gave, and `${new:x}` by a job id of its own for
//! every x.
//!
//! A reply fits if it has every field of the expected one; it may have more. In place of a value stands what it must be:
//! `<text>`, `<number>`, `<flag>`, `<list>`, `<object>`, `<time>`, `<digits>` (a text of digits), `<hex>`, `<null>`, `<any>`. A
//! list has as many elements, or is `["<each>", X]`, of which every element is X, or `["<some>", X]`, of which one is.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{Platform, jobs};

/// Between two attempts of a step that may take a while.
const AGAIN: Duration = Duration::from_millis(200);

/// The corpus, in its order.
///
/// # Panics
/// If the folder cannot be read.
pub fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("the corpus").map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    files
}

/// Sends the steps of a file one after the other; gives how many there were.
///
/// # Panics
/// If a reply does not fit, with all that is known of it.
pub async fn play(platform: &Platform, file: &Path, mut names: BTreeMap<String, String>) -> usize {
    let text = std::fs::read_to_string(file).expect("a file of the corpus");
    let corpus: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let steps = corpus["steps"].as_array().expect("steps");
    for (index, step) in steps.iter().enumerate() {
        let step = filled(step, &mut names);
        let until = Instant::now() + Duration::from_secs(step["within"].as_u64().unwrap_or_default());
        loop {
            let (status, text) = send(platform, &step).await;
            let expected = step["status"].as_u64().unwrap_or(200);
            let reply: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
            let fits = match expected == u64::from(status) {
                false => Err(format!("the status is {status}, not {expected}")),
                true => step.get("reply").map_or(Ok(()), |pattern| fit(pattern, &reply, "reply")),
            };
            match fits {
                Ok(()) => {
                    for (name, pointer) in step["keep"].as_object().into_iter().flatten() {
                        let kept = reply.pointer(pointer.as_str().unwrap_or_default());
                        let kept = kept.unwrap_or_else(|| panic!("{name}: nothing at {pointer} of {text}"));
                        let kept = kept.as_str().map_or_else(|| kept.to_string(), str::to_owned);
                        names.insert(name.clone(), kept);
                    }
                    break;
                }
                Err(_) if Instant::now() < until => tokio::time::sleep(AGAIN).await,
                Err(why) => {
                    panic!("{} step {}, {}: {why}\n{text}", file.display(), index + 1, step["request"]);
                }
            }
        }
    }
    steps.len()
}

async fn send(platform: &Platform, step: &Value) -> (u16, String) {
    let (method, path) = step["request"].as_str().and_then(|r| r.split_once(' ')).expect("METHOD /path");
    let client = reqwest::Client::builder().timeout(Duration::from_secs(60)).no_proxy().build();
    let url = format!("{}{path}", platform.said("/api"));
    let method = method.parse().expect("a method");
    let mut request = client.expect("a client").request(method, url);
    if let Some(key) = Some(step["key"].as_str().unwrap_or("app")).filter(|key| *key != "none") {
        request = request.header("X-API-KEY", platform.said(&format!("/keys/{key}")));
    }
    for (name, value) in step["headers"].as_object().into_iter().flatten() {
        request = request.header(name, value.as_str().expect("a header"));
    }
    match step.get("body") {
        None => {}
        Some(Value::String(text)) => request = request.body(text.clone()),
        Some(body) => request = request.body(body.to_string()),
    }
    let response = request.send().await.expect("an answer");
    let status = response.status().as_u16();
    (status, response.text().await.expect("its text"))
}

/// A step with every `${name}` replaced, in texts and in names of fields alike.
fn filled(step: &Value, names: &mut BTreeMap<String, String>) -> Value {
    match step {
        Value::String(text) => Value::String(filled_text(text, names)),
        Value::Array(items) => items.iter().map(|item| filled(item, names)).collect(),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(k, v)| (filled_text(k, names), filled(v, names))).collect())
        }
        other => other.clone(),
    }
}

fn filled_text(text: &str, names: &mut BTreeMap<String, String>) -> String {
    let Some((before, rest)) = text.split_once("${") else { return text.to_owned() };
    let (name, after) = rest.split_once('}').unwrap_or_else(|| panic!("{text}: no closing brace"));
    let value = match names.get(name) {
        Some(value) => value.clone(),
        None if name.starts_with("new:") => {
            let id = jobs::fresh_id();
            names.insert(name.to_owned(), id.clone());
            id
        }
        None => panic!("{text}: nothing is called {name}"),
    };
    format!("{before}{value}{}", filled_text(after, names))
}

/// Whether a value is what stands in the pattern; else where it is not.
///
/// # Errors
/// The first place that does not fit, and what is there.
///
/// # Panics
/// Where the pattern names no kind of value.
pub fn fit(pattern: &Value, value: &Value, place: &str) -> Result<(), String> {
    let text = value.as_str();
    let all = |test: fn(&u8) -> bool| text.is_some_and(|t| !t.is_empty() && t.bytes().all(|b| test(&b)));
    let is_so = match pattern {
        Value::String(kind) if kind.starts_with('<') => match kind.as_str() {
            "<any>" => true,
            "<text>" => text.is_some_and(|t| !t.is_empty()),
            "<number>" => value.is_number(),
            "<flag>" => value.is_boolean(),
            "<list>" => value.is_array(),
            "<object>" => value.is_object(),
            "<null>" => value.is_null(),
            "<digits>" => all(u8::is_ascii_digit),
            "<hex>" => text.is_some_and(|t| t.len() > 2 && t.starts_with("0x")),
            "<time>" => text.is_some_and(|t| t.len() >= 20 && t.contains('T') && t.ends_with('Z')),
            _ => panic!("{place}: {kind} is no kind of value"),
        },
        Value::Array(items) => {
            let values = value.as_array().ok_or_else(|| format!("{place} is no list: {value}"))?;
            return match (items.first().and_then(Value::as_str), items.get(1)) {
                (Some("<each>"), Some(each)) => {
                    values.iter().enumerate().try_for_each(|(n, v)| fit(each, v, &format!("{place}[{n}]")))
                }
                (Some("<some>"), Some(one)) => {
                    let missed: Vec<String> =
                        values.iter().filter_map(|v| fit(one, v, place).err()).collect();
                    if missed.len() < values.len() {
                        Ok(())
                    } else {
                        Err(format!("{place} has none that fits: {}", missed.join("; ")))
                    }
                }
                _ if items.len() == values.len() => {
                    let mut pairs = items.iter().zip(values).enumerate();
                    pairs.try_for_each(|(n, (p, v))| fit(p, v, &format!("{place}[{n}]")))
                }
                _ => Err(format!("{place} has {} elements, not {}", values.len(), items.len())),
            };
        }
        Value::Object(fields) => {
            return fields.iter().try_for_each(|(name, pattern)| match value.get(name) {
                Some(value) => fit(pattern, value, &format!("{place}.{name}")),
                None => Err(format!("{place} has no {name}")),
            });
        }
        plain => plain == value,
    };
    if is_so { Ok(()) } else { Err(format!("{place} is {value}, not {pattern}")) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_reply_may_have_more_and_never_less() {
        let reply = json!({"id": "17", "jobs": [{"n": 1}, {"n": 2}], "more": null});
        for fits in [
            json!({"id": "<digits>", "jobs": "<list>"}),
            json!({"jobs": ["<each>", {"n": "<number>"}]}),
            json!({"jobs": ["<some>", {"n": 2}]}),
            json!({"jobs": [{"n": 1}, {}], "more": "<null>"}),
        ] {
            assert_eq!(fit(&fits, &reply, "reply"), Ok(()), "{fits}");
        }
        for (wrong, place) in [
            (json!({"id": "18"}), "reply.id"),
            (json!({"absent": "<any>"}), "no absent"),
            (json!({"jobs": [{}]}), "reply.jobs has 2"),
            (json!({"jobs": ["<each>", {"n": 1}]}), "reply.jobs[1].n"),
            (json!({"jobs": ["<some>", {"n": 3}]}), "none that fits"),
            (json!({"id": "<number>"}), "reply.id"),
            (json!({"more": "<text>"}), "reply.more"),
        ] {
            let said = fit(&wrong, &reply, "reply").expect_err("it does not fit");
            assert!(said.contains(place), "{wrong}: {said}");
        }
    }
}
