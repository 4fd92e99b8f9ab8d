//! Generates the services; their messages are argus-proto's.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = "../../proto";
    println!("cargo::rerun-if-changed={root}/argus/v1");
    tonic_prost_build::configure()
        .extern_path(".argus.v1", "::argus_proto::v1")
        .compile_fds(protox::compile(["argus/v1/links.proto"], [root])?)?;
    Ok(())
}
