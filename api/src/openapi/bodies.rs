//! Schemas of bodies, from what the route table says that they hold. They take every form that the reader takes.

use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use crate::{
    config::Config,
    routes::{Body, Case, Field, Form, Kind, Object},
};

/// The `requestBody` of a route; `None`: its body says nothing.
pub fn request(body: Body, schemas: &mut SchemaGenerator) -> Option<Value> {
    let (form, object) = match body {
        Body::None | Body::Unread => return None,
        Body::Json(form, object) => (form, object),
        Body::Module(object) => (Form::One, object),
    };
    let one = named(object, schemas);
    let some = |most: usize| json!({"type": "array", "items": one, "minItems": 1, "maxItems": most});
    let most = Config::default().jobs_per_create_max;
    let schema = match form {
        Form::One | Form::OneOrNone => one,
        Form::OneOrWrapped => json!({"anyOf": [one, some(1)]}),
        Form::Many => some(most),
        Form::Tried => json!({"anyOf": [
            one,
            {"type": "object", "description": "One with faults: they are what is answered"},
            {"type": "array", "minItems": 1, "maxItems": most},
        ]}),
    };
    let content = json!({"application/json": {"schema": schema}});
    Some(json!({"required": form != Form::OneOrNone, "content": content}))
}

/// A reference to an object among the components.
fn named(object: &Object, schemas: &mut SchemaGenerator) -> Value {
    if !schemas.definitions().contains_key(object.name) {
        let schema = of_object(object, schemas);
        schemas.definitions_mut().insert(object.name.to_owned(), schema);
    }
    json!({"$ref": format!("#/components/schemas/{}", object.name)})
}

fn of_object(object: &Object, schemas: &mut SchemaGenerator) -> Value {
    let mut schema = json!({"type": "object", "properties": properties(object.fields, schemas)});
    // Where they do not count, they may be anything.
    for field in object.cases.iter().flat_map(|case| case.fields) {
        schema["properties"][field.name] = json!({"description": field.summary});
    }
    schema["required"] = needed(object.fields);
    let cases: Vec<Value> = object.cases.iter().map(|case| of_case(case, schemas)).collect();
    if !cases.is_empty() {
        schema["allOf"] = json!(cases);
    }
    schema
}

fn of_case(case: &Case, schemas: &mut SchemaGenerator) -> Value {
    let names: Vec<&str> = case.when.iter().map(|(name, _)| *name).collect();
    let values = |texts: &[&str]| {
        let forms = texts.iter().flat_map(|text| [Some(json!(text)), serde_json::from_str(text).ok()]);
        json!({"enum": forms.flatten().collect::<Vec<_>>()})
    };
    let when: Map<String, Value> =
        case.when.iter().map(|(name, texts)| ((*name).to_owned(), values(texts))).collect();
    json!({
        "if": {"required": names, "properties": when},
        "then": {"required": needed(case.fields), "properties": properties(case.fields, schemas)},
    })
}

fn needed(fields: &[Field]) -> Value {
    fields.iter().filter(|field| field.is_needed).map(|field| field.name).collect()
}

fn properties(fields: &[Field], schemas: &mut SchemaGenerator) -> Map<String, Value> {
    let property = |field: &Field| {
        let mut forms = forms(field.kind, schemas);
        if !field.is_needed {
            forms.push(json!({"type": "null"}));
        }
        let mut schema = any_of(forms);
        schema["description"] = field.summary.into();
        (field.name.to_owned(), schema)
    };
    fields.iter().map(property).collect()
}

/// A value in any of these forms. Forms of different types are one schema, each of whose other members is of one type
/// alone: what makes requests from a schema chooses among the forms of every field, and their number multiplies.
fn any_of(mut forms: Vec<Value>) -> Value {
    let (mut types, mut merged, mut members) = (Vec::new(), Map::new(), 0);
    for (name, member) in forms.iter().filter_map(Value::as_object).flatten() {
        match (name.as_str(), member) {
            ("type", Value::Array(some)) => types.extend(some.iter().cloned()),
            ("type", one) => types.push(one.clone()),
            _ => {
                members += 1;
                merged.insert(name.clone(), member.clone());
            }
        }
    }
    let is_typed = forms.iter().all(|form| !form["type"].is_null());
    if forms.len() == 1 {
        forms.remove(0)
    } else if is_typed && merged.len() == members {
        merged.insert("type".to_owned(), types.into());
        merged.into()
    } else {
        json!({"anyOf": forms})
    }
}

/// All forms in which a kind of value may come.
fn forms(kind: Kind, schemas: &mut SchemaGenerator) -> Vec<Value> {
    let text = |pattern: &str| json!({"type": "string", "pattern": pattern});
    match kind {
        Kind::Text(least, most) => vec![of_text(least, most)],
        Kind::Loose(least, most) => vec![of_text(least, most), json!({"type": "number"})],
        Kind::Word(words) => vec![text(&format!("^\\s*({})?\\s*$", in_any_case(words)))],
        Kind::Flag => {
            vec![
                json!({"type": "boolean"}),
                text(&format!("^({})?$", in_any_case(&["true", "false"]))),
                json!({"type": "integer", "minimum": 0, "maximum": 1}),
            ]
        }
        Kind::Whole(least, most) => vec![
            json!({"type": "integer", "minimum": least, "maximum": most}),
            text(r"^\s*([0-9]+(\.0*)?)?\s*$"),
        ],
        Kind::Integer => vec![json!({"type": "integer"}), text(r"^\s*[+-]?[0-9]+\s*$")],
        Kind::Decimal => vec![
            json!({"type": "number"}),
            text(r"^\s*([+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?)?\s*$"),
        ],
        Kind::Digits => vec![text(r"^\s*[0-9]{0,78}\s*$"), json!({"type": "integer", "minimum": 0})],
        Kind::Address => vec![text(r"^\s*0[xX][0-9a-fA-F]{40}\s*$")],
        Kind::List(most, kind) => {
            let items = any_of(forms(*kind, schemas));
            vec![json!({"type": "array", "items": items, "maxItems": most}), json!({"type": "string"})]
        }
        Kind::Some(words) => vec![json!({"type": "array", "items": {"enum": words}, "minItems": 1})],
        Kind::Json => vec![json!({"type": ["string", "number", "array", "object"]})],
        Kind::Any => vec![json!({})],
        Kind::Object(object) => vec![named(object, schemas)],
    }
}

fn of_text(least: usize, most: usize) -> Value {
    let mut schema = json!({"type": "string"});
    if least > 0 {
        schema["minLength"] = least.into();
    }
    if most < usize::MAX {
        schema["maxLength"] = most.into();
    }
    schema
}

fn in_any_case(words: &[&str]) -> String {
    let letter = |c: char| match c.is_ascii_lowercase() {
        true => format!("[{c}{}]", c.to_ascii_uppercase()),
        false => c.to_string(),
    };
    words.iter().map(|word| word.chars().map(letter).collect::<String>()).collect::<Vec<_>>().join("|")
}
