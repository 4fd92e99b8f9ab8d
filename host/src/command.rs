//! WASI preview 1 for commands: context on stdin, result on stdout, log on stderr, a virtual clock, seeded
//! randomness, no files, no sockets.
//!
//! Why not wasmtime-wasi: a `poll_oneoff` on a clock must return at once with the run's clock advanced, every call
//! must charge fuel before it does anything, and stdout must end the run at its limit. Its preview 1 sits on
//! pollables that wait in real time and on streams that do none of this.

use wasmtime::{Caller, Linker, WasmTyList};

use crate::{
    error::Stop,
    memory::{self, slice, slice_mut},
    meter::{CALL_FUEL, charge},
    state::Run,
};

const MODULE: &str = "wasi_snapshot_preview1";
/// Most buffers of one read or write, and subscriptions of one poll: what Linux allows for iovecs.
const VECTORS_MAX: u32 = 1024;
/// Longest wait that one poll may ask for: a year.
pub(crate) const WAIT_NS_MAX: u64 = 365 * 24 * 3600 * 1_000_000_000;

/// Error numbers of preview 1.
type Errno = i32;
const OK: Errno = 0;
const BADF: Errno = 8;
const INVAL: Errno = 28;
const NOTSUP: Errno = 58;
const SPIPE: Errno = 70;
const NOTCAPABLE: Errno = 76;

const STDIN: u32 = 0;
const STDOUT: u32 = 1;
const STDERR: u32 = 2;

const FILETYPE_CHARACTER_DEVICE: u8 = 2;
const RIGHT_FD_READ: u64 = 1 << 1;
const RIGHT_FD_WRITE: u64 = 1 << 6;
const CLOCK_REALTIME: u32 = 0;
const CLOCK_MONOTONIC: u32 = 1;
const EVENT_CLOCK: u8 = 0;
const SUBSCRIPTION_BYTES: u32 = 48;
const EVENT_BYTES: u32 = 32;
const CLOCK_ABSOLUTE: u16 = 1;

/// Functions that are there with an answer that never varies: there are no files, sockets or signals.
const REFUSALS: [(&str, Refusal); 26] = [
    ("fd_advise", Refusal::IntLongLongInt(BADF)),
    ("fd_allocate", Refusal::IntLongLong(BADF)),
    ("fd_datasync", Refusal::Ints1(BADF)),
    ("fd_fdstat_set_rights", Refusal::IntLongLong(BADF)),
    ("fd_filestat_set_size", Refusal::IntLong(BADF)),
    ("fd_filestat_set_times", Refusal::IntLongLongInt(BADF)),
    ("fd_pread", Refusal::Offset(SPIPE)),
    ("fd_prestat_dir_name", Refusal::Ints3(BADF)),
    ("fd_prestat_get", Refusal::Ints2(BADF)),
    ("fd_pwrite", Refusal::Offset(SPIPE)),
    ("fd_readdir", Refusal::Offset(BADF)),
    ("fd_renumber", Refusal::Ints2(BADF)),
    ("fd_seek", Refusal::Seek(SPIPE)),
    ("fd_sync", Refusal::Ints1(BADF)),
    ("fd_tell", Refusal::Ints2(SPIPE)),
    ("path_create_directory", Refusal::Ints3(NOTCAPABLE)),
    ("path_filestat_get", Refusal::Ints5(NOTCAPABLE)),
    ("path_link", Refusal::Ints7(NOTCAPABLE)),
    ("path_readlink", Refusal::Ints6(NOTCAPABLE)),
    ("path_remove_directory", Refusal::Ints3(NOTCAPABLE)),
    ("path_rename", Refusal::Ints6(NOTCAPABLE)),
    ("path_symlink", Refusal::Ints5(NOTCAPABLE)),
    ("path_unlink_file", Refusal::Ints3(NOTCAPABLE)),
    ("sock_accept", Refusal::Ints3(BADF)),
    ("sock_shutdown", Refusal::Ints2(BADF)),
    ("proc_raise", Refusal::Ints1(NOTSUP)),
];

/// Functions that do something.
const PROVIDED: [&str; 20] = [
    "args_get",
    "args_sizes_get",
    "environ_get",
    "environ_sizes_get",
    "clock_res_get",
    "clock_time_get",
    "fd_close",
    "fd_fdstat_get",
    "fd_fdstat_set_flags",
    "fd_filestat_get",
    "fd_read",
    "fd_write",
    "path_filestat_set_times",
    "path_open",
    "poll_oneoff",
    "proc_exit",
    "random_get",
    "sched_yield",
    "sock_recv",
    "sock_send",
];

/// The parameters of a function that only refuses, and its answer.
#[derive(Clone, Copy)]
enum Refusal {
    Ints1(Errno),
    Ints2(Errno),
    Ints3(Errno),
    Ints5(Errno),
    Ints6(Errno),
    Ints7(Errno),
    IntLong(Errno),
    IntLongLong(Errno),
    IntLongLongInt(Errno),
    Offset(Errno),
    Seek(Errno),
}

/// Whether preview 1 has this function here.
pub(crate) fn provides(name: &str) -> bool {
    PROVIDED.contains(&name) || REFUSALS.iter().any(|(refused, _)| *refused == name)
}

/// Adds preview 1 to a linker.
pub(crate) fn link(linker: &mut Linker<Run>) -> wasmtime::Result<()> {
    for (name, refusal) in REFUSALS {
        match refusal {
            Refusal::Ints1(e) => refuse::<(i32,)>(linker, name, e)?,
            Refusal::Ints2(e) => refuse::<(i32, i32)>(linker, name, e)?,
            Refusal::Ints3(e) => refuse::<(i32, i32, i32)>(linker, name, e)?,
            Refusal::Ints5(e) => refuse::<(i32, i32, i32, i32, i32)>(linker, name, e)?,
            Refusal::Ints6(e) => refuse::<(i32, i32, i32, i32, i32, i32)>(linker, name, e)?,
            Refusal::Ints7(e) => refuse::<(i32, i32, i32, i32, i32, i32, i32)>(linker, name, e)?,
            Refusal::IntLong(e) => refuse::<(i32, i64)>(linker, name, e)?,
            Refusal::IntLongLong(e) => refuse::<(i32, i64, i64)>(linker, name, e)?,
            Refusal::IntLongLongInt(e) => refuse::<(i32, i64, i64, i32)>(linker, name, e)?,
            Refusal::Offset(e) => refuse::<(i32, i32, i32, i64, i32)>(linker, name, e)?,
            Refusal::Seek(e) => refuse::<(i32, i64, i32, i32)>(linker, name, e)?,
        }
    }
    refuse::<(i32, i32, i32, i32, i64, i64, i32)>(linker, "path_filestat_set_times", NOTCAPABLE)?;
    refuse::<(i32, i32, i32, i32, i32, i64, i64, i32, i32)>(linker, "path_open", NOTCAPABLE)?;
    refuse::<(i32, i32, i32, i32, i32, i32)>(linker, "sock_recv", BADF)?;
    refuse::<(i32, i32, i32, i32, i32)>(linker, "sock_send", BADF)?;
    refuse::<(i32,)>(linker, "fd_close", OK)?;
    refuse::<(i32, i32)>(linker, "fd_fdstat_set_flags", OK)?;
    refuse::<()>(linker, "sched_yield", OK)?;
    linker.func_wrap(MODULE, "proc_exit", |code: u32| -> wasmtime::Result<()> {
        Err(Stop::Exit(code).into())
    })?;
    linker.func_wrap(MODULE, "args_sizes_get", |caller: Caller<'_, Run>, count: u32, size: u32| {
        with(caller, 8, |data, _| sizes(data, count, size, &arguments()))
    })?;
    linker.func_wrap(MODULE, "args_get", |caller: Caller<'_, Run>, pointers: u32, buffer: u32| {
        put_strings(caller, pointers, buffer, &arguments())
    })?;
    linker.func_wrap(MODULE, "environ_sizes_get", |caller: Caller<'_, Run>, count: u32, size: u32| {
        with(caller, 8, |data, run| sizes(data, count, size, &strings(run)))
    })?;
    linker.func_wrap(MODULE, "environ_get", |caller: Caller<'_, Run>, pointers: u32, buffer: u32| {
        let strings = strings(caller.data());
        put_strings(caller, pointers, buffer, &strings)
    })?;
    linker.func_wrap(MODULE, "clock_res_get", |caller: Caller<'_, Run>, clock: u32, out: u32| {
        with(caller, 8, |data, _| if clock > CLOCK_MONOTONIC { Ok(INVAL) } else { put64(data, out, 1_000) })
    })?;
    linker.func_wrap(MODULE, "clock_time_get", |caller: Caller<'_, Run>, clock: u32, _: u64, out: u32| {
        with(caller, 8, |data, run| match clock_ns(run, clock) {
            Some(ns) => put64(data, out, ns),
            None => Ok(INVAL),
        })
    })?;
    linker.func_wrap(MODULE, "random_get", |caller: Caller<'_, Run>, ptr: u32, len: u32| {
        with(caller, u64::from(len), |data, run| {
            run.fill_random(slice_mut(data, ptr, len)?);
            Ok(OK)
        })
    })?;
    linker.func_wrap(MODULE, "fd_fdstat_get", |caller: Caller<'_, Run>, fd: u32, out: u32| {
        with(caller, 24, |data, _| fdstat(data, fd, out))
    })?;
    linker.func_wrap(MODULE, "fd_filestat_get", |caller: Caller<'_, Run>, fd: u32, out: u32| {
        with(caller, 64, |data, _| {
            if fd > STDERR {
                return Ok(BADF);
            }
            let stat = slice_mut(data, out, 64)?;
            stat.fill(0);
            stat[16] = FILETYPE_CHARACTER_DEVICE;
            Ok(OK)
        })
    })?;
    linker.func_wrap(MODULE, "fd_read", fd_read)?;
    linker.func_wrap(MODULE, "fd_write", fd_write)?;
    linker.func_wrap(MODULE, "poll_oneoff", poll_oneoff)?;
    Ok(())
}

fn refuse<P: WasmTyList + 'static>(
    linker: &mut Linker<Run>,
    name: &'static str,
    errno: Errno,
) -> wasmtime::Result<()> {
    linker.func_wrap_async(MODULE, name, move |mut caller: Caller<'_, Run>, _: P| {
        Box::new(async move { charge(&mut caller, CALL_FUEL).map(|()| errno) })
    })?;
    Ok(())
}

/// Charges a call that moves `bytes`, then does it on the guest's memory.
fn with(
    mut caller: Caller<'_, Run>,
    bytes: u64,
    work: impl FnOnce(&mut [u8], &mut Run) -> Result<Errno, Stop>,
) -> wasmtime::Result<Errno> {
    charge(&mut caller, CALL_FUEL.saturating_add(bytes))?;
    let memory = memory::of(&caller)?;
    let (data, run) = memory.data_and_store_mut(&mut caller);
    Ok(work(data, run)?)
}

fn get32(data: &[u8], ptr: u32) -> Result<u32, Stop> {
    slice(data, ptr, 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
}

fn get64(data: &[u8], ptr: u32) -> Result<u64, Stop> {
    Ok(u64::from(get32(data, ptr)?) | u64::from(get32(data, ptr.saturating_add(4))?) << 32)
}

fn put32(data: &mut [u8], ptr: u32, value: u32) -> Result<Errno, Stop> {
    slice_mut(data, ptr, 4)?.copy_from_slice(&value.to_le_bytes());
    Ok(OK)
}

fn put64(data: &mut [u8], ptr: u32, value: u64) -> Result<Errno, Stop> {
    slice_mut(data, ptr, 8)?.copy_from_slice(&value.to_le_bytes());
    Ok(OK)
}

/// A command's own name and no more: programs take the rest for granted that comes after it.
fn arguments() -> [String; 1] {
    ["script\0".to_owned()]
}

fn strings(run: &Run) -> Vec<String> {
    run.environment.iter().map(|(name, value)| format!("{name}={value}\0")).collect()
}

fn sizes(data: &mut [u8], count: u32, size: u32, strings: &[String]) -> Result<Errno, Stop> {
    put32(data, count, u32::try_from(strings.len()).unwrap_or(u32::MAX))?;
    put32(data, size, strings.iter().map(|s| u32::try_from(s.len()).unwrap_or(u32::MAX)).sum())
}

/// Writes strings one after the other, and where each begins.
fn put_strings(
    caller: Caller<'_, Run>,
    pointers: u32,
    buffer: u32,
    strings: &[String],
) -> wasmtime::Result<Errno> {
    let bytes: usize = strings.iter().map(|s| s.len() + 4).sum();
    with(caller, bytes as u64, |data, _| {
        let (mut pointer, mut at) = (pointers, buffer);
        for s in strings {
            let len = u32::try_from(s.len()).unwrap_or(u32::MAX);
            put32(data, pointer, at)?;
            slice_mut(data, at, len)?.copy_from_slice(s.as_bytes());
            pointer = pointer.saturating_add(4);
            at = at.saturating_add(len);
        }
        Ok(OK)
    })
}

fn clock_ns(run: &Run, clock: u32) -> Option<u64> {
    match clock {
        CLOCK_REALTIME => Some(run.now_ns),
        CLOCK_MONOTONIC => Some(run.monotonic_ns()),
        _ => None,
    }
}

fn fdstat(data: &mut [u8], fd: u32, out: u32) -> Result<Errno, Stop> {
    let rights = match fd {
        STDIN => RIGHT_FD_READ,
        STDOUT | STDERR => RIGHT_FD_WRITE,
        _ => return Ok(BADF),
    };
    let stat = slice_mut(data, out, 24)?;
    stat.fill(0);
    stat[0] = FILETYPE_CHARACTER_DEVICE;
    stat[8..16].copy_from_slice(&rights.to_le_bytes());
    Ok(OK)
}

/// The buffers of a read or write: pointer and length each.
fn vectors(data: &[u8], ptr: u32, count: u32) -> Result<Vec<(u32, u32)>, Stop> {
    (0..count)
        .map(|i| {
            let at = ptr.saturating_add(i * 8);
            Ok((get32(data, at)?, get32(data, at.saturating_add(4))?))
        })
        .collect()
}

/// Bytes that a vectored call asks to move, to be charged before it does.
fn asked(caller: &Caller<'_, Run>, ptr: u32, count: u32) -> Result<u64, Stop> {
    let vectors = vectors(memory::of(caller)?.data(caller), ptr, count.min(VECTORS_MAX))?;
    Ok(vectors.iter().map(|(_, len)| u64::from(*len)).sum())
}

fn fd_write(caller: Caller<'_, Run>, fd: u32, ptr: u32, count: u32, out: u32) -> wasmtime::Result<Errno> {
    let bytes = asked(&caller, ptr, count)?;
    with(caller, bytes, |data, run| {
        if !matches!(fd, STDOUT | STDERR) {
            return Ok(BADF);
        }
        if count > VECTORS_MAX {
            return Ok(INVAL);
        }
        let mut written = 0u32;
        for (at, len) in vectors(data, ptr, count)? {
            let bytes = slice(data, at, len)?;
            if fd == STDOUT {
                run.print(bytes)?
            } else {
                run.log(bytes)
            }
            written = written.saturating_add(len);
        }
        put32(data, out, written)
    })
}

fn fd_read(caller: Caller<'_, Run>, fd: u32, ptr: u32, count: u32, out: u32) -> wasmtime::Result<Errno> {
    let bytes = asked(&caller, ptr, count)?;
    with(caller, bytes, |data, run| {
        if fd != STDIN {
            return Ok(BADF);
        }
        if count > VECTORS_MAX {
            return Ok(INVAL);
        }
        let mut read = 0u32;
        for (at, len) in vectors(data, ptr, count)? {
            let rest = &run.stdin[run.stdin_read..];
            let n = rest.len().min(len as usize);
            slice_mut(data, at, len)?[..n].copy_from_slice(&rest[..n]);
            run.stdin_read += n;
            read = read.saturating_add(u32::try_from(n).unwrap_or(u32::MAX));
        }
        put32(data, out, read)
    })
}

/// Standard streams are always ready. With only clocks to wait for, the run's clock moves to the earliest.
fn poll_oneoff(
    caller: Caller<'_, Run>,
    subscriptions: u32,
    events: u32,
    count: u32,
    out: u32,
) -> wasmtime::Result<Errno> {
    with(
        caller,
        u64::from(count.min(VECTORS_MAX)) * u64::from(SUBSCRIPTION_BYTES + EVENT_BYTES),
        |data, run| {
            if count == 0 || count > VECTORS_MAX {
                return Ok(INVAL);
            }
            let mut due = Vec::new();
            for i in 0..count {
                let at = subscriptions.saturating_add(i * SUBSCRIPTION_BYTES);
                let user_data = get64(data, at)?;
                let kind = slice(data, at.saturating_add(8), 1)?[0];
                let at_ns = if kind == EVENT_CLOCK { wake_ns(data, run, at)? } else { Some(run.now_ns) };
                due.push((user_data, kind, at_ns));
            }
            let wake = due.iter().filter_map(|(_, _, at)| *at).min().unwrap_or(run.now_ns);
            run.advance_to_ns(wake);
            let mut written = 0;
            for (user_data, kind, at_ns) in due {
                if at_ns.is_some_and(|at| at > run.now_ns) {
                    continue;
                }
                let event = slice_mut(data, events.saturating_add(written * EVENT_BYTES), EVENT_BYTES)?;
                event.fill(0);
                event[..8].copy_from_slice(&user_data.to_le_bytes());
                let errno: u16 = if at_ns.is_none() { INVAL as u16 } else { 0 };
                event[8..10].copy_from_slice(&errno.to_le_bytes());
                event[10] = kind;
                written += 1;
            }
            put32(data, out, written)
        },
    )
}

/// When a clock subscription is due on the run's clock; `None` for a clock that is not there.
fn wake_ns(data: &[u8], run: &Run, at: u32) -> Result<Option<u64>, Stop> {
    let clock = get32(data, at.saturating_add(16))?;
    let timeout = get64(data, at.saturating_add(24))?;
    let flags = slice(data, at.saturating_add(40), 2)?;
    let Some(now) = clock_ns(run, clock) else { return Ok(None) };
    let absolute = u16::from_le_bytes([flags[0], flags[1]]) & CLOCK_ABSOLUTE != 0;
    let wait = if absolute { timeout.saturating_sub(now) } else { timeout };
    Ok(Some(run.now_ns.saturating_add(wait.min(WAIT_NS_MAX))))
}
