//! openapi.json, from the route table.

mod bodies;
mod headers;

use std::collections::BTreeMap;

use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::{
    config::Config,
    errors::ShownError,
    json::DEPTH_MAX,
    reply::Described,
    routes::{self, Access, Body, Query, QueryKind, Route, Subject},
};

/// Every refusal by its status, with its name among the components.
const REFUSALS: [(u16, &str, &str); 16] = [
    (400, "BadRequest", "The request cannot be read"),
    (401, "Unauthorized", "No key, or none that is good"),
    (403, "Forbidden", "The key's role or its owner may not"),
    (404, "NotFound", "Absent, or somebody else's: both look alike"),
    (405, "MethodNotAllowed", "The path has other methods"),
    (408, "RequestTimeout", "The body took too long to arrive"),
    (409, "Conflict", "It contradicts what is there"),
    (413, "TooLarge", "Too many bytes"),
    (414, "UriTooLong", "The request target is too long"),
    (422, "Unprocessable", "It cannot be done; details has every fault at once"),
    (426, "UpgradeRequired", "Open it as a WebSocket"),
    (429, "TooManyRequests", "Too often"),
    (431, "HeadersTooLarge", "Too many headers, or too long ones"),
    (500, "Internal", "A fault of ours; it has been logged"),
    (503, "Unavailable", "Something that is needed does not answer"),
    (504, "Timeout", "No answer in time; the same request may be sent again"),
];

/// The description of every route.
pub fn document() -> Value {
    let mut schemas = generator();
    let mut paths: Map<String, Value> = Map::new();
    for (family, routes) in routes::FAMILIES {
        for route in *routes {
            let entry = paths.entry(route.path).or_insert_with(|| json!({}));
            if let Some(map) = entry.as_object_mut() {
                map.insert(route.method.as_str().to_lowercase(), operation(family, route, &mut schemas));
            }
        }
    }
    let error = schemas.subschema_for::<ShownError>();
    let refusals = REFUSALS.map(|(status, name, says)| {
        let content = json!({"application/json": {"schema": error}});
        let headers = headers::of_refusal(status);
        (name.to_owned(), json!({"description": says, "headers": headers, "content": content}))
    });
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Argus",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Jobs that run scripts and make one on-chain call per result. \
                JSON is parsed whatever Content-Type says; unknown fields are ignored, and of a \
                field that occurs twice in an object the last one counts.",
        },
        "paths": paths,
        "components": {
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
            "headers": headers::components(),
            "responses": Map::from_iter(refusals),
            "schemas": schemas.take_definitions(true),
        },
    })
}

/// What makes schemas, of what leaves the platform, for the components of a description.
pub fn generator() -> SchemaGenerator {
    let settings = SchemaSettings::draft2020_12().for_serialize().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    SchemaGenerator::new(settings)
}

/// Statuses with which a route refuses, by what the table says of it.
fn refusals(route: &Route) -> Vec<u16> {
    let mut statuses = vec![414, 431, 500, 504];
    match route.access {
        Access::Open => {}
        Access::Limited => statuses.extend([429, 503]),
        Access::Keyed(_) => statuses.extend([401, 403, 429, 503]),
    }
    match route.subject {
        Subject::Job(_)
        | Subject::Task(_)
        | Subject::AddressAndJob(..)
        | Subject::Keeper(_)
        | Subject::Webhook(_) => statuses.push(404),
        Subject::Nobody(_) | Subject::Address(_) | Subject::Safe(_) => {}
    }
    if parameters(route).next().is_some() {
        statuses.push(400);
    }
    match route.body {
        Body::None => {}
        Body::Unread | Body::Json(..) | Body::Module(_) => statuses.extend([400, 408, 413]),
    }
    if route.query.iter().any(|query| query.kind == QueryKind::Count) {
        statuses.push(400);
    }
    let may_refuse =
        |query: &Query| query.is_required || !matches!(query.kind, QueryKind::Text | QueryKind::Count);
    if route.query.iter().any(|query| may_refuse(query) || query.name == "before") {
        statuses.push(422);
    }
    if route.is_once {
        statuses.extend([400, 422]);
    }
    statuses.extend(route.refusals);
    statuses
}

fn operation(family: &str, route: &Route, schemas: &mut SchemaGenerator) -> Value {
    let mut operation = json!({"tags": [family], "summary": route.summary});
    let mut parameters: Vec<Value> = parameters(route).collect();
    parameters.extend(route.query.iter().map(query_parameter));
    if route.is_once {
        parameters.push(json!({
            "name": "Idempotency-Key",
            "in": "header",
            "required": false,
            "description": "A name for this request, 1 to 255 visible ASCII characters: sent again under it \
                within 24 hours, the request gets the same answer and nothing is done twice; another request \
                under it is refused",
            "schema": {"type": "string", "minLength": 1, "maxLength": 255},
        }));
    }
    if !parameters.is_empty() {
        operation["parameters"] = json!(parameters);
    }
    if let Access::Keyed(roles) = route.access {
        let roles: Vec<String> = roles.iter().map(|role| format!("{role:?}").to_lowercase()).collect();
        operation["security"] = json!([{"key": []}, {"bearer": []}]);
        operation["x-roles"] = json!(roles);
    }
    let bytes = match route.body {
        Body::None => None,
        Body::Unread | Body::Json(..) => Some(Config::default().body_max),
        Body::Module(_) => Some(Config::default().module_body_max),
    };
    if let Some(bytes) = bytes {
        operation["x-limits"] = json!({"body_bytes": bytes, "depth": DEPTH_MAX});
    }
    if let Some(request) = bodies::request(route.body, schemas) {
        operation["requestBody"] = request;
    }
    operation["responses"] = responses(route, schemas);
    operation
}

/// Answers and refusals by status; where both have one, its body is either of theirs.
fn responses(route: &Route, schemas: &mut SchemaGenerator) -> Value {
    let mut responses: BTreeMap<u16, Value> = BTreeMap::new();
    for Described { status, content } in (route.answers)(schemas) {
        let mut response = json!({"description": "Done", "headers": headers::of_answer(route)});
        if let Some((media, schema)) = content {
            response["content"] = json!({media: {"schema": schema}});
        }
        responses.insert(status, response);
    }
    let error = schemas.subschema_for::<ShownError>();
    for status in refusals(route) {
        let Some((_, name, _)) = REFUSALS.iter().find(|(known, ..)| *known == status) else { continue };
        let refusal = json!({"$ref": format!("#/components/responses/{name}")});
        match responses.get_mut(&status).and_then(|answer| answer.pointer_mut("/content/application~1json")) {
            Some(content) if content["schema"]["anyOf"].is_null() => {
                content["schema"] = json!({"anyOf": [content["schema"].take(), error]});
            }
            Some(_) => {}
            None => drop(responses.insert(status, refusal)),
        }
    }
    let by_text = responses.into_iter().map(|(status, response)| (status.to_string(), response));
    Value::Object(by_text.collect())
}

/// Parameters of a route's path.
fn parameters(route: &Route) -> impl Iterator<Item = Value> {
    let names = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    names.map(|name| {
        let schema = parameter(route.subject, name);
        json!({"name": name, "in": "path", "required": true, "schema": schema})
    })
}

const ADDRESS: &str = "0[xX][0-9a-fA-F]{40}";

/// What a parameter of a path looks like.
fn parameter(subject: Subject, name: &str) -> Value {
    let pattern = match (subject, name) {
        (Subject::Job(id) | Subject::AddressAndJob(_, id), name) if id == name => "^[0-9]{1,78}$".to_owned(),
        (Subject::Task(_), _) => "^([0-9]{1,16}|0x[0-9a-fA-F]{64})$".to_owned(),
        (Subject::Webhook(_), _) => "^[0-9a-f]{32}$".to_owned(),
        (Subject::Keeper(_), _) => format!("^([0-9]{{1,15}}|{ADDRESS})$"),
        (_, "address") => format!("^{ADDRESS}$"),
        (_, "chain") => "^[0-9]{1,20}$".to_owned(),
        (_, "status") => return json!({"enum": ["paused", "running", "active", "pending", "deleted"]}),
        (_, "name") => "^[A-Za-z_][A-Za-z0-9_]{0,63}$".to_owned(),
        // A key's public name, one that is masked, a keeper, an owner, a CID: what is none of them is absent.
        (_, _) => return json!({"type": "string", "minLength": 1}),
    };
    json!({"type": "string", "pattern": pattern})
}

fn query_parameter(query: &Query) -> Value {
    let schema = match query.kind {
        QueryKind::Text => json!({"type": "string"}),
        QueryKind::Whole => json!({"type": "integer", "minimum": 0}),
        QueryKind::Count => json!({"type": "integer", "minimum": 1}),
        QueryKind::Between(least, most) => json!({"type": "integer", "minimum": least, "maximum": most}),
        QueryKind::Flag => json!({"type": "boolean"}),
    };
    json!({
        "name": query.name,
        "in": "query",
        "required": query.is_required,
        "description": query.summary,
        "schema": schema,
    })
}
