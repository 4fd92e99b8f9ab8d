//! What the sandbox costs over bare wasmtime: the same module in the same engine, measured in turns in one call.
//!
//! "Bare" is a fresh store and instance per run, the input placed and the output read, with fuel counted and every
//! import answering nothing (a component's trap). "Full" is [`ModuleRunner::run`]: lookup by content, admission slot, budgets, clock,
//! context, transcript and report besides. Call it on a current-thread runtime: it reads the thread's CPU time.

use std::{sync::Arc, time::Duration};

use argus_domain::{
    limits::Limits,
    module::Language,
    run::{RunEnd, RunInput},
};
use argus_ports::{ModuleRunner, RunnerError};
use bytes::Bytes;
use wasmtime::{Instance, InstancePre, Linker, Store, Val};

use crate::{
    Host,
    compile::{Code, Script},
    component, context, cpu,
    error::HostError,
    exports::Exports,
    meter::Meter,
};

/// Turns into which the runs are cut, so that noise meets both sides.
const TURNS: u32 = 20;

/// CPU time per run of both sides, nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Overhead {
    /// wasmtime alone.
    pub bare_ns: f64,
    /// The whole run.
    pub full_ns: f64,
}

impl Overhead {
    /// Full over bare: 1.5 is the goal.
    pub fn ratio(&self) -> f64 {
        self.full_ns / self.bare_ns
    }
}

/// Measures `runs` runs of each side. The script must succeed without host calls that answer anything.
///
/// # Errors
/// Where the module is refused, is a command, or does not run through.
pub async fn measure(
    host: &Host,
    source: Bytes,
    language: Language,
    runs: u32,
) -> Result<Overhead, RunnerError> {
    let module = Bare::new(host, &source, language).await?;
    let input = Arc::new(context::default_input());
    let per_turn = (runs / TURNS).max(1);
    let (mut bare, mut full) = (Duration::ZERO, Duration::ZERO);
    for turn in 0..=TURNS {
        let start = cpu::thread();
        for _ in 0..per_turn {
            module.run(&input).await.map_err(HostError::internal)?;
        }
        let middle = cpu::thread();
        for _ in 0..per_turn {
            let report =
                host.run(source.clone(), language, input.clone(), Limits::DEFAULT, Arc::default()).await?;
            if !matches!(report.end, RunEnd::Value(_)) {
                return Err(RunnerError::Host(format!("the measured script fails: {:?}", report.end)));
            }
        }
        // The first turn warms both.
        if turn > 0 {
            bare += middle.saturating_sub(start);
            full += cpu::thread().saturating_sub(middle);
        }
    }
    let per_run = |all: Duration| all.as_secs_f64() * 1e9 / (f64::from(per_turn) * f64::from(TURNS));
    Ok(Overhead { bare_ns: per_run(bare), full_ns: per_run(full) })
}

/// The module without the host.
enum Bare {
    /// What starts, and what then runs if that is another one.
    Core {
        first: InstancePre<Meter>,
        exports: Exports,
        script: Option<Arc<Script>>,
    },
    Component(component::InstancePre<Meter>),
}

impl Bare {
    async fn new(host: &Host, source: &Bytes, language: Language) -> Result<Self, RunnerError> {
        let ready = host.compiler.ready(source, language, &Limits::DEFAULT).await?;
        let (module, script) = match ready.code {
            Code::Own { pre, .. } => (pre.module().clone(), None),
            Code::Component { pre, .. } => {
                let mut linker = wasmtime::component::Linker::new(pre.engine());
                linker.define_unknown_imports_as_traps(pre.component()).map_err(HostError::internal)?;
                let pre = linker.instantiate_pre(pre.component()).map_err(HostError::internal)?;
                return Ok(Self::Component(pre));
            }
            Code::Script(script) => (script.engine.module().clone(), Some(script)),
        };
        let mut linker = Linker::new(module.engine());
        for import in module.imports() {
            let Some(ty) = import.ty().func().cloned() else { continue };
            let zeros: Vec<Val> = ty.results().filter_map(|t| Val::default_for_ty(&t)).collect();
            linker
                .func_new(import.module(), import.name(), ty, move |_, _, results| {
                    results.copy_from_slice(&zeros);
                    Ok(())
                })
                .map_err(HostError::internal)?;
        }
        let first = linker.instantiate_pre(&module).map_err(HostError::internal)?;
        Ok(Self::Core { first, exports: Exports::of(&module), script })
    }

    async fn run(&self, input: &RunInput) -> wasmtime::Result<Vec<u8>> {
        let engine = match self {
            Self::Core { first, .. } => first.module().engine(),
            Self::Component(pre) => pre.engine(),
        };
        let mut store = Store::new(engine, Meter::new(&Limits::DEFAULT));
        store.set_fuel(Limits::DEFAULT.fuel_max)?;
        let (first, exports, script) = match self {
            Self::Core { first, exports, script } => {
                (first.instantiate_async(&mut store).await?, exports, script)
            }
            Self::Component(pre) => {
                let resolved = component::resolve(&mut store, pre, input).await?;
                return resolved
                    .map(|texts| texts.concat().into_bytes())
                    .map_err(|e| wasmtime::Error::msg(format!("{e:?}")));
            }
        };
        let (entry, run, text) = match script {
            None => (first, exports.run, context::context(input)),
            Some(script) => {
                let imports = script.links.of(&mut store, &first);
                let entry = Instance::new_async(&mut store, &script.module, &imports).await?;
                (entry, script.exports.run, context::script_input(input))
            }
        };
        let lacks = || wasmtime::Error::msg("no memory, abi_alloc or run");
        let memory = exports.memory(&mut store, &first).ok_or_else(lacks)?;
        let alloc =
            exports.abi_alloc.func(&mut store, &first).ok_or_else(lacks)?.typed::<u32, u32>(&store)?;
        let run = run.func(&mut store, &entry).ok_or_else(lacks)?.typed::<(u32, u32), u64>(&store)?;
        let len = u32::try_from(text.len())?;
        let ptr = alloc.call_async(&mut store, len).await?;
        memory.write(&mut store, ptr as usize, text.as_bytes())?;
        let packed = run.call_async(&mut store, (ptr, len)).await?;
        let (at, n) = ((packed >> 32) as usize, (packed & 0xffff_ffff) as usize);
        Ok(memory.data(&store).get(at..at.saturating_add(n)).unwrap_or_default().to_vec())
    }
}
