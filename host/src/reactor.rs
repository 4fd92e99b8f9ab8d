//! Imports of core reactors, module `host`: `(ptr, len) -> u64`, JSON both ways.

use serde::Deserialize;
use serde_json::json;
use wasmtime::{Caller, Linker};

use crate::{
    calls::{self, Op},
    js, memory,
    meter::{CALL_FUEL, charge},
    reply::{ErrorKind, Reply},
    run::fuel_used,
    state::Run,
};

/// Random bytes that one call gives.
pub(crate) const RANDOM_BYTES_MAX: u32 = 65_536;

/// An import of the module `host`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Import {
    /// Counted and recorded.
    Recorded(Op),
    /// An effect that answers nothing.
    Log,
    /// The run's clock.
    Now,
    /// The run's randomness.
    Random,
}

/// All of them.
const OPS: [Import; 13] = [
    Import::Recorded(Op::HttpFetch),
    Import::Recorded(Op::EvmCall),
    Import::Recorded(Op::EvmBlockNumber),
    Import::Recorded(Op::EvmBalance),
    Import::Recorded(Op::EvmLogs),
    Import::Recorded(Op::EnvSecret),
    Import::Recorded(Op::EnvHmac),
    Import::Recorded(Op::StorageGet),
    Import::Recorded(Op::StorageSet),
    Import::Recorded(Op::StorageDelete),
    Import::Log,
    Import::Now,
    Import::Random,
];

/// An HTTP call in two steps: `http_issue(ptr, len)` gives a ticket, `http_await(ticket)` its answer with the body as
/// bytes. So that a program has several requests out together, and need not read a megabyte of hexadecimal.
const HTTP_ISSUE: &str = "http_issue";
const HTTP_AWAIT: &str = "http_await";

/// Whether a core module may import this from `host`.
pub(crate) fn provides(name: &str) -> bool {
    [HTTP_ISSUE, HTTP_AWAIT].contains(&name) || OPS.iter().any(|op| op.name() == name)
}

impl Import {
    pub fn name(self) -> &'static str {
        match self {
            Self::Recorded(op) => op.name(),
            Self::Log => "log",
            Self::Now => "env_now",
            Self::Random => "env_random",
        }
    }
}

/// Names of all host calls, as modules import them and transcripts record them, each with what it counts as.
pub fn host_calls() -> impl Iterator<Item = (&'static str, &'static str)> {
    OPS.into_iter().map(|import| {
        let counts = match import {
            Import::Recorded(op) if op.is_http() => "host call, HTTP call",
            Import::Recorded(op) if op.is_evm() => "host call, EVM call",
            Import::Recorded(_) => "host call",
            Import::Log | Import::Now | Import::Random => "fuel alone",
        };
        (import.name(), counts)
    })
}

#[derive(Deserialize)]
struct LogRequest {
    #[serde(default)]
    level: Option<String>,
    message: String,
}

#[derive(Deserialize)]
struct RandomRequest {
    len: u32,
}

/// Adds the imports to a linker.
pub(crate) fn link(linker: &mut Linker<Run>) -> wasmtime::Result<()> {
    for import in OPS {
        linker.func_wrap_async(
            "host",
            import.name(),
            move |mut caller: Caller<'_, Run>, (ptr, len): (u32, u32)| {
                Box::new(async move { answer(&mut caller, import, ptr, len).await })
            },
        )?;
    }
    linker.func_wrap("host", HTTP_ISSUE, |mut caller: Caller<'_, Run>, ptr: u32, len: u32| {
        let request = memory::request(&caller, Op::HttpFetch, ptr, len)?;
        let fuel = fuel_used(&mut caller)?;
        wasmtime::Result::Ok(u64::from(caller.data_mut().issue(Op::HttpFetch, request, fuel)?))
    })?;
    linker.func_wrap_async("host", HTTP_AWAIT, |mut caller: Caller<'_, Run>, (ticket,): (u64,)| {
        // Beyond the last ticket that can be given there is none either.
        let ticket = u32::try_from(ticket).unwrap_or(u32::MAX);
        Box::new(async move { js::awaited(&mut caller, ticket).await })
    })?;
    Ok(())
}

async fn answer(caller: &mut Caller<'_, Run>, import: Import, ptr: u32, len: u32) -> wasmtime::Result<u64> {
    let request = match import {
        Import::Recorded(op) => memory::request(caller, op, ptr, len)?,
        Import::Log | Import::Now | Import::Random => {
            charge(&mut *caller, CALL_FUEL.saturating_add(u64::from(len)))?;
            memory::text(caller, ptr, len)?
        }
    };
    let reply = match import {
        Import::Recorded(op) => {
            let fuel = fuel_used(&mut *caller)?;
            let run = caller.data_mut();
            let ticket = run.issue(op, request, fuel)?;
            run.finish(ticket).await?
        }
        Import::Log => log(caller.data_mut(), &request),
        Import::Now => Reply::ok(json!(caller.data().now_ms())),
        Import::Random => random(caller, &request)?,
    };
    memory::place(caller, &[reply.text().as_bytes()]).await
}

fn log(run: &mut Run, request: &str) -> Reply {
    match calls::parse::<LogRequest>(request) {
        Ok(LogRequest { level, message }) => {
            run.log_line(level.as_deref(), &message);
            Reply::ok(json!(null))
        }
        Err(reply) => reply,
    }
}

fn random(caller: &mut Caller<'_, Run>, request: &str) -> wasmtime::Result<Reply> {
    let len = match calls::parse::<RandomRequest>(request) {
        Ok(RandomRequest { len }) if len <= RANDOM_BYTES_MAX => len,
        Ok(_) => {
            let message = format!("at most {RANDOM_BYTES_MAX} random bytes at a time");
            return Ok(Reply::err(ErrorKind::Invalid, message));
        }
        Err(reply) => return Ok(reply),
    };
    charge(&mut *caller, u64::from(len))?;
    let mut bytes = vec![0; len as usize];
    caller.data_mut().fill_random(&mut bytes);
    Ok(Reply::ok(json!(format!("0x{}", hex::encode(bytes)))))
}
