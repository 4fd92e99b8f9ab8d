//! `argus replay`: a recorded run, or a task's runs, once more, offline.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use argus_domain::{
    bundle::{Account, BUNDLE_BYTES_MAX, Bundle, Check, Finding, Run, Script, Tools, check},
    difference::MadeCall,
    limits::Limits,
    module::Language,
    run::{RunInput, RunReport},
};
use argus_host::{Compared, Difference, Host, Replayed, compare, replay};
use bytes::Bytes;
use clap::Args;
use serde_json::json;

use super::{module, show};
use crate::{backends, client::Server, files};

/// Arguments of `argus replay`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  argus module run price.ts --record run.json\n  argus replay run.json\n  \
    argus replay run.json --with price-2.ts\n  argus replay 67108865 --save task.json\n\n\
    Everything is told from the file: the recorded answers are the only input, and no network is used but to fetch a \
    task's bundle.\n\
    Exit code: 0 every run is equal bit for bit (result, fuel, transcript root, log) and every check holds; with --with: \
    the other code makes the same calls and comes to the same result. 1 otherwise."
)]
pub struct Replay {
    /// A run kept by `argus module run --record`, a task's bundle, or a task's number (task_id)
    #[arg(value_name = "FILE|TASK")]
    pub what: String,
    /// Run this script or module instead, on the recorded input and answers, and show where it first differs
    #[arg(long, value_name = "FILE")]
    pub with: Option<PathBuf>,
    /// The language of that file, where its name does not tell
    #[arg(long, value_name = "LANG", requires = "with")]
    pub language: Option<String>,
    /// Keep the bundle that was fetched
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
    /// Where a task is looked for
    #[command(flatten)]
    pub server: Server,
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
    let script = Script { source: source.clone().into(), language, wasm_hash: Some(report.wasm_hash) };
    let run = Run::by_hand(input.clone(), *limits, report);
    let bytes = Bundle::new(Some(script), vec![run], None, Vec::new()).encode()?;
    files::write(file, &bytes)
}

/// Replays a file or a task; gives the exit code.
pub async fn run(args: &Replay, as_json: bool) -> anyhow::Result<u8> {
    let bytes = read(args).await?;
    let bundle = Bundle::decode(&bytes).with_context(|| args.what.clone())?;
    if let Some(file) = &args.save {
        files::write(file, &bytes)?;
    }
    let host = backends::replay_host()?;
    match &args.with {
        Some(file) => {
            let other = module::read(file, args.language.as_deref())?;
            with_other(&host, &bundle, other, as_json).await
        }
        None => all(&host, &bundle, as_json).await,
    }
}

async fn read(args: &Replay) -> anyhow::Result<Vec<u8>> {
    let path = Path::new(&args.what);
    if path.exists() {
        return std::fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    }
    if args.what.is_empty() || !args.what.bytes().all(|b| b.is_ascii_alphanumeric()) {
        bail!("{} is neither a file nor a task", args.what);
    }
    Ok(args.server.download(&format!("/tasks/{}/bundle", args.what), BUNDLE_BYTES_MAX).await?.into())
}

/// Checks what the file tells, and replays its runs.
async fn all(host: &Host, bundle: &Bundle, as_json: bool) -> anyhow::Result<u8> {
    let tools = Tools {
        recover: &argus_evm::recover,
        names: &|cid, bytes| argus_ipfs::check(cid, bytes).is_ok(),
        included: &|inclusion| argus_evm::included(inclusion).map_err(|error| error.to_string()),
    };
    let mut checks = check(bundle, &tools);
    let mut differences = Vec::new();
    for run in &bundle.runs {
        let replayed = replay(host, bundle, run).await;
        checks.push(Check { what: "replay", finding: finding(run, &replayed) });
        if let Replayed::Differs(found) = replayed {
            differences.extend(found);
        }
    }
    // Without a run there is nothing to compare, unless no script ran at all.
    let is_told = !bundle.runs.is_empty() || bundle.script.is_none();
    let equal = is_told && !checks.iter().any(|c| matches!(c.finding, Finding::Fails(_)));
    if as_json {
        tell_json(bundle, equal, &checks, &differences);
    } else {
        tell(bundle, equal, &checks, &differences);
    }
    Ok(u8::from(!equal))
}

fn finding(run: &Run, replayed: &Replayed) -> Finding {
    let whose = run.by.map_or_else(|| "the run".to_owned(), |(_, keeper)| format!("the run of {keeper}"));
    match replayed {
        Replayed::Equal => {
            Finding::Holds(format!("{whose}: result, fuel {}, root and log are equal", run.fuel))
        }
        Replayed::Differs(found) => {
            let what: Vec<_> = found.iter().map(|difference| difference.what).collect();
            Finding::Fails(format!("{whose} differs in: {}", what.join(", ")))
        }
        Replayed::Not(why) => Finding::Fails(format!("{whose} could not be replayed: {why}")),
    }
}

/// What is found of a thing that nobody signed.
const PLATFORM: &str = "platform's word";

fn words(finding: &Finding) -> (&'static str, &str) {
    match finding {
        Finding::Holds(words) => ("holds", words),
        Finding::Fails(words) => ("fails", words),
        Finding::Told(words) => (PLATFORM, words),
        Finding::Open(words) => ("open", words),
    }
}

fn tell_json(bundle: &Bundle, equal: bool, checks: &[Check], differences: &[Difference]) {
    let checks: Vec<_> = checks
        .iter()
        .map(|c| {
            let (finding, words) = words(&c.finding);
            json!({ "what": c.what, "finding": finding, "words": words })
        })
        .collect();
    let list: Vec<_> = differences
        .iter()
        .map(|d| json!({ "what": d.what, "recorded": d.recorded, "replayed": d.replayed }))
        .collect();
    let run = bundle.first_run();
    show::json(&json!({
        "equal": equal, "fuel": run.map(|run| run.fuel), "root": run.map(|run| run.root.to_string()),
        "differences": list, "checks": checks, "runs": bundle.runs.len(),
        "task": bundle.task.as_ref().map(|account| account.record.task.id.to_string()), "omitted": bundle.omitted,
    }));
}

fn tell(bundle: &Bundle, equal: bool, checks: &[Check], differences: &[Difference]) {
    let rows = checks.iter().map(|c| {
        let (finding, words) = words(&c.finding);
        vec![c.what.to_owned(), finding.to_owned(), words.to_owned()]
    });
    show::line(show::table(&["check", "", "what was found"], rows));
    bundle.omitted.iter().for_each(|what| show::line(format!("left out: {what}")));
    if !differences.is_empty() {
        let rows =
            differences.iter().map(|d| vec![d.what.to_owned(), d.recorded.clone(), d.replayed.clone()]);
        show::line(show::table(&["differs", "recorded", "replayed"], rows));
    }
    if let Some(account) = &bundle.task {
        reach(account);
    }
    show::line(match (bundle.first_run(), equal) {
        (Some(run), true) => format!("equal: result, fuel {} and root {}", run.fuel, run.root),
        (None, true) => "everything that the bundle tells holds; no script ran".to_owned(),
        (_, false) => "not equal".to_owned(),
    });
}

/// What a file can show of a task, and for what one has to look elsewhere.
fn reach(account: &Account) {
    let by: BTreeSet<_> = account.seals.iter().map(|seal| seal.by.to_string()).collect();
    let platform = match by.first() {
        Some(address) => format!("{address} is the platform that you mean"),
        None => "it comes from the platform that you mean".to_owned(),
    };
    show::line(format!(
        "What holds was shown with this file alone, by hashes, signatures and replay. What is the {PLATFORM} was not: \
         look it up on the chain. No file can show that {platform}, that a block is on the chain (a node tells, by the \
         block's hash), and that the keepers are registered ones: the chain's keeper registry names them."
    ));
}

/// Runs other code on the answers of the bundle's first run.
async fn with_other(
    host: &Host,
    bundle: &Bundle,
    other: (Bytes, Language),
    as_json: bool,
) -> anyhow::Result<u8> {
    let Some(run) = bundle.first_run() else { bail!("the bundle has no run whose answers could be used") };
    let compared = compare(host, bundle, run, other).await?;
    let same = matches!(compared, Compared::Same { .. });
    if as_json {
        show::json(&match &compared {
            Compared::Same { recorded, now } => {
                json!({ "same": true, "fuel": { "recorded": recorded, "now": now } })
            }
            Compared::Call(call) => json!({ "same": false, "call": call }),
            Compared::Result(result) => json!({ "same": false, "result": result }),
        });
        return Ok(u8::from(!same));
    }
    match &compared {
        Compared::Same { recorded, now } => {
            show::line(format!("same calls, same result; fuel {recorded} recorded, {now} now"));
        }
        Compared::Call(call) => {
            let side = |made: &Option<MadeCall>| match made {
                Some(made) => vec![
                    made.import.clone(),
                    made.request.clone(),
                    made.reply.clone().unwrap_or_else(|| "not recorded".to_owned()),
                    made.fuel.to_string(),
                ],
                None => vec!["no call".to_owned(), String::new(), String::new(), String::new()],
            };
            let rows = [("recorded", &call.one), ("now", &call.other)]
                .map(|(who, made)| [vec![who.to_owned()], side(made)].concat());
            show::line(format!("call {} is the first that differs:", call.sequence));
            show::line(show::table(&["", "what", "request", "answer", "fuel before"], rows));
        }
        Compared::Result(result) => {
            let text = |side: &Option<String>| side.clone().unwrap_or_else(|| "nothing".to_owned());
            show::line(format!("same calls, another result at {}:", result.path));
            let rows =
                [vec!["recorded".to_owned(), text(&result.one)], vec!["now".to_owned(), text(&result.other)]];
            show::line(show::table(&["", "value"], rows));
        }
    }
    Ok(u8::from(!same))
}
