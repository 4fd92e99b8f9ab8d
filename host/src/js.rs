//! Imports of the JavaScript engine. Its prelude turns them into `fetch`, timers, `console` and the rest.
//!
//! A call is issued and awaited in two steps, so that a script's concurrent requests are out together and their
//! answers come in the order of issue.

use wasmtime::{Caller, Linker};

use crate::{
    calls::Op,
    error::Stop,
    memory,
    meter::{CALL_FUEL, charge},
    run::fuel_used,
    state::Run,
};

const STDOUT: u32 = 1;
/// Longer than the name of any call.
const OP_BYTES_MAX: u32 = 32;
/// Latest instant that a timer may move the clock to, in the year 2554: the last one that it can show.
const LATEST_MS: f64 = (u64::MAX / 1_000_000) as f64;

/// Adds the imports to a linker.
pub(crate) fn link(linker: &mut Linker<Run>) -> wasmtime::Result<()> {
    linker.func_wrap("host", "js_issue", issue)?;
    linker.func_wrap_async("host", "js_await", |mut caller: Caller<'_, Run>, (ticket,): (u32,)| {
        Box::new(async move { awaited(&mut caller, ticket).await })
    })?;
    linker.func_wrap("host", "js_write", write)?;
    linker.func_wrap("host", "js_now", |mut caller: Caller<'_, Run>| -> wasmtime::Result<f64> {
        charge(&mut caller, CALL_FUEL)?;
        // Microseconds since 1970 stay below 2^53 until the year 2255.
        Ok((caller.data().now_ns / 1_000) as f64)
    })?;
    linker.func_wrap(
        "host",
        "js_advance",
        |mut caller: Caller<'_, Run>, until_ms: f64| -> wasmtime::Result<()> {
            charge(&mut caller, CALL_FUEL)?;
            let ms = if until_ms.is_finite() { until_ms.clamp(0.0, LATEST_MS) } else { 0.0 };
            // By whole microseconds, as it is read: in nanoseconds a float of this size comes short of the instant.
            caller.data_mut().advance_to_ns(((ms * 1_000.0).round() as u64).saturating_mul(1_000));
            Ok(())
        },
    )?;
    linker.func_wrap("host", "js_random", |mut caller: Caller<'_, Run>, ptr: u32, len: u32| {
        charge(&mut caller, CALL_FUEL.saturating_add(u64::from(len)))?;
        let memory = memory::of(&caller)?;
        let (data, run) = memory.data_and_store_mut(&mut caller);
        run.fill_random(memory::slice_mut(data, ptr, len)?);
        wasmtime::Result::Ok(())
    })?;
    linker
        .func_wrap("host", "js_exit", |code: u32| -> wasmtime::Result<()> { Err(Stop::Exit(code).into()) })?;
    Ok(())
}

/// The answer to a call that was issued: the length of its head (four bytes), the head as JSON, the body as it is.
pub(crate) async fn awaited(caller: &mut Caller<'_, Run>, ticket: u32) -> wasmtime::Result<u64> {
    let reply = caller.data_mut().finish(ticket).await?;
    let (head, body) = reply.head_and_body();
    let head_len = u32::try_from(head.len())?.to_le_bytes();
    memory::place(caller, &[&head_len, head.as_bytes(), &body]).await
}

fn issue(
    mut caller: Caller<'_, Run>,
    op_ptr: u32,
    op_len: u32,
    request_ptr: u32,
    request_len: u32,
) -> wasmtime::Result<u32> {
    let name = memory::text(&caller, op_ptr, op_len.min(OP_BYTES_MAX))?;
    let op =
        Op::from_name(&name).ok_or_else(|| Stop::Trap("the engine asks for an unknown call".to_owned()))?;
    let request = memory::request(&caller, op, request_ptr, request_len)?;
    let fuel = fuel_used(&mut caller)?;
    Ok(caller.data_mut().issue(op, request, fuel)?)
}

fn write(mut caller: Caller<'_, Run>, stream: u32, ptr: u32, len: u32) -> wasmtime::Result<()> {
    charge(&mut caller, CALL_FUEL.saturating_add(u64::from(len)))?;
    let memory = memory::of(&caller)?;
    let (data, run) = memory.data_and_store_mut(&mut caller);
    let bytes = memory::slice(data, ptr, len)?;
    if stream == STDOUT {
        run.print(bytes)?
    } else {
        run.log(bytes)
    }
    Ok(())
}
