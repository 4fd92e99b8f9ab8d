//! `argus module publish`: a script gets its CID.

use std::path::Path;

use base64::Engine as _;
use serde_json::json;

use super::{super::show, inputs::Size, read};
use crate::client::Server;

/// Publishes a file; gives the exit code.
pub async fn run(
    file: &Path,
    language: Option<&str>,
    size: Size,
    server: &Server,
    as_json: bool,
) -> anyhow::Result<u8> {
    let (bytes, language) = read(file, language)?;
    let mut body = match String::from_utf8(bytes.to_vec()) {
        Ok(text) => json!({ "source": text, "language": language.to_string() }),
        Err(_) => json!({
            "wasm_base64": base64::engine::general_purpose::STANDARD.encode(&bytes), "language": language.to_string(),
        }),
    };
    // What was not asked for is the platform's to say.
    if size.max_command.is_some() {
        body["limits"] = json!({ "command_bytes": size.limits().command_bytes });
    }
    let reply =
        show::waiting("the platform is still compiling the module", server.post("/modules", &body)).await?;
    if as_json {
        show::json(&reply);
    } else {
        show::line(format!("published  ipfs://{}", show::field(&reply, "cid")));
    }
    Ok(0)
}
