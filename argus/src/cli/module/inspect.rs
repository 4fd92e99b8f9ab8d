//! `argus module inspect`: what admission says.

use std::path::Path;

use argus_domain::{limits::Limits, module::Admitted};
use argus_ports::RunnerError;
use serde_json::json;

use super::{
    super::show,
    inputs::{COMPILING, STARTING},
    read,
};
use crate::backends;

/// Says what a file is to a job with these limits; `built`: the file that a build left behind. Gives the exit code.
pub async fn run(
    file: &Path,
    language: Option<&str>,
    limits: Limits,
    built: Option<&Path>,
    as_json: bool,
) -> anyhow::Result<u8> {
    let (source, language) = read(file, language)?;
    let built = built.map(|file| file.display().to_string());
    let runner = show::waiting(STARTING, backends::local_runner(&[], &[])).await?;
    let source_bytes = source.len();
    match show::waiting(COMPILING, runner.admit(source, language, limits)).await {
        Ok(Admitted { wasm_hash, module_bytes, shape, needs }) => {
            let bytes_max = limits.module_bytes(shape);
            let shape = format!("{shape:?}").to_lowercase();
            if as_json {
                show::json(&json!({
                    "ok": true, "language": language.to_string(), "shape": shape, "source_bytes": source_bytes,
                    "module_bytes": module_bytes, "wasm_hash": wasm_hash.0.to_string(),
                    "engine": runner.engine().0.to_string(), "reasons": [], "output": built,
                    "module_bytes_max": bytes_max, "imports": needs.imports,
                    "memory_bytes_min": needs.memory_bytes, "table_elements_min": needs.table_elements,
                }));
            } else {
                show::line(format!(
                    "language  {language}\nshape     {shape}\nsource    {source_bytes} bytes\nmodule    {module_bytes} bytes of {} at most\nhash      {}\nengine    {}\nmemory    from {} bytes\ntables    from {} elements",
                    bytes_max,
                    wasm_hash.0,
                    runner.engine().0,
                    needs.memory_bytes,
                    needs.table_elements,
                ));
                for import in needs.imports {
                    show::line(format!("imports   {import}"));
                }
                if let Some(built) = built {
                    show::line(format!("publish   {built}"));
                }
            }
            Ok(0)
        }
        Err(RunnerError::Refused(refusal)) => {
            if as_json {
                show::json(
                    &json!({ "ok": false, "language": language.to_string(), "reasons": refusal.reasons, "output": built }),
                );
            } else {
                show::line("refused:");
                refusal.reasons.iter().for_each(|r| show::line(format!("  - {r}")));
            }
            Ok(1)
        }
        Err(error) => Err(error.into()),
    }
}
