//! openapi.json, from the route table.

use serde_json::{Map, Value, json};

use crate::routes::{self, Access, Body, Query, QueryKind, Route, Subject};

/// The description of every route.
pub fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for (family, routes) in routes::FAMILIES {
        for route in *routes {
            let entry = paths.entry(route.path).or_insert_with(|| json!({}));
            if let Some(map) = entry.as_object_mut() {
                map.insert(route.method.as_str().to_lowercase(), operation(family, route));
            }
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Argus",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Jobs that run scripts and make one on-chain call per result. \
                JSON is parsed whatever Content-Type says; unknown fields are ignored.",
        },
        "paths": paths,
        "components": {
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
            "schemas": {
                "Error": {
                    "type": "object",
                    "required": ["error", "code"],
                    "properties": {
                        "error": {"type": "string"},
                        "code": {"type": "string"},
                        "details": {},
                    },
                },
            },
        },
    })
}

fn operation(family: &str, route: &Route) -> Value {
    let error = json!({
        "description": "An error",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    });
    let mut responses = Map::new();
    responses.insert("2XX".to_owned(), json!({"description": "Done"}));
    let mut add = |status: u16| drop(responses.insert(status.to_string(), error.clone()));
    if let Access::Keyed(_) = route.access {
        add(401);
        add(403);
    }
    match route.subject {
        Subject::Job(_)
        | Subject::Task(_)
        | Subject::AddressAndJob(..)
        | Subject::Keeper(_)
        | Subject::Webhook(_) => add(404),
        Subject::Nobody(_) | Subject::Address(_) | Subject::Safe(_) => {}
    }
    match route.body {
        Body::None => {}
        Body::Read | Body::ReadModule => {
            add(413);
            add(422);
        }
    }
    let may_refuse = |query: &Query| query.is_required || query.kind != QueryKind::Text;
    if route.query.iter().any(may_refuse) {
        add(422);
    }
    if route.is_once || route.query.iter().any(|query| query.name == "before") {
        add(422);
    }
    if route.is_once {
        add(400);
    }
    if route.access != Access::Open {
        add(429);
    }
    let mut operation = json!({"tags": [family], "summary": route.summary, "responses": responses});
    if let Some(map) = operation.as_object_mut() {
        let mut parameters = parameters(route.path);
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
            map.insert("parameters".to_owned(), json!(parameters));
        }
        if let Access::Keyed(roles) = route.access {
            let roles: Vec<String> = roles.iter().map(|role| format!("{role:?}").to_lowercase()).collect();
            map.insert("security".to_owned(), json!([{"key": []}, {"bearer": []}]));
            map.insert("x-roles".to_owned(), json!(roles));
        }
        if route.body != Body::None {
            let content = json!({"content": {"application/json": {"schema": {}}}});
            map.insert("requestBody".to_owned(), content);
        }
    }
    operation
}

fn parameters(path: &str) -> Vec<Value> {
    path.split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
        .collect()
}

fn query_parameter(query: &Query) -> Value {
    let kind = match query.kind {
        QueryKind::Text => "string",
        QueryKind::Whole => "integer",
        QueryKind::Flag => "boolean",
    };
    json!({
        "name": query.name,
        "in": "query",
        "required": query.is_required,
        "description": query.summary,
        "schema": {"type": kind},
    })
}
