//! docs/openapi.json is what the route table says.

use std::path::Path;

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
