//! A component that makes each call of the world, and what Rust's standard library makes of WASI 0.2. The job's first
//! argument picks what it does.

wit_bindgen::generate!({ path: "../../../../wit", world: "script" });

use std::time::{Duration, Instant, SystemTime};

use argus::script::{
    env,
    evm::{self, LogFilter},
    http::{self, Method, Redirect, Request},
    log, storage,
    types::{CallError, ErrorKind, Trigger},
};

struct Script;
export!(Script);

impl Guest for Script {
    fn resolve(ctx: Context) -> Result<Vec<String>, ScriptError> {
        match ctx.arguments.first().map(String::as_str) {
            Some("\"skip\"") => Err(ScriptError::Skip("the price did not move".into())),
            Some("\"fail\"") => Err(ScriptError::Failed("no price".into())),
            Some("\"panic\"") => panic!("a broken rule"),
            Some("\"exit\"") => std::process::exit(1),
            Some("\"object\"") => Ok(vec![r#"{"shouldExecute": false}"#.into()]),
            Some("\"two in one\"") => Ok(vec!["1, 2".into()]),
            _ => Ok(everything(&ctx)),
        }
    }
}

fn everything(ctx: &Context) -> Vec<String> {
    println!("printed");
    eprintln!("shown");
    log::log(log::Level::Warn, "told");
    let started = Instant::now();
    std::thread::sleep(Duration::from_secs(3600));
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let trigger = match ctx.trigger {
        Trigger::Time => "time",
        Trigger::Event(_) => "event",
        Trigger::Condition(_) => "condition",
        Trigger::Manual => "manual",
    };
    let request = Request {
        method: Method::Post,
        url: "https://a.example/echo".into(),
        headers: vec![("x-a".into(), "b".into())],
        body: Some(b"hello".to_vec()),
        timeout_ms: None,
        redirect: Redirect::Follow,
    };
    let fetched = http::fetch(&request).map(|r| format!("{} {}", r.status, r.body.len()));
    let filter = LogFilter { address: Some(vec![1; 20]), topics: vec![None], from_block: Some(90), to_block: None };
    vec![
        text(trigger),
        text(&ctx.due),
        ctx.arguments.len().to_string(),
        text(&std::env::var("ARGUS_TRIGGER_KIND").unwrap_or_default()),
        started.elapsed().as_secs().to_string(),
        (env::now_ms() / 1000 - since_1970.as_secs()).to_string(),
        said(fetched),
        said(evm::call(1, &[2; 20], b"\x01\x02").map(|bytes| bytes.len())),
        said(evm::call(1, &[0xde; 20], b"").map(|bytes| bytes.len())),
        said(evm::call(1, &[2; 19], b"").map(|bytes| bytes.len())),
        said(evm::block_number(1)),
        said(evm::balance(1, &[3; 20])),
        said(evm::get_logs(1, &filter).map(|logs| logs.len())),
        said(evm::block_number(2)),
        said(storage::set("k", b"v").and_then(|()| storage::get("k")).map(|found| found.is_some())),
        said(env::secret("k")),
        env::random(32).iter().any(|byte| *byte != 0).to_string(),
    ]
}

/// What a call gave, or the kind of its error and how many bytes go with it.
fn said<T: ToString>(result: Result<T, CallError>) -> String {
    text(&match result {
        Ok(value) => value.to_string(),
        Err(error) => {
            let kind = match error.kind {
                ErrorKind::Invalid => "invalid",
                ErrorKind::Denied => "denied",
                ErrorKind::Timeout => "timeout",
                ErrorKind::Transport => "transport",
                ErrorKind::Reverted => "reverted",
            };
            format!("{kind} {}", error.data.map_or(0, |data| data.len()))
        }
    })
}

fn text(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}
