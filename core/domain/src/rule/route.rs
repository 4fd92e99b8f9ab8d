//! Where in a JSON answer the number is.

use serde_json::Value;

use super::{BadRule, BadValue, KeyRoute};
use crate::decimal::Decimal;

/// What is tried in this order where no route is given, as existing clients expect.
pub const USUAL_NAMES: [&str; 6] = ["value", "price", "usd", "rate", "result", "data"];

/// Deeper routes are refused.
const STEPS_MAX: usize = 32;
/// Longer routes are refused, bytes.
const LENGTH_MAX: usize = 1024;

impl KeyRoute {
    /// Reads `data.0.price`; a dot within a name is written `\.`, a backslash `\\`. An empty text is no route.
    pub fn parse(text: &str) -> Result<Option<Self>, BadRule> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(None);
        }
        if text.len() > LENGTH_MAX {
            return Err(BadRule::Route(format!("it is longer than {LENGTH_MAX} bytes")));
        }
        let mut steps = vec![String::new()];
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '.' => steps.push(String::new()),
                '\\' => match letters.next() {
                    Some(escaped @ ('.' | '\\')) => push(&mut steps, escaped),
                    _ => {
                        return Err(BadRule::Route(
                            r"a backslash stands before a dot or a backslash".to_owned(),
                        ));
                    }
                },
                other => push(&mut steps, other),
            }
        }
        if steps.iter().any(String::is_empty) {
            return Err(BadRule::Route("a step between two dots is empty".to_owned()));
        }
        if steps.len() > STEPS_MAX {
            return Err(BadRule::Route(format!("it has more than {STEPS_MAX} steps")));
        }
        Ok(Some(Self { steps }))
    }
}

fn push(steps: &mut [String], letter: char) {
    if let Some(last) = steps.last_mut() {
        last.push(letter);
    }
}

/// The number in an answer. With a route it is what the route leads to and nothing else; without one the first of
/// [`USUAL_NAMES`] that holds a number, else the answer itself. A string that is a number counts as one.
pub fn extract(value: &Value, route: Option<&KeyRoute>) -> Result<Decimal, BadValue> {
    let Some(route) = route else {
        let by_name = USUAL_NAMES.iter().find_map(|name| number(value.get(name)?).ok());
        return match by_name {
            Some(found) => Ok(found),
            None if value.is_object() => Err(BadValue::NoUsualName),
            None => number(value),
        };
    };
    let mut at = value;
    for (index, step) in route.steps.iter().enumerate() {
        let next = match at {
            Value::Object(fields) => fields.get(step),
            Value::Array(items) => step.parse::<usize>().ok().and_then(|index| items.get(index)),
            _ => None,
        };
        at = next.ok_or_else(|| BadValue::NoSuchStep {
            step: step.chars().take(60).collect(),
            position: index + 1,
        })?;
    }
    number(at)
}

fn number(value: &Value) -> Result<Decimal, BadValue> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Null => return Err(BadValue::NoNumber("null".to_owned())),
        Value::Bool(_) => return Err(BadValue::NoNumber("a boolean".to_owned())),
        Value::Array(_) => return Err(BadValue::NoNumber("an array".to_owned())),
        Value::Object(_) => return Err(BadValue::NoNumber("an object".to_owned())),
    };
    text.parse().map_err(|fault| {
        let shown: String = text.chars().take(60).collect();
        BadValue::NoNumber(format!("{shown:?} ({fault})"))
    })
}
