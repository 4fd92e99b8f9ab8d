//! `argus replay`: a recorded run, once more, offline.

use std::path::{Path, PathBuf};

use anyhow::Context;
use argus_domain::{
    limits::Limits,
    module::Language,
    run::{RunInput, RunReport},
};
use argus_host::{Bundle, BundleError};
use bytes::Bytes;
use clap::Args;
use serde_json::json;

use super::show;
use crate::backends;

/// Arguments of `argus replay`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  argus module run price.ts --record run.json\n  argus replay run.json\n\n\
    No network is used: the recorded answers are the only input. Exit code 0 if result, fuel and transcript root are \
    equal bit for bit, else 1."
)]
pub struct Replay {
    /// A run kept by `argus module run --record`
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Keeps a run in a file.
pub fn keep(
    file: &Path,
    source: &Bytes,
    language: Language,
    input: &RunInput,
    limits: &Limits,
    report: &RunReport,
) -> anyhow::Result<()> {
    let bundle = Bundle::new(source.clone(), language, input.clone(), *limits, report);
    std::fs::write(file, bundle.encode()).with_context(|| format!("cannot write {}", file.display()))
}

/// Replays a file; gives the exit code.
pub async fn run(args: &Replay, as_json: bool) -> anyhow::Result<u8> {
    let bytes = std::fs::read(&args.file).with_context(|| format!("cannot read {}", args.file.display()))?;
    let bundle = Bundle::decode(&bytes).with_context(|| args.file.display().to_string())?;
    let runner = backends::local_runner(&[], &[]).await?;
    let (equal, findings) = match bundle.verify(&*runner).await {
        Ok(differences) => (
            differences.is_empty(),
            differences
                .iter()
                .map(|d| (d.what.to_string(), d.recorded.clone(), d.replayed.clone()))
                .collect(),
        ),
        Err(BundleError::Replay(error)) => {
            (false, vec![("calls".to_owned(), "as recorded".to_owned(), error.to_string())])
        }
        Err(error) => return Err(error.into()),
    };
    if as_json {
        let list: Vec<_> = findings
            .iter()
            .map(|(what, recorded, replayed)| json!({ "what": what, "recorded": recorded, "replayed": replayed }))
            .collect();
        show::json(
            &json!({ "equal": equal, "fuel": bundle.fuel, "root": bundle.root.to_string(), "differences": list }),
        );
    } else if equal {
        show::line(format!("equal: result, fuel {} and root {}", bundle.fuel, bundle.root));
    } else {
        let rows = findings.into_iter().map(|(what, recorded, replayed)| vec![what, recorded, replayed]);
        show::line(show::table(&["differs", "recorded", "replayed"], rows));
    }
    Ok(u8::from(!equal))
}
