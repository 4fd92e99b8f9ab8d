//! Guest memory: every pointer checked, every reply placed through the guest's own allocator.

use argus_domain::limits::Limits;
use wasmtime::{AsContext, AsContextMut, Caller, Memory};

use crate::{calls::Op, error::Stop, state::Run, text};

/// The guest's memory.
///
/// # Errors
/// [`Stop::Trap`] before the instance exists, which is while a start section runs.
pub(crate) fn of(caller: &Caller<'_, Run>) -> Result<Memory, Stop> {
    let early = || Stop::Trap("a start section cannot make host calls".to_owned());
    caller.data().memory.ok_or_else(early)
}

/// What a guest is told that wanted more memory than it may have.
pub(crate) fn used_up(limits: &Limits) -> Stop {
    let remedy = "keep less at a time, or raise the job's memory limit";
    Stop::limit("memory", text::bytes(limits.memory_bytes), remedy)
}

fn outside(ptr: u32, len: u32) -> Stop {
    Stop::Trap(format!("the buffer of {len} bytes at {ptr} is outside the memory"))
}

/// A copy of bytes that the guest names.
pub(crate) fn read(caller: &Caller<'_, Run>, ptr: u32, len: u32) -> Result<Vec<u8>, Stop> {
    slice(of(caller)?.data(caller.as_context()), ptr, len).map(<[u8]>::to_vec)
}

/// Bytes that the guest names.
pub(crate) fn slice(data: &[u8], ptr: u32, len: u32) -> Result<&[u8], Stop> {
    let from = ptr as usize;
    data.get(from..from.saturating_add(len as usize)).ok_or_else(|| outside(ptr, len))
}

/// The same, to be written.
pub(crate) fn slice_mut(data: &mut [u8], ptr: u32, len: u32) -> Result<&mut [u8], Stop> {
    let from = ptr as usize;
    data.get_mut(from..from.saturating_add(len as usize)).ok_or_else(|| outside(ptr, len))
}

/// Text that the guest names; what is not UTF-8 is replaced, as it would be in a log.
pub(crate) fn text(caller: &Caller<'_, Run>, ptr: u32, len: u32) -> Result<String, Stop> {
    read(caller, ptr, len).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// A recorded call's request, which the host copies and keeps.
///
/// # Errors
/// [`Stop::Limit`] where it is longer than such a request may be.
pub(crate) fn request(caller: &Caller<'_, Run>, op: Op, ptr: u32, len: u32) -> Result<String, Stop> {
    check_request(op, len as usize)?;
    text(caller, ptr, len)
}

/// Whether a request is as long as such a request may be.
///
/// # Errors
/// [`Stop::Limit`] where it is longer.
pub(crate) fn check_request(op: Op, len: usize) -> Result<(), Stop> {
    let max = op.request_bytes_max();
    if len <= max as usize {
        return Ok(());
    }
    Err(Stop::limit("request", format_args!("{max} bytes for {}", op.name()), "send less at a time"))
}

/// Places a reply through `abi_alloc`; `ptr << 32 | len`.
pub(crate) async fn place(caller: &mut Caller<'_, Run>, parts: &[&[u8]]) -> wasmtime::Result<u64> {
    let total: usize = parts.iter().map(|p| p.len()).sum();
    let len = u32::try_from(total)?;
    let no_alloc = || Stop::Trap("the module exports no abi_alloc(len) -> ptr".to_owned());
    let alloc = caller.data().alloc.clone().ok_or_else(no_alloc)?;
    let ptr = alloc.call_async(caller.as_context_mut(), len).await?;
    // Zero is what an allocator answers that was refused more memory; where none was, it is an address like others.
    if ptr == 0 && caller.data().meter.is_memory_refused() {
        return Err(used_up(&caller.data().limits).into());
    }
    let memory = of(caller)?;
    let mut room = slice_mut(memory.data_mut(caller.as_context_mut()), ptr, len)?;
    for part in parts {
        let (here, rest) = room.split_at_mut(part.len());
        here.copy_from_slice(part);
        room = rest;
    }
    Ok(u64::from(ptr) << 32 | u64::from(len))
}
