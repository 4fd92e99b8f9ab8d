//! Generates the messages. Services are generated where they are spoken (adapters/grpc), so that who only stores
//! these messages needs no gRPC.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = ["values", "module", "job", "decision", "task", "act", "people", "links"]
        .map(|name| format!("argus/v1/{name}.proto"));
    for file in &files {
        println!("cargo::rerun-if-changed={file}");
    }
    tonic_prost_build::configure()
        .build_client(false)
        .build_server(false)
        .build_transport(false)
        .compile_fds(protox::compile(files, ["."])?)?;
    Ok(())
}
