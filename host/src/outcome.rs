//! From what a script printed or returned to how its run ended.

use argus_domain::{
    limits::Limits,
    run::{FailureKind, RunEnd},
};
use serde_json::Value;

use crate::{
    component::{Resolved, ScriptError},
    error::{Stop, failure},
    text,
};

/// Exit code that says "not now".
pub(crate) const EXIT_SKIP: u32 = 64;
/// The reason of a skip that gives none.
const SKIPPED: &str = "skipped";
/// How much of a wrong output is shown.
const OUTPUT_SHOWN: usize = 500;
/// Lines of the log that a failing exit code shows.
const TAIL_LINES: usize = 8;

/// The end of a run whose code ran through: its output must be exactly one JSON value.
pub(crate) fn printed(output: &[u8], limits: &Limits, nothing: &str) -> RunEnd {
    let script = |message: String| RunEnd::Failed(failure(FailureKind::Script, message));
    let Ok(output) = std::str::from_utf8(output) else {
        return script("the output is not valid UTF-8".to_owned());
    };
    let output = output.trim();
    if output.is_empty() {
        return script(nothing.to_owned());
    }
    if depth(output) > limits.json_depth {
        let max = limits.json_depth;
        let message = format!("the JSON depth limit of {max} is used up: give a flatter value");
        return RunEnd::Failed(failure(FailureKind::Limit, message));
    }
    let mut values = serde_json::Deserializer::from_str(output).into_iter::<Value>();
    let shown = || text::shown(output, OUTPUT_SHOWN);
    match values.next() {
        Some(Ok(value)) if output[values.byte_offset()..].trim().is_empty() => RunEnd::Value(value),
        Some(Ok(_)) => script(format!(
            "the output must be exactly one JSON value, and there is more after the first; print logs to stderr. It was:\n{}",
            shown()
        )),
        Some(Err(error)) => script(format!(
            "the output must be exactly one JSON value ({error}); print logs to stderr. It was:\n{}",
            shown()
        )),
        None => script(nothing.to_owned()),
    }
}

/// The end that an exit code means.
pub(crate) fn exited(code: u32, output: &[u8], log: &str, limits: &Limits) -> RunEnd {
    match code {
        0 => printed(output, limits, NOTHING_PRINTED),
        EXIT_SKIP => RunEnd::Skipped(last_line(log).unwrap_or_else(|| SKIPPED.to_owned())),
        code => {
            let said = tail(log);
            let said = if said.is_empty() { said } else { format!(": {said}") };
            RunEnd::Failed(failure(
                FailureKind::Script,
                format!("the script ended with exit code {code}{said}"),
            ))
        }
    }
}

/// What a command is told that printed nothing.
pub(crate) const NOTHING_PRINTED: &str = "the script printed nothing: print the result as one JSON value";

/// The end that a reactor's reply means: an object whose only key is `skip` or `error` is that.
pub(crate) fn replied(output: &[u8], limits: &Limits) -> RunEnd {
    let end = printed(output, limits, "`run` returned nothing: return the result as one JSON value");
    if let RunEnd::Value(Value::Object(object)) = &end
        && object.len() == 1
    {
        let reason = |value: &Value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        if let Some(why) = object.get("skip") {
            return RunEnd::Skipped(text::shown(&reason(why), argus_domain::limits::ERROR_TEXT_BYTES_MAX));
        }
        if let Some(why) = object.get("error") {
            return RunEnd::Failed(failure(FailureKind::Script, reason(why)));
        }
    }
    end
}

/// The end that a component's answer means.
pub(crate) fn resolved(answer: Resolved, limits: &Limits) -> RunEnd {
    let texts = match answer {
        Ok(texts) => texts,
        Err(ScriptError::Skip(why)) if why.trim().is_empty() => return RunEnd::Skipped(SKIPPED.to_owned()),
        Err(ScriptError::Skip(why)) => {
            return RunEnd::Skipped(text::shown(&why, argus_domain::limits::ERROR_TEXT_BYTES_MAX));
        }
        Err(ScriptError::Failed(why)) => return RunEnd::Failed(failure(FailureKind::Script, why)),
    };
    // As text they would be `[a,b]`: a separator or bracket for each and one more.
    let bytes = texts.iter().map(|text| text.len() as u64 + 1).sum::<u64>() + 1;
    if bytes > limits.output_bytes {
        let max = text::bytes(limits.output_bytes);
        let message = Stop::limit("output", max, "give fewer or shorter arguments").to_string();
        return RunEnd::Failed(failure(FailureKind::Limit, message));
    }
    // An argument lies in the list, which is a level of its own.
    let within = Limits { json_depth: limits.json_depth.saturating_sub(1), ..*limits };
    let mut values = Vec::with_capacity(texts.len());
    for (i, text) in texts.iter().enumerate() {
        match printed(text.as_bytes(), &within, NO_TEXT) {
            RunEnd::Value(value) => values.push(value),
            RunEnd::Failed(f) => {
                return RunEnd::Failed(failure(f.kind, format!("argument {i}: {}", f.message)));
            }
            skipped @ RunEnd::Skipped(_) => return skipped,
        }
    }
    RunEnd::Value(Value::Array(values))
}

/// What a component is told whose argument is an empty text.
const NO_TEXT: &str = "the text is empty: give JSON text, a string with its quotes";

/// The last lines of a log: what a script says before it gives up, a stack included.
fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.trim_end().lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

fn last_line(log: &str) -> Option<String> {
    let line = log.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
    Some(text::shown(line, argus_domain::limits::ERROR_TEXT_BYTES_MAX))
}

/// Depth of JSON text without recursion; the outermost value is 1.
fn depth(json: &str) -> u32 {
    let (mut now, mut deepest, mut in_string, mut escaped) = (1u32, 1u32, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => {
                in_string = !in_string;
                deepest = deepest.max(now);
            }
            b'[' | b'{' if !in_string => {
                deepest = deepest.max(now);
                now = now.saturating_add(1);
            }
            b']' | b'}' if !in_string => now = now.saturating_sub(1),
            b',' | b':' | b' ' | b'\n' | b'\r' | b'\t' => {}
            _ if !in_string => deepest = deepest.max(now),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_the_outermost_value_as_one() {
        for (json, expect) in [
            ("1", 1),
            ("[]", 1),
            ("[1]", 2),
            ("[[]]", 2),
            (r#"{"a":[1]}"#, 3),
            (r#"["[[\"[["]"#, 2),
            ("[1,[2],3]", 3),
        ] {
            assert_eq!(depth(json), expect, "{json}");
        }
    }

    #[test]
    fn exactly_one_value_is_a_result() {
        let limits = Limits::DEFAULT;
        let big = "[115792089237316195423570985008687907853269984665640564039457584007913129639935]";
        match printed(big.as_bytes(), &limits, "") {
            RunEnd::Value(value) => assert_eq!(value.to_string(), big),
            other => panic!("{other:?}"),
        }
        for (output, expect) in [
            ("[1] [2]", "more after the first"),
            ("price 3\n[1]", "exactly one JSON value"),
            ("[1]\ndone", "exactly one JSON value"),
            ("", "nothing"),
            ("[1,", "exactly one JSON value"),
            ("NaN", "exactly one JSON value"),
        ] {
            match printed(output.as_bytes(), &limits, "nothing") {
                RunEnd::Failed(f) => assert!(f.message.contains(expect), "{output}: {}", f.message),
                other => panic!("{output}: {other:?}"),
            }
        }
        let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
        match printed(deep.as_bytes(), &limits, "") {
            RunEnd::Failed(f) => assert_eq!(f.kind, FailureKind::Limit),
            other => panic!("{other:?}"),
        }
        let allowed = format!("{}{}", "[".repeat(64), "]".repeat(64));
        assert!(matches!(printed(allowed.as_bytes(), &limits, ""), RunEnd::Value(_)));
    }

    #[test]
    fn exits_skip_or_fail_with_the_last_line_of_the_log() {
        let limits = Limits::DEFAULT;
        assert_eq!(exited(64, b"", "a\nprice too low\n\n", &limits), RunEnd::Skipped("price too low".into()));
        assert_eq!(exited(64, b"", "", &limits), RunEnd::Skipped("skipped".into()));
        match exited(3, b"[1]", "bad", &limits) {
            RunEnd::Failed(f) => assert!(f.message.contains("exit code 3: bad"), "{}", f.message),
            other => panic!("{other:?}"),
        }
    }
}
