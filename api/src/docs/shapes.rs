//! Bodies and answers, field by field, as the description for programs has them.

use std::fmt::Write;

use serde_json::Value;

use super::escaped;

const JSON: &str = "/content/application~1json/schema";

/// What a route takes as its body.
pub fn taken(operation: &Value) -> String {
    match operation["requestBody"].pointer(JSON) {
        Some(schema) => format!("<small>takes {}</small>", form(schema)),
        None => String::new(),
    }
}

/// What a route answers, and with which statuses it refuses.
pub fn answered(operation: &Value) -> String {
    let (mut answers, mut refusals) = (String::new(), Vec::new());
    for (status, response) in operation["responses"].as_object().into_iter().flatten() {
        if response["$ref"].is_string() {
            refusals.push(status.as_str());
            continue;
        }
        let body = match (response.pointer(JSON), response["content"].as_object()) {
            (Some(schema), _) => form(schema),
            (None, Some(content)) => escaped(&content.keys().cloned().collect::<Vec<_>>().join(", ")),
            (None, None) => "nothing".to_owned(),
        };
        // Writing to a text does not fail.
        let _written = write!(answers, "<small>answers {status}: {body}</small>");
    }
    format!("{answers}<small>refuses with {}</small>", refusals.join(", "))
}

/// Every shape that has a name.
pub fn section(document: &Value) -> String {
    let mut section = "<h2>Shapes</h2>\n".to_owned();
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        let says = says(schema);
        let rows = rows(schema, "");
        let body = match rows.as_str() {
            "" => format!("<p>{}</p>", form(schema)),
            rows => format!("<table><tr><th>Field<th>Form<th>What it says</tr>\n{rows}</table>"),
        };
        let _written = writeln!(section, "<h3 id=\"{name}\">{name}</h3><p>{says}</p>{body}");
    }
    section
}

/// The fields of an object, and those of its cases.
fn rows(schema: &Value, when: &str) -> String {
    let mut rows = String::new();
    let is_required = |name: &str| {
        let required = schema["required"].as_array();
        required.is_some_and(|names| names.iter().any(|known| known == name))
    };
    let cases = || schema["allOf"].as_array().into_iter().flatten();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        if cases().any(|case| !case["then"]["properties"][name].is_null()) {
            continue;
        }
        let forms = form(field);
        let optional = if is_required(name) { "" } else { " <small>may be absent</small>" };
        let _written =
            writeln!(rows, "<tr><td><code>{name}</code>{optional}<td>{forms}<td>{}{when}</tr>", says(field));
    }
    for case in cases() {
        let conditions = case["if"]["properties"].as_object().into_iter().flatten();
        let when: String = conditions
            .map(|(name, value)| format!("<small>where {name} is {}</small>", form(value)))
            .collect();
        rows.push_str(&self::rows(&case["then"], &when));
    }
    for part in ["anyOf", "oneOf"] {
        for variant in schema[part].as_array().into_iter().flatten() {
            let when = format!("<small>in one form: {}</small>", says(variant));
            rows.push_str(&self::rows(variant, &when));
        }
    }
    rows
}

fn says(schema: &Value) -> String {
    escaped(schema["description"].as_str().unwrap_or_default())
}

/// A schema in a few words; shapes that have a name are linked.
fn form(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return format!("<a href=\"#{name}\">{name}</a>");
    }
    if let Some(variants) = schema["anyOf"].as_array().or(schema["oneOf"].as_array()) {
        return variants.iter().map(form).collect::<Vec<_>>().join(" or ");
    }
    if let Some(values) = schema["enum"].as_array() {
        let values = values.iter().map(|value| format!("<code>{}</code>", escaped(&value.to_string())));
        return values.collect::<Vec<_>>().join(" ");
    }
    if !schema["const"].is_null() {
        return format!("<code>{}</code>", escaped(&schema["const"].to_string()));
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(some) => some.iter().filter_map(Value::as_str).collect(),
        _ => return "any value".to_owned(),
    };
    let named = |one: &&str| match *one {
        "array" => format!("list of {}", form(&schema["items"])),
        one => one.to_owned(),
    };
    let name = types.iter().map(named).collect::<Vec<_>>().join(" or ");
    let bound = |key: &str, word: &str| match &schema[key] {
        Value::Null => String::new(),
        value => format!(", {word} {value}"),
    };
    format!(
        "{name}{}{}{}{}{}",
        bound("minimum", "at least"),
        bound("maximum", "at most"),
        bound("minLength", "characters at least"),
        bound("maxLength", "characters at most"),
        bound("maxItems", "elements at most"),
    )
}
