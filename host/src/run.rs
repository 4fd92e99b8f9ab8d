//! One run: a fresh store and instance, from the context to how it ended.

use std::{sync::Arc, time::Duration};

use argus_domain::{
    limits::Limits,
    module::{EngineId, Shape},
    run::{FailureKind, RunEnd, RunFailure, RunInput, RunReport},
    secret::RunSecrets,
};
use argus_ports::RunnerError;
use wasmtime::{AsContextMut, Instance, Store, Trap};

use crate::{
    compile::{Code, Ready},
    component::{self, Resolved},
    config::World,
    context,
    error::{HostError, Stop, failure},
    exports::Exports,
    memory,
    meter::charge,
    outcome,
    state::Run,
    tape::Tape,
    text,
};

/// Fuel between two yields to the other tasks of the thread: about half a millisecond.
const YIELD_FUEL: u64 = 500_000;
/// The same where components hand each other text: a copy costs no fuel and takes milliseconds, if it is as long as a
/// memory, and only a yield lets the wall limit end it.
const COMPOSED_YIELD_FUEL: u64 = 1_000;

/// Reply tags of the JavaScript engine's `run_script`.
const PRINTED: u8 = 0;
const RETURNED: u8 = 1;

/// What a run is made of.
pub(crate) struct Job {
    pub engine: EngineId,
    pub world: Arc<World>,
    pub ready: Ready,
    pub input: Arc<RunInput>,
    pub limits: Limits,
    pub tape: Tape,
    pub secrets: Arc<RunSecrets>,
}

/// How the guest's code came to its end by itself.
enum Ended {
    /// A command returned from `_start`, or a script printed.
    Quietly,
    /// A reactor's reply.
    Replied(Vec<u8>),
    /// A script's exported function returned this.
    Returned(Vec<u8>),
    /// A component's arguments, or why it gives none.
    Resolved(Resolved),
    /// A script threw; message and stack.
    Threw(String),
}

/// Fuel used so far, growth tries included.
pub(crate) fn fuel_used(mut store: impl AsContextMut<Data = Run>) -> wasmtime::Result<u64> {
    let mut store = store.as_context_mut();
    charge(&mut store, 0)?;
    Ok(store.data().limits.fuel_max.saturating_sub(store.get_fuel()?))
}

/// Runs it.
///
/// # Errors
/// [`RunnerError::Diverged`] in a replay; [`RunnerError::Host`] where wasmtime itself fails.
pub(crate) async fn run(job: Job) -> Result<RunReport, RunnerError> {
    let Job { engine: id, world, ready, input, limits, tape, secrets } = job;
    let mut store = Store::new(ready.code.engine(), Run::new(world, input, limits, tape, &secrets));
    store.limiter(|run| run);
    store.set_fuel(limits.fuel_max).map_err(HostError::internal)?;
    let is_composed = matches!(ready.code, Code::Component { is_composed: true, .. });
    let yield_fuel = if is_composed { COMPOSED_YIELD_FUEL } else { YIELD_FUEL };
    store.fuel_async_yield_interval(Some(yield_fuel)).map_err(HostError::internal)?;

    let wall = Duration::from_millis(limits.wall_ms);
    let result = tokio::time::timeout(wall, Box::pin(execute(&mut store, &ready))).await;

    let left = store.get_fuel().map_err(HostError::internal)?;
    let owed = store.data_mut().meter.take_owed();
    let fuel = limits.fuel_max - left.saturating_sub(owed);
    let run = store.data_mut();
    let tape = run.take_tape();
    let log = log_text(run);
    let end = match result {
        Err(_) => RunEnd::Failed(failure(
            FailureKind::Inconclusive,
            format!("the wall time limit of {} ms is used up: wait less, or for less", limits.wall_ms),
        )),
        Ok(_) if owed > left => RunEnd::Failed(out_of_fuel(&limits)),
        Ok(Ok(ended)) => by_itself(ended, run, &limits),
        Ok(Err(error)) => stopped(&error, run, &limits, &log)?,
    };
    // A replay that was cut off by this host's own limits left something over by itself.
    let by_us = matches!(&end, RunEnd::Failed(f) if f.kind == FailureKind::Inconclusive);
    if !by_us && let Some(difference) = tape.left_over() {
        return Err(RunnerError::Diverged(difference));
    }
    Ok(RunReport {
        wasm_hash: ready.admitted.wasm_hash,
        engine: id,
        end,
        log,
        fuel,
        memory_bytes: run.meter.memory_peak(),
        host_calls: run.used.host_calls,
        transcript: tape.into_transcript(),
        state: run.state.take(),
    })
}

async fn execute(store: &mut Store<Run>, ready: &Ready) -> wasmtime::Result<Ended> {
    match &ready.code {
        Code::Script(script) => {
            let engine = script.engine.instantiate_async(&mut *store).await?;
            enter(store, &engine, &script.engine_exports);
            let imports = script.links.of(&mut *store, &engine);
            let instance = Instance::new_async(&mut *store, &script.module, &imports).await?;
            script_run(store, &instance, &script.exports).await
        }
        Code::Component { pre, .. } => component::run(store, pre).await.map(Ended::Resolved),
        Code::Own { pre, exports } => {
            let instance = pre.instantiate_async(&mut *store).await?;
            enter(store, &instance, exports);
            match ready.admitted.shape {
                Shape::Command => command_run(store, &instance, exports).await,
                Shape::Reactor | Shape::Script | Shape::Component => {
                    reactor_run(store, &instance, exports).await
                }
            }
        }
    }
}

/// Makes the guest's memory and allocator known to host calls.
fn enter(store: &mut Store<Run>, instance: &Instance, exports: &Exports) {
    let memory = exports.memory(&mut *store, instance);
    let alloc = exports.abi_alloc.func(&mut *store, instance);
    let alloc = alloc.and_then(|f| f.typed::<u32, u32>(&*store).ok());
    let run = store.data_mut();
    run.memory = memory;
    run.alloc = alloc;
}

async fn script_run(store: &mut Store<Run>, script: &Instance, exports: &Exports) -> wasmtime::Result<Ended> {
    let input = context::script_input(&store.data().input);
    let reply = call_run(store, script, exports, input.as_bytes(), true).await?;
    Ok(match reply.split_first() {
        Some((&PRINTED, _)) => Ended::Quietly,
        Some((&RETURNED, value)) => Ended::Returned(value.to_vec()),
        Some((_, message)) => Ended::Threw(String::from_utf8_lossy(message).into_owned()),
        None => return Err(wasmtime::Error::msg("the JavaScript engine gave no reply")),
    })
}

async fn reactor_run(
    store: &mut Store<Run>,
    instance: &Instance,
    exports: &Exports,
) -> wasmtime::Result<Ended> {
    if let Some(initialize) = exports.initialize.func(&mut *store, instance) {
        initialize.typed::<(), ()>(&*store)?.call_async(&mut *store, ()).await?;
    }
    let input = context::context(&store.data().input);
    call_run(store, instance, exports, input.as_bytes(), false).await.map(Ended::Replied)
}

async fn command_run(
    store: &mut Store<Run>,
    instance: &Instance,
    exports: &Exports,
) -> wasmtime::Result<Ended> {
    let run = store.data_mut();
    run.stdin = context::context(&run.input).into_bytes();
    run.environment = context::environment(&run.input);
    let start = exports.start.func(&mut *store, instance);
    let start = start.ok_or_else(|| wasmtime::Error::msg("no _start"))?.typed::<(), ()>(&*store)?;
    start.call_async(&mut *store, ()).await?;
    Ok(Ended::Quietly)
}

/// `run(ptr, len) -> ptr << 32 | len`, with the input placed through `abi_alloc`.
async fn call_run(
    store: &mut Store<Run>,
    instance: &Instance,
    exports: &Exports,
    input: &[u8],
    tagged: bool,
) -> wasmtime::Result<Vec<u8>> {
    let run = exports.run.func(&mut *store, instance);
    let (Some(run), Some(alloc), Some(memory)) = (run, store.data().alloc.clone(), store.data().memory)
    else {
        return Err(wasmtime::Error::msg("no run, abi_alloc or memory"));
    };
    let run = run.typed::<(u32, u32), u64>(&*store)?;
    let len = u32::try_from(input.len())?;
    let ptr = alloc.call_async(&mut *store, len).await?;
    memory::slice_mut(memory.data_mut(store.as_context_mut()), ptr, len)?.copy_from_slice(input);
    let packed = run.call_async(&mut *store, (ptr, len)).await?;
    let (ptr, len) = ((packed >> 32) as u32, (packed & 0xffff_ffff) as u32);
    let reply = memory::slice(memory.data(&*store), ptr, len)?;
    let max = store.data().limits.output_bytes + u64::from(tagged);
    if reply.len() as u64 > max && (!tagged || reply[0] == RETURNED) {
        let max = text::bytes(store.data().limits.output_bytes);
        return Err(Stop::limit("output", max, "return less").into());
    }
    Ok(reply.to_vec())
}

fn by_itself(ended: Ended, run: &Run, limits: &Limits) -> RunEnd {
    match ended {
        Ended::Quietly => outcome::printed(&run.output.result, limits, NOTHING),
        Ended::Returned(value) => outcome::printed(&value, limits, NOTHING),
        Ended::Replied(value) => outcome::replied(&value, limits),
        Ended::Resolved(answer) => outcome::resolved(answer, limits),
        Ended::Threw(message) if run.meter.is_memory_refused() && wants_memory(&message) => {
            RunEnd::Failed(out_of_memory(limits, &message))
        }
        Ended::Threw(message) => RunEnd::Failed(failure(FailureKind::Script, message)),
    }
}

/// What the JavaScript engine throws when there is no room for an error either.
const NO_ROOM: &str = "Uncaught null";
/// And where there is room for the error, but none for what it says.
const NO_ROOM_FOR_ITS_MESSAGE: &str = "InternalError: Invalid error message";

/// Whether this is what the JavaScript engine throws when it gets no more memory.
fn wants_memory(message: &str) -> bool {
    message.contains("out of memory") || message == NO_ROOM || message.contains(NO_ROOM_FOR_ITS_MESSAGE)
}

/// What a script is told that neither printed nor returned anything.
const NOTHING: &str = "the script printed nothing and exports no function that returns something: print the result as \
    one JSON value, or export a function (export default, module.exports, resolve or main)";

fn stopped(error: &wasmtime::Error, run: &Run, limits: &Limits, log: &str) -> Result<RunEnd, RunnerError> {
    let failed = |kind, message: String| Ok(RunEnd::Failed(failure(kind, message)));
    if let Some(stop) = error.downcast_ref::<Stop>() {
        return match stop.clone() {
            Stop::Exit(code) => Ok(outcome::exited(code, &run.output.result, log, limits)),
            Stop::Limit(message) => failed(FailureKind::Limit, message),
            Stop::Trap(message) => failed(FailureKind::Script, format!("the module broke off: {message}")),
            stop @ Stop::Machine(_) => failed(FailureKind::Inconclusive, stop.to_string()),
            Stop::Diverged(difference) => Err(RunnerError::Diverged(difference)),
        };
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => Ok(RunEnd::Failed(out_of_fuel(limits))),
        Some(Trap::StackOverflow) => failed(
            FailureKind::Inconclusive,
            "the native stack is exhausted, at a depth that differs between machines: recurse less deeply"
                .to_owned(),
        ),
        // What compiled languages do with an allocation that failed.
        Some(trap @ Trap::UnreachableCodeReached) if run.meter.is_memory_refused() => {
            Ok(RunEnd::Failed(out_of_memory(limits, &format!("the module broke off: {trap}"))))
        }
        Some(trap) => failed(FailureKind::Script, format!("the module broke off: {trap}")),
        // The limiter said no before any code ran.
        None if run.memory.is_none() && run.meter.is_refused() => failed(
            FailureKind::Limit,
            format!(
                "the memory limit of {} or the table limit of {} elements is below what the module starts with: {error:#}",
                text::bytes(limits.memory_bytes),
                limits.table_elements
            ),
        ),
        None => Err(HostError::internal(error).into()),
    }
}

fn out_of_fuel(limits: &Limits) -> RunFailure {
    let message = format!(
        "the fuel limit of {} is used up: compute less (look for an endless loop), or raise the job's fuel limit",
        limits.fuel_max
    );
    failure(FailureKind::Limit, message)
}

/// The limit's sentence, and under it what the guest said when it was refused more.
fn out_of_memory(limits: &Limits, said: &str) -> RunFailure {
    let sentence = memory::used_up(limits);
    let message = if said == NO_ROOM { sentence.to_string() } else { format!("{sentence}\n{said}") };
    failure(FailureKind::Limit, message)
}

fn log_text(run: &Run) -> String {
    let mut log = String::from_utf8_lossy(&run.output.log).into_owned();
    if run.output.log_cut {
        log.push_str(text::CUT);
    }
    log
}
