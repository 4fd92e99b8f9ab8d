//! docs/openapi.json and the page for people are what the route table says.

use std::path::Path;

use argus_api::routes;
use serde_json::Value;

use crate::world::World;

#[test]
fn the_committed_description_is_that_of_the_routes() {
    let fresh = format!("{:#}\n", argus_api::openapi_document());
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    if std::fs::read_to_string(&committed).unwrap_or_default() != fresh {
        let written = Path::new(env!("CARGO_TARGET_TMPDIR")).join("openapi.json");
        std::fs::write(&written, fresh).unwrap();
        panic!("the routes have changed: cp {} docs/openapi.json", written.display());
    }
}

/// A schema that says nothing holds nobody to anything.
#[test]
fn nothing_but_what_a_script_gives_may_be_anything() {
    let schemas = crate::described::document()["components"]["schemas"].as_object().unwrap();
    let says = |schema: &Value| {
        ["type", "$ref", "anyOf", "oneOf", "enum", "const"].iter().any(|word| !schema[*word].is_null())
    };
    let bodies: Vec<&str> = routes::all().filter_map(|route| Some(route.body.object()?.name)).collect();
    let mut open = Vec::new();
    for (name, schema) in schemas.iter().filter(|(name, _)| !bodies.contains(&name.as_str())) {
        let fields = schema["properties"].as_object().into_iter().flatten();
        open.extend(fields.filter(|(_, field)| !says(field)).map(|(field, _)| format!("{name}.{field}")));
        assert!(says(schema) && schema["items"] != Value::Bool(true), "{name}");
    }
    assert_eq!(open, ["Run.arguments"]);
}

#[tokio::test]
async fn the_page_for_people_has_every_route_and_fetches_nothing() {
    let answer = World::new().await.get("", "/docs").await;
    assert_eq!(answer.headers["content-type"], "text/html; charset=utf-8");
    for route in routes::all() {
        let named = format!("<code>{} {}</code>", route.method, route.path);
        assert!(answer.text.contains(&named), "{named}");
        for query in route.query {
            assert!(
                answer.text.contains(&format!("<code>?{}=</code>", query.name)),
                "{named}: {}",
                query.name
            );
        }
    }
    let shapes = crate::described::document()["components"]["schemas"].as_object().unwrap();
    for (name, schema) in shapes {
        assert!(answer.text.contains(&format!("<h3 id=\"{name}\">")), "{name}");
        for field in schema["properties"].as_object().into_iter().flatten().map(|(field, _)| field) {
            assert!(answer.text.contains(&format!("<tr><td><code>{field}</code>")), "{name}: {field}");
        }
    }
    for fetched in ["src=", "<script", "@import", "url(", "<link"] {
        assert!(!answer.text.contains(fetched), "{fetched}");
    }
}
