//! docs/openapi.json and the page for people are what the route table says.

use std::path::Path;

use argus_api::routes;

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
    for fetched in ["src=", "<script", "@import", "url(", "<link"] {
        assert!(!answer.text.contains(fetched), "{fetched}");
    }
}
