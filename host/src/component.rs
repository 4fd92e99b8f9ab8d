//! Components of the world in `wit/argus-script.wit`: its interfaces over the same recorded calls as every other shape
//! has, and the export that gives the arguments.
//!
//! The types come from the WIT. The functions are linked by hand and not through the generated traits, because each
//! needs the store: fuel is charged there, and a recorded call says how much was used when it was made.

use argus_domain::{Address, B256, Bytes, run::RunInput, task::TriggerFact};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
pub(crate) use wasmtime::component::InstancePre;
use wasmtime::{
    AsContextMut, Engine, Store, StoreContextMut, Trap,
    component::{Component, ComponentNamedList, Lift, Linker, LinkerInstance, Lower, types::ComponentItem},
};

use crate::{
    calls::Op,
    component_wasi, context,
    error::Stop,
    evm, memory,
    meter::{CALL_FUEL, charge},
    reactor::RANDOM_BYTES_MAX,
    reply::{self, Answer, ErrorKind, Reply},
    run::fuel_used,
    state::Run,
    text,
};

#[allow(dead_code, missing_docs, reason = "generated; only its types are used")]
mod world {
    wasmtime::component::bindgen!({ path: "../wit", world: "script" });
}

use world::argus::script::{
    env::Encoding,
    evm::LogFilter,
    http::{Method, Redirect, Request, Response},
    log::Level,
    types::{CallError, Condition, Context, ErrorKind as CallErrorKind, Event, LogEntry, Pin, Trigger},
};

pub(crate) use world::argus::script::types::ScriptError;

/// The package of the world's interfaces.
const PACKAGE: &str = "argus:script";
/// Its version that is linked here: also for components of an earlier one with the same first number.
const VERSION: &str = "1.1.0";
/// Its interfaces.
const INTERFACES: [&str; 6] = ["types", "http", "evm", "log", "env", "storage"];
/// The export that gives the arguments.
pub(crate) const ENTRY: &str = "resolve";
/// What a component may hand over in one call: the longest request, and its strings' places.
const CALL_BYTES_MAX: usize = 4 << 20;

/// How `resolve` ended.
pub(crate) type Resolved = Result<Vec<String>, ScriptError>;

/// Whether an interface is one of the world's, in its version or an earlier one, and in any patch of it.
pub(crate) fn provides(interface: &str) -> bool {
    let known = |(name, version): (&str, &str)| {
        let name = name.strip_prefix(PACKAGE).and_then(|name| name.strip_prefix('/'));
        name.is_some_and(|name| INTERFACES.contains(&name))
            && ["1.0.", "1.1."].iter().any(|minor| version.starts_with(minor))
    };
    interface.split_once('@').is_some_and(known)
}

/// Links a component and checks its entry point.
///
/// # Errors
/// What differs from the world, as text.
pub(crate) fn prepare(engine: &Engine, component: &Component) -> Result<InstancePre<Run>, String> {
    let shown = |error: wasmtime::Error| text::shown(&format!("{error:#}"), 300);
    let mut linker = Linker::new(engine);
    link(&mut linker)
        .and_then(|()| component_wasi::link(&mut linker))
        .and_then(|()| component_wasi::link_absent(&mut linker, engine, component))
        .map_err(shown)?;
    let differs = |reason| format!("an import has another type than the host's: {reason}");
    let pre = linker.instantiate_pre(component).map_err(|e| differs(shown(e)))?;
    let ty = component.component_type();
    match ty.get_export(engine, ENTRY).map(|export| export.ty) {
        Some(ComponentItem::ComponentFunc(f)) => f
            .typecheck::<(Context,), (Resolved,)>(&pre.instance_type())
            .map_err(|e| format!("`{ENTRY}` has another type than the world's: {}", shown(e)))?,
        _ => return Err(format!("`{ENTRY}` is no function")),
    }
    Ok(pre)
}

fn link(linker: &mut Linker<Run>) -> wasmtime::Result<()> {
    let name = |interface| format!("{PACKAGE}/{interface}@{VERSION}");
    linker.instance(&name("types"))?;

    let mut http = linker.instance(&name("http"))?;
    recorded(&mut http, "fetch", Op::HttpFetch, fetch_request, response)?;

    let mut evm = linker.instance(&name("evm"))?;
    let call = |(chain, to, data): (u64, Vec<u8>, Vec<u8>)| json!({ "chain_id": chain, "to": hex(&to), "data": hex(&data) });
    recorded(&mut evm, "call", Op::EvmCall, call, bytes)?;
    let of_chain = |(chain,): (u64,)| json!({ "chain_id": chain });
    recorded(&mut evm, "block-number", Op::EvmBlockNumber, of_chain, value::<u64>)?;
    let of_account =
        |(chain, address): (u64, Vec<u8>)| json!({ "chain_id": chain, "address": hex(&address) });
    recorded(&mut evm, "balance", Op::EvmBalance, of_account, value::<String>)?;
    recorded(&mut evm, "get-logs", Op::EvmLogs, logs_request, logs)?;

    let mut storage = linker.instance(&name("storage"))?;
    let key = |(key,): (String,)| json!({ "key": key });
    recorded(&mut storage, "get", Op::StorageGet, key, |answer| {
        value::<Option<Bytes>>(answer).map(|found| found.map(|bytes| bytes.to_vec()))
    })?;
    let entry = |(key, value): (String, Vec<u8>)| json!({ "key": key, "value": hex(&value) });
    recorded(&mut storage, "set", Op::StorageSet, entry, |_| Some(()))?;
    recorded(&mut storage, "delete", Op::StorageDelete, key, |_| Some(()))?;

    let mut env = linker.instance(&name("env"))?;
    recorded(
        &mut env,
        "secret",
        Op::EnvSecret,
        |(name,): (String,)| json!({ "name": name }),
        value::<String>,
    )?;
    recorded(&mut env, "hmac", Op::EnvHmac, hmac_request, value::<String>)?;
    env.func_wrap("now-ms", |mut store: StoreContextMut<'_, Run>, (): ()| {
        charge(&mut store, CALL_FUEL)?;
        Ok((store.data().now_ms(),))
    })?;
    env.func_wrap("random", |store: StoreContextMut<'_, Run>, (len,): (u32,)| {
        random(store, u64::from(len)).map(|bytes| (bytes,))
    })?;

    let mut log = linker.instance(&name("log"))?;
    log.func_wrap("log", |mut store: StoreContextMut<'_, Run>, (level, message): (Level, String)| {
        charge(&mut store, CALL_FUEL.saturating_add(message.len() as u64))?;
        let level = match level {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        };
        store.data_mut().log_line(Some(level), &message);
        Ok(())
    })
}

/// A call that is counted and recorded: its request as the JSON that every shape sends, its reply as the WIT's type.
fn recorded<P, T>(
    linker: &mut LinkerInstance<'_, Run>,
    name: &str,
    op: Op,
    request: fn(P) -> Value,
    answer: fn(Answer) -> Option<T>,
) -> wasmtime::Result<()>
where
    P: ComponentNamedList + Lift + Send + 'static,
    T: Lower + Send + 'static,
{
    linker.func_wrap_async(name, move |mut store: StoreContextMut<'_, Run>, params: P| {
        Box::new(async move {
            let request = request(params).to_string();
            memory::check_request(op, request.len())?;
            let fuel = fuel_used(&mut store)?;
            let run = store.data_mut();
            let ticket = run.issue(op, request, fuel)?;
            let reply = run.finish(ticket).await?;
            Ok((typed(reply, answer)?,))
        })
    })
}

fn typed<T>(reply: Reply, answer: fn(Answer) -> Option<T>) -> Result<Result<T, CallError>, Stop> {
    match reply.result {
        Ok(value) => match answer(value) {
            Some(value) => Ok(Ok(value)),
            None => Err(Stop::Trap("an answer has another form than its call's".to_owned())),
        },
        Err(reply::CallError { kind, message, data }) => {
            let kind = match kind {
                ErrorKind::Invalid => CallErrorKind::Invalid,
                // A limit has ended the run by now.
                ErrorKind::Denied | ErrorKind::Limit => CallErrorKind::Denied,
                ErrorKind::Timeout => CallErrorKind::Timeout,
                ErrorKind::Transport => CallErrorKind::Transport,
                ErrorKind::Reverted => CallErrorKind::Reverted,
            };
            Ok(Err(CallError { kind, message, data: data.map(|bytes| bytes.to_vec()) }))
        }
    }
}

/// Bytes of the run's randomness, charged before they are drawn.
pub(crate) fn random(mut store: StoreContextMut<'_, Run>, len: u64) -> wasmtime::Result<Vec<u8>> {
    charge(&mut store, CALL_FUEL.saturating_add(len))?;
    let len = u32::try_from(len).ok().filter(|len| *len <= RANDOM_BYTES_MAX);
    let len = len.ok_or_else(|| Stop::Trap(format!("at most {RANDOM_BYTES_MAX} random bytes at a time")))?;
    let mut bytes = vec![0; len as usize];
    store.data_mut().fill_random(&mut bytes);
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

fn fetch_request((request,): (Request,)) -> Value {
    let method = match request.method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Patch => "PATCH",
        Method::Delete => "DELETE",
    };
    let redirect = match request.redirect {
        Redirect::Follow => "follow",
        Redirect::Manual => "manual",
        Redirect::Error => "error",
    };
    json!({
        "method": method, "url": request.url, "headers": request.headers,
        "body": request.body.as_deref().map(hex), "timeout_ms": request.timeout_ms, "redirect": redirect,
    })
}

fn hmac_request((secret, data, encoding): (String, Vec<u8>, Encoding)) -> Value {
    let encoding = match encoding {
        Encoding::Hex => "hex",
        Encoding::Base64 => "base64",
    };
    json!({ "name": secret, "data": hex(&data), "encoding": encoding })
}

fn logs_request((chain, filter): (u64, LogFilter)) -> Value {
    let topics: Vec<_> = filter.topics.iter().map(|topic| topic.as_deref().map(hex)).collect();
    json!({
        "chain_id": chain, "address": filter.address.as_deref().map(hex), "topics": topics,
        "from_block": filter.from_block, "to_block": filter.to_block,
    })
}

fn response(answer: Answer) -> Option<Response> {
    let Answer::Http(answer) = answer else { return None };
    let (status, headers, url) = (answer.status, answer.headers, answer.url);
    Some(Response { status, headers, body: answer.body.to_vec(), url })
}

fn value<T: DeserializeOwned>(answer: Answer) -> Option<T> {
    let Answer::Json(value) = answer else { return None };
    serde_json::from_value(value).ok()
}

fn bytes(answer: Answer) -> Option<Vec<u8>> {
    value::<Bytes>(answer).map(|bytes| bytes.to_vec())
}

fn logs(answer: Answer) -> Option<Vec<LogEntry>> {
    value::<Vec<LogText>>(answer).map(|logs| logs.into_iter().map(LogEntry::from).collect())
}

/// A log as [`evm::shown`] writes it.
#[derive(Deserialize)]
struct LogText {
    address: Address,
    topics: Vec<B256>,
    data: Bytes,
    block_number: u64,
    block_hash: B256,
    transaction_hash: B256,
    log_index: u64,
}

impl From<LogText> for LogEntry {
    fn from(log: LogText) -> Self {
        Self {
            address: log.address.to_vec(),
            topics: log.topics.iter().map(|topic| topic.to_vec()).collect(),
            data: log.data.to_vec(),
            block_number: log.block_number,
            block_hash: log.block_hash.to_vec(),
            transaction_hash: log.transaction_hash.to_vec(),
            log_index: log.log_index,
        }
    }
}

/// What the script is told: [`context::context`] with the WIT's types.
fn context_of(input: &RunInput) -> wasmtime::Result<Context> {
    let trigger = match &input.trigger {
        TriggerFact::Due => Trigger::Time,
        TriggerFact::Log(log) => {
            let entry: LogText = serde_json::from_value(evm::shown(log))?;
            Trigger::Event(Event { chain_id: log.chain.0, log: entry.into() })
        }
        TriggerFact::Value { value, at } => {
            Trigger::Condition(Condition { value: value.to_string(), observed_at: at.to_rfc3339() })
        }
        TriggerFact::Manual => Trigger::Manual,
    };
    let pins = input.pins.iter();
    Ok(Context {
        job_id: input.job.to_string(),
        task_id: input.task.to_string(),
        due: input.due.to_rfc3339(),
        attempt: input.attempt.0.into(),
        trigger,
        arguments: input.arguments.iter().map(Value::to_string).collect(),
        pinned: pins
            .map(|(chain, pin)| Pin { chain_id: chain.0, number: pin.number, hash: pin.hash.to_vec() })
            .collect(),
    })
}

/// Runs a component's `resolve` in a fresh instance.
pub(crate) async fn run(store: &mut Store<Run>, pre: &InstancePre<Run>) -> wasmtime::Result<Resolved> {
    store.set_hostcall_fuel(CALL_BYTES_MAX);
    let run = store.data_mut();
    run.environment = context::environment(&run.input);
    let input = run.input.clone();
    resolve(store, pre, &input).await
}

/// A fresh instance, and its `resolve` on what an input tells.
pub(crate) async fn resolve<T: Send + 'static>(
    store: &mut Store<T>,
    pre: &InstancePre<T>,
    input: &RunInput,
) -> wasmtime::Result<Resolved> {
    let context = context_of(input)?;
    let instance = pre.instantiate_async(&mut *store).await?;
    let resolve = instance.get_typed_func::<(Context,), (Resolved,)>(&mut *store, ENTRY)?;
    let called = resolve.call_async(store.as_context_mut(), (context,)).await;
    called.map(|(resolved,)| resolved).map_err(broke_off)
}

/// What a component does against the calling convention, wasmtime says in errors that are no traps.
fn broke_off(error: wasmtime::Error) -> wasmtime::Error {
    if error.is::<Stop>() || error.is::<Trap>() {
        return error;
    }
    let said = format!("{error:#}");
    if said.contains("fuel allocated for hostcalls") {
        let max = text::bytes(CALL_BYTES_MAX as u64);
        return Stop::limit("call size", max, "hand over less at a time").into();
    }
    Stop::Trap(said).into()
}
