//! WASI 0.2 for components, as far as toolchains import it whether a script uses it or not: a virtual clock, seeded
//! randomness, an empty stdin, stdout and stderr that both go to the log, and no files or sockets.
//!
//! Why not wasmtime-wasi: see `command.rs`. The answer of a component is what `resolve` gives, so that what a library
//! prints cannot spoil it.

use wasmtime::{
    Engine, StoreContextMut,
    component::{
        Component, ComponentNamedList, ComponentType, Lift, Linker, LinkerInstance, Lower, Resource,
        ResourceType, types::ComponentItem,
    },
};

use crate::{
    command::WAIT_NS_MAX,
    component,
    error::Stop,
    meter::{CALL_FUEL, charge},
    state::Run,
};

/// Any 0.2 satisfies any other.
const VERSION: &str = "0.2.0";
/// Packages with functions that do something here.
const PROVIDED: [&str; 4] = ["wasi:cli/", "wasi:clocks/", "wasi:io/", "wasi:random/"];
/// Packages whose every function ends the run: they are linked by libraries that never call them.
const ABSENT: [&str; 2] = ["wasi:filesystem/", "wasi:sockets/"];
/// The one that start-up code does call, and that there are none is its answer.
const DIRECTORIES: &str = "get-directories";
/// Resources of other packages that those name, too.
const NAMED_ELSEWHERE: [&str; 4] = ["pollable", "input-stream", "output-stream", "error"];
/// What one write may bring.
const WRITE_BYTES: u64 = 65_536;
/// Pollables at a time.
pub(crate) const POLLABLES_MAX: usize = 1_024;

/// Stdin, which is at its end.
struct Input;
/// Stdout and stderr.
struct Output;
/// Why a stream failed; there is never one.
struct Failure;
/// A terminal; there is never one.
struct Terminal;
/// A thing of an absent package; there is never one.
struct Nothing;

/// Something to wait for.
struct Pollable {
    /// When it is ready on the run's clock, nanoseconds.
    at_ns: u64,
}

#[derive(ComponentType, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    #[expect(dead_code, reason = "the WIT's case; no stream of a run fails")]
    LastOperationFailed(Resource<Failure>),
    #[component(name = "closed")]
    Closed,
}

#[derive(ComponentType, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

type Written = (Result<(), StreamError>,);

/// Whether an interface of WASI is there, if only to be linked.
pub(crate) fn provides(interface: &str) -> bool {
    let is_0_2 = interface.split_once('@').is_some_and(|(_, version)| version.starts_with("0.2."));
    is_0_2 && PROVIDED.iter().chain(&ABSENT).any(|package| interface.starts_with(package))
}

/// Adds WASI to a component's linker.
pub(crate) fn link(linker: &mut Linker<Run>) -> wasmtime::Result<()> {
    cli(linker)?;
    io(linker)?;
    clocks(linker)?;
    random(linker)
}

/// Adds what a component imports of the absent packages.
pub(crate) fn link_absent(
    linker: &mut Linker<Run>,
    engine: &Engine,
    component: &Component,
) -> wasmtime::Result<()> {
    for (name, import) in component.component_type().imports(engine) {
        let ComponentItem::ComponentInstance(instance) = import.ty else { continue };
        if !ABSENT.iter().any(|package| name.starts_with(package)) {
            continue;
        }
        let mut linker = linker.instance(name)?;
        for (item, export) in instance.exports(engine) {
            match export.ty {
                ComponentItem::ComponentFunc(_) if item == DIRECTORIES => {
                    define(&mut linker, item, |_, (): ()| Ok((Vec::<(Resource<Nothing>, String)>::new(),)))?;
                }
                ComponentItem::ComponentFunc(_) => {
                    let called = format!("{name}#{item}");
                    linker.func_new(item, move |_, _, _, _| {
                        Err(Stop::Trap(format!("{called} is called, and a run has no files or sockets"))
                            .into())
                    })?;
                }
                ComponentItem::Resource(_) if !NAMED_ELSEWHERE.contains(&item) => {
                    resource::<Nothing>(&mut linker, item)?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn interface<'a>(linker: &'a mut Linker<Run>, name: &str) -> wasmtime::Result<LinkerInstance<'a, Run>> {
    linker.instance(&format!("wasi:{name}@{VERSION}"))
}

/// A resource of which the run keeps nothing.
fn resource<T: 'static>(linker: &mut LinkerInstance<'_, Run>, name: &str) -> wasmtime::Result<()> {
    linker.resource(name, ResourceType::host::<T>(), |_, _| Ok(()))
}

/// A function that costs what any call does.
fn define<P, R>(
    linker: &mut LinkerInstance<'_, Run>,
    name: &str,
    work: fn(&mut Run, P) -> wasmtime::Result<R>,
) -> wasmtime::Result<()>
where
    P: ComponentNamedList + Lift + 'static,
    R: ComponentNamedList + Lower + 'static,
{
    linker.func_wrap(name, move |mut store: StoreContextMut<'_, Run>, params: P| {
        charge(&mut store, CALL_FUEL)?;
        work(store.data_mut(), params)
    })
}

fn cli(linker: &mut Linker<Run>) -> wasmtime::Result<()> {
    let mut environment = interface(linker, "cli/environment")?;
    define(&mut environment, "get-environment", |run, (): ()| Ok((run.environment.clone(),)))?;
    define(&mut environment, "get-arguments", |_, (): ()| Ok((Vec::<String>::new(),)))?;
    define(&mut environment, "initial-cwd", |_, (): ()| Ok((None::<String>,)))?;

    let mut exit = interface(linker, "cli/exit")?;
    define::<_, ()>(&mut exit, "exit", |_, (status,): (Result<(), ()>,)| {
        Err(Stop::Exit(status.is_err().into()).into())
    })?;
    define::<_, ()>(&mut exit, "exit-with-code", |_, (code,): (u8,)| Err(Stop::Exit(code.into()).into()))?;

    let mut stdin = interface(linker, "cli/stdin")?;
    define(&mut stdin, "get-stdin", |_, (): ()| Ok((Resource::<Input>::new_own(0),)))?;
    for (name, get) in [("cli/stdout", "get-stdout"), ("cli/stderr", "get-stderr")] {
        define(&mut interface(linker, name)?, get, |_, (): ()| Ok((Resource::<Output>::new_own(0),)))?;
    }
    for name in ["terminal-input", "terminal-output"] {
        resource::<Terminal>(&mut interface(linker, &format!("cli/{name}"))?, name)?;
    }
    for name in ["terminal-stdin", "terminal-stdout", "terminal-stderr"] {
        let mut terminal = interface(linker, &format!("cli/{name}"))?;
        define(&mut terminal, &format!("get-{name}"), |_, (): ()| Ok((None::<Resource<Terminal>>,)))?;
    }
    Ok(())
}

fn io(linker: &mut Linker<Run>) -> wasmtime::Result<()> {
    let mut error = interface(linker, "io/error")?;
    resource::<Failure>(&mut error, "error")?;
    define(&mut error, "[method]error.to-debug-string", |_, _: (Resource<Failure>,)| Ok((String::new(),)))?;

    let mut poll = interface(linker, "io/poll")?;
    poll.resource("pollable", ResourceType::host::<Pollable>(), |mut store, rep| {
        store.data_mut().pollables.delete(Resource::<Pollable>::new_own(rep))?;
        Ok(())
    })?;
    define(&mut poll, "[method]pollable.ready", |run, (it,): (Resource<Pollable>,)| {
        Ok((run.pollables.get(&it)?.at_ns <= run.now_ns,))
    })?;
    define(&mut poll, "[method]pollable.block", |run, (it,): (Resource<Pollable>,)| {
        let at_ns = run.pollables.get(&it)?.at_ns;
        run.advance_to_ns(at_ns);
        Ok(())
    })?;
    poll.func_wrap("poll", |mut store: StoreContextMut<'_, Run>, (all,): (Vec<Resource<Pollable>>,)| {
        charge(&mut store, CALL_FUEL.saturating_add(all.len() as u64))?;
        poll_all(store.data_mut(), &all)
    })?;

    let mut streams = interface(linker, "io/streams")?;
    resource::<Input>(&mut streams, "input-stream")?;
    for name in ["read", "blocking-read"] {
        let name = format!("[method]input-stream.{name}");
        define(&mut streams, &name, |_, _: (Resource<Input>, u64)| {
            Ok((Err::<Vec<u8>, _>(StreamError::Closed),))
        })?;
    }
    for name in ["skip", "blocking-skip"] {
        let name = format!("[method]input-stream.{name}");
        define(&mut streams, &name, |_, _: (Resource<Input>, u64)| {
            Ok((Err::<u64, _>(StreamError::Closed),))
        })?;
    }
    define(&mut streams, "[method]input-stream.subscribe", |run, _: (Resource<Input>,)| pollable(run, 0))?;

    resource::<Output>(&mut streams, "output-stream")?;
    define(&mut streams, "[method]output-stream.check-write", |_, _: (Resource<Output>,)| {
        Ok((Ok::<_, StreamError>(WRITE_BYTES),))
    })?;
    for name in ["write", "blocking-write-and-flush"] {
        let name = format!("[method]output-stream.{name}");
        streams.func_wrap(
            &name,
            |store: StoreContextMut<'_, Run>, (_, bytes): (Resource<Output>, Vec<u8>)| write(store, &bytes),
        )?;
    }
    for name in ["write-zeroes", "blocking-write-zeroes-and-flush"] {
        let name = format!("[method]output-stream.{name}");
        streams.func_wrap(&name, |store: StoreContextMut<'_, Run>, (_, len): (Resource<Output>, u64)| {
            let len = usize::try_from(len.min(WRITE_BYTES)).unwrap_or_default();
            write(store, &vec![0; len])
        })?;
    }
    for name in ["flush", "blocking-flush"] {
        let name = format!("[method]output-stream.{name}");
        define(&mut streams, &name, |_, _: (Resource<Output>,)| Ok((Ok::<(), StreamError>(()),)))?;
    }
    for name in ["splice", "blocking-splice"] {
        let name = format!("[method]output-stream.{name}");
        define(&mut streams, &name, |_, _: (Resource<Output>, Resource<Input>, u64)| {
            Ok((Err::<u64, _>(StreamError::Closed),))
        })?;
    }
    define(&mut streams, "[method]output-stream.subscribe", |run, _: (Resource<Output>,)| pollable(run, 0))
}

fn write(mut store: StoreContextMut<'_, Run>, bytes: &[u8]) -> wasmtime::Result<Written> {
    charge(&mut store, CALL_FUEL.saturating_add(bytes.len() as u64))?;
    store.data_mut().log(bytes);
    Ok((Ok(()),))
}

fn pollable(run: &mut Run, at_ns: u64) -> wasmtime::Result<(Resource<Pollable>,)> {
    let pushed = run.pollables.push(Pollable { at_ns });
    Ok((pushed.map_err(|_| Stop::Trap(format!("more than {POLLABLES_MAX} pollables at a time")))?,))
}

/// What is ready now; with nothing, the run's clock moves to the earliest.
fn poll_all(run: &mut Run, all: &[Resource<Pollable>]) -> wasmtime::Result<(Vec<u32>,)> {
    let due = all
        .iter()
        .map(|it| run.pollables.get(it).map(|pollable| pollable.at_ns))
        .collect::<Result<Vec<_>, _>>()?;
    let earliest = due.iter().min().ok_or_else(|| Stop::Trap("poll waits for nothing".to_owned()))?;
    run.advance_to_ns(*earliest);
    let ready = (0..).zip(due).filter(|(_, at_ns)| *at_ns <= run.now_ns).map(|(i, _)| i);
    Ok((ready.collect(),))
}

fn clocks(linker: &mut Linker<Run>) -> wasmtime::Result<()> {
    let mut monotonic = interface(linker, "clocks/monotonic-clock")?;
    define(&mut monotonic, "now", |run, (): ()| Ok((run.monotonic_ns(),)))?;
    define(&mut monotonic, "resolution", |_, (): ()| Ok((1_000u64,)))?;
    define(&mut monotonic, "subscribe-instant", |run, (when,): (u64,)| {
        let wait = when.saturating_sub(run.monotonic_ns());
        pollable(run, run.now_ns.saturating_add(wait.min(WAIT_NS_MAX)))
    })?;
    define(&mut monotonic, "subscribe-duration", |run, (wait,): (u64,)| {
        pollable(run, run.now_ns.saturating_add(wait.min(WAIT_NS_MAX)))
    })?;

    let mut wall = interface(linker, "clocks/wall-clock")?;
    define(&mut wall, "now", |run, (): ()| {
        let nanoseconds = u32::try_from(run.now_ns % 1_000_000_000).unwrap_or_default();
        Ok((Datetime { seconds: run.now_ns / 1_000_000_000, nanoseconds },))
    })?;
    define(&mut wall, "resolution", |_, (): ()| Ok((Datetime { seconds: 0, nanoseconds: 1_000 },)))
}

fn random(linker: &mut Linker<Run>) -> wasmtime::Result<()> {
    for (name, bytes, u64) in [
        ("random/random", "get-random-bytes", "get-random-u64"),
        ("random/insecure", "get-insecure-random-bytes", "get-insecure-random-u64"),
    ] {
        let mut random = interface(linker, name)?;
        random.func_wrap(bytes, |store: StoreContextMut<'_, Run>, (len,): (u64,)| {
            component::random(store, len).map(|bytes| (bytes,))
        })?;
        define(&mut random, u64, |run, (): ()| Ok((number(run),)))?;
    }
    let mut seed = interface(linker, "random/insecure-seed")?;
    define(&mut seed, "insecure-seed", |run, (): ()| Ok(((number(run), number(run)),)))
}

fn number(run: &mut Run) -> u64 {
    let mut bytes = [0; 8];
    run.fill_random(&mut bytes);
    u64::from_le_bytes(bytes)
}
