//! Every answer that any of these tests gets is held to what the committed docs/openapi.json says of its route and
//! status.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Mutex, OnceLock, PoisonError},
};

use axum::http::{Method, Uri, header};
use boon::{Compiler, Draft, SchemaIndex, Schemas};
use serde_json::Value;

use crate::world::Answer;

const PLACE: &str = "https://argus.example/openapi.json";

struct Description {
    document: Value,
    compiled: Mutex<Compiled>,
}

#[derive(Default)]
struct Compiled {
    schemas: Schemas,
    by_pointer: BTreeMap<String, SchemaIndex>,
}

pub fn document() -> &'static Value {
    &description().document
}

fn description() -> &'static Description {
    static DESCRIPTION: OnceLock<Description> = OnceLock::new();
    DESCRIPTION.get_or_init(|| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
        let document = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        Description { document, compiled: Mutex::default() }
    })
}

/// Holds an answer to its description.
pub fn check(method: &Method, uri: &Uri, answer: &Answer) {
    if method == Method::OPTIONS || method == Method::HEAD {
        return;
    }
    let (what, status) = (format!("{method} {uri}: {}", answer.status), answer.status.as_u16().to_string());
    let response = match operation(uri.path(), method.as_str()) {
        Found::Operation(pointer) => {
            let at = format!("{pointer}/responses/{status}");
            let response = document().pointer(&at);
            let response = response.unwrap_or_else(|| panic!("{what} is not described: {}", answer.text));
            response["$ref"].as_str().map_or(at, |named| named.trim_start_matches('#').to_owned())
        }
        Found::OtherMethods => "/components/responses/MethodNotAllowed".to_owned(),
        Found::Nothing => "/components/responses/NotFound".to_owned(),
    };
    check_headers(&response, answer, &what);
    let Some(content) = document().pointer(&format!("{response}/content")).and_then(Value::as_object) else {
        assert_eq!(answer.text, "", "{what} has a body");
        return;
    };
    let (media, _) = content.iter().next().expect("a media type");
    assert_eq!(
        answer.headers.get(header::CONTENT_TYPE).map(|v| v.to_str().unwrap()),
        Some(media.as_str()),
        "{what}"
    );
    if media == "application/json" {
        validate(&format!("{response}/content/application~1json/schema"), &answer.json(), &what);
    }
}

/// Those that come with every message, with CORS, and with documents.
const OTHER_HEADERS: [&str; 8] = [
    "content-type",
    "content-length",
    "content-disposition",
    "content-security-policy",
    "cache-control",
    "vary",
    "access-control-allow-origin",
    "access-control-expose-headers",
];

/// Holds an answer's headers to the response at a JSON pointer: those that it always has are there, and those that are
/// there are described.
fn check_headers(response: &str, answer: &Answer, what: &str) {
    let described = document().pointer(&format!("{response}/headers")).and_then(Value::as_object);
    let described = described.unwrap_or_else(|| panic!("{what}: its headers are not described"));
    for (name, header) in described {
        let at = format!("{response}/headers/{name}");
        let at = header["$ref"].as_str().map_or(at, |named| named.trim_start_matches('#').to_owned());
        let header = document().pointer(&at).expect("a header");
        let Some(value) = answer.headers.get(name.to_lowercase()) else {
            assert_ne!(header["required"], true, "{what} lacks {name}");
            continue;
        };
        let text = value.to_str().unwrap();
        let is_number = header["schema"]["type"] == "integer";
        let value = if is_number { text.parse::<u64>().unwrap().into() } else { Value::from(text) };
        validate(&format!("{at}/schema"), &value, &format!("{name} of {what}"));
    }
    let is_known = |name: &str| {
        OTHER_HEADERS.contains(&name) || described.keys().any(|known| known.eq_ignore_ascii_case(name))
    };
    let unknown: Vec<_> = answer.headers.keys().filter(|name| !is_known(name.as_str())).collect();
    assert!(unknown.is_empty(), "{what} has headers that are not described: {unknown:?}");
}

/// Holds a body that was taken to its description: what is described is never narrower than what is taken.
pub fn check_taken(method: &str, path: &str, body: &str) {
    let path = path.split('?').next().unwrap_or_default();
    let Found::Operation(pointer) = operation(path, method) else {
        panic!("{method} {path} is not described")
    };
    let request = format!("{pointer}/requestBody");
    let Some(described) = document().pointer(&request) else { return };
    if body.is_empty() && described["required"] == false {
        return;
    }
    let body = serde_json::from_str(body).unwrap();
    let schema = format!("{request}/content/application~1json/schema");
    validate(&schema, &body, &format!("the body of {method} {path}"));
}

/// Holds a value to the schema at a JSON pointer.
pub fn validate(pointer: &str, value: &Value, what: &str) {
    let mut compiled = description().compiled.lock().unwrap_or_else(PoisonError::into_inner);
    let Compiled { schemas, by_pointer } = &mut *compiled;
    let index = *by_pointer.entry(pointer.to_owned()).or_insert_with(|| {
        let mut compiler = Compiler::new();
        compiler.set_default_draft(Draft::V2020_12);
        compiler.enable_format_assertions();
        compiler.add_resource(PLACE, document().clone()).unwrap();
        compiler.compile(&format!("{PLACE}#{pointer}"), schemas).unwrap_or_else(|e| panic!("{pointer}: {e}"))
    });
    if let Err(e) = schemas.validate(value, index) {
        panic!("{what} leaves its schema: {e:#}\n{value:#}");
    }
}

enum Found {
    Operation(String),
    OtherMethods,
    Nothing,
}

/// The operation of a path as the router finds it: a literal part goes before a parameter.
fn operation(path: &str, method: &str) -> Found {
    let parts: Vec<&str> = path.split('/').collect();
    let fits = |template: &str| {
        let template: Vec<&str> = template.split('/').collect();
        let matched = template
            .iter()
            .zip(&parts)
            .all(|(t, part)| t == part || (t.starts_with('{') && !part.is_empty()));
        (matched && template.len() == parts.len())
            .then(|| template.iter().map(|part| part.starts_with('{')).collect::<Vec<bool>>())
    };
    let paths = document()["paths"].as_object().expect("paths");
    let found = paths.iter().filter_map(|(template, entry)| Some((fits(template)?, template, entry)));
    let Some((_, template, entry)) = found.min_by_key(|(is_parameter, ..)| is_parameter.clone()) else {
        return Found::Nothing;
    };
    let method = method.to_lowercase();
    match entry.get(&method) {
        Some(_) => Found::Operation(format!("/paths/{}/{method}", template.replace('/', "~1"))),
        None => Found::OtherMethods,
    }
}
