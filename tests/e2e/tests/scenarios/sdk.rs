//! The npm package that existing clients use, as it is, on a platform as `argus dev` starts it.

use argus_e2e::{Source, Start, Topology, command::node, sdk_packages};

use crate::everywhere;

#[test]
fn the_npm_package_works_as_it_comes() {
    everywhere(works_as_it_comes);
}

async fn works_as_it_comes(topology: Topology) {
    let Some(packages) = sdk_packages() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let source = Source::serve(r#"{"price":5}"#).await;
    let start = Start::on(&folder.path().join("dev"), topology).allow(source.address).usual_blocks();
    let platform = start.run().await;
    let ready = folder.path().join("ready.json");
    std::fs::write(&ready, platform.ready.to_string()).expect("the ready line is written");
    let done = node(&packages, "scenarios.cjs", &[ready.to_string_lossy().as_ref(), &source.url()]).await;
    eprint!("{}", done.out);
    assert_eq!(done.code, 0, "{}{}", done.out, done.err);
    platform.stop().await;
}
