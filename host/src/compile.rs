//! From published bytes to code that is ready to start, and the modules kept ready.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use argus_domain::{
    B256,
    limits::MODULE_BYTES_MAX,
    module::{Admitted, Language, Refusal, Shape, WasmHash},
};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::{OnceCell, Semaphore};
use wasmtime::{Engine, InstancePre, Linker, Module};

use crate::{
    admit,
    cache::Cache,
    command,
    error::HostError,
    js,
    meter::Meter,
    prebuilt::{self, Prebuilt},
    reactor,
    script::{self, NoScript, Tool},
    state::Run,
    text,
};

/// Longest native compilation of one module. Cranelift cannot be interrupted: past this the answer is an error, and
/// its thread keeps the permit until it is done.
const COMPILE_TIMEOUT: Duration = Duration::from_secs(20);
/// Compilations at a time: they are the largest use of CPU and memory here.
const COMPILERS: usize = 1;
/// Sources stripped or compiled at a time; each takes a place in the pool besides the runs.
pub(crate) const TOOLS: u32 = 2;

/// A module that is ready to start.
#[derive(Clone)]
pub(crate) struct Ready {
    pub admitted: Admitted,
    pub code: Code,
}

/// By shape, what an instance is made from.
#[derive(Clone)]
pub(crate) enum Code {
    /// Starts in its own instance.
    Own(InstancePre<Run>),
    /// A script module: linked to an instance of the engine in the same store.
    Script { engine: InstancePre<Run>, module: Module },
}

/// Compiles, links and keeps.
pub(crate) struct Compiler {
    engine: Engine,
    cache: Option<Cache>,
    permits: Arc<Semaphore>,
    tools: Semaphore,
    ready: Mutex<Kept>,
    js_engine: OnceCell<InstancePre<Run>>,
    js_compiler: OnceCell<InstancePre<Meter>>,
    ts_strip: OnceCell<InstancePre<Meter>>,
}

/// Ready modules by the hash of what was published; the one used longest ago goes first.
struct Kept {
    entries: HashMap<[u8; 32], (u64, Ready)>,
    max: usize,
    clock: u64,
}

impl Compiler {
    pub fn new(engine: Engine, cache: Option<Cache>, ready_modules: usize) -> Self {
        Self {
            engine,
            cache,
            permits: Arc::new(Semaphore::new(COMPILERS)),
            tools: Semaphore::new(TOOLS as usize),
            ready: Mutex::new(Kept { entries: HashMap::new(), max: ready_modules.max(1), clock: 0 }),
            js_engine: OnceCell::new(),
            js_compiler: OnceCell::new(),
            ts_strip: OnceCell::new(),
        }
    }

    /// The module for these bytes, from memory, from disk, or compiled.
    ///
    /// # Errors
    /// Refusals say everything that is wrong with the bytes.
    pub async fn ready(&self, source: &Bytes, language: Language) -> Result<Ready, NoScript> {
        let key = blake3::hash(source).as_bytes().to_owned();
        let key = blake3::keyed_hash(&key, language.to_string().as_bytes()).as_bytes().to_owned();
        if let Some(ready) = self.kept(&key) {
            return Ok(ready);
        }
        let ready = match language {
            Language::TypeScript | Language::JavaScript => self.script(source, language).await?,
            Language::Wasm => self.module(source).await?,
            Language::Go => {
                return Err(refused(
                    "a keeper does not compile Go: publish what `argus module build` makes, a WASI command",
                ));
            }
            Language::Python => return Err(refused("Python is not run yet: use ts, js or wasm")),
        };
        self.keep(key, ready.clone());
        Ok(ready)
    }

    async fn script(&self, source: &Bytes, language: Language) -> Result<Ready, NoScript> {
        let source = script::source_text(source)?;
        let place = self.tools.acquire().await.map_err(HostError::internal)?;
        let stripped;
        let javascript = if language == Language::TypeScript {
            let pre = self.tool(&self.ts_strip, &prebuilt::TS_STRIP).await?;
            let tool = Tool { pre, entry: "run", doing: "stripping the types" };
            let bytes = script::apply(&tool, language, source).await?;
            stripped = String::from_utf8(bytes).map_err(HostError::internal)?;
            stripped.as_str()
        } else {
            source
        };
        let pre = self.tool(&self.js_compiler, &prebuilt::JS_ENGINE).await?;
        let tool = Tool { pre, entry: "compile", doing: "compiling the script" };
        let bytecode = script::apply(&tool, language, javascript).await?;
        drop(place);
        let wasm = script::module(&bytecode);
        if wasm.len() as u64 > MODULE_BYTES_MAX {
            return Err(refused(&format!(
                "the compiled script has {} bytes, the limit is {}: bundle less",
                wasm.len(),
                text::bytes(MODULE_BYTES_MAX)
            )));
        }
        let (admitted, module) = self.native(wasm, Shape::Script).await?;
        let engine = self.js_engine().await?.clone();
        Ok(Ready { admitted, code: Code::Script { engine, module } })
    }

    async fn module(&self, source: &Bytes) -> Result<Ready, NoScript> {
        let wasm = if source.starts_with(b"\0asm") { source.to_vec() } else { assemble(source)? };
        let shape = admit::admit(&wasm).map_err(NoScript::Refused)?;
        let (admitted, module) = self.native(wasm, shape).await?;
        let mut linker = Linker::new(&self.engine);
        reactor::link(&mut linker).map_err(HostError::internal)?;
        if shape == Shape::Command {
            command::link(&mut linker).map_err(HostError::internal)?;
        }
        // Names were checked at admission; what is left is a signature that differs.
        let pre = linker.instantiate_pre(&module).map_err(|e| {
            refused(&format!(
                "an import has another signature than the host's: {}",
                text::shown(&format!("{e:#}"), 300)
            ))
        })?;
        check_entry(&module, shape)?;
        Ok(Ready { admitted, code: Code::Own(pre) })
    }

    /// The engine for running scripts.
    pub async fn js_engine(&self) -> Result<&InstancePre<Run>, HostError> {
        let link = async || {
            let module = self.prebuilt(&prebuilt::JS_ENGINE).await?;
            let mut linker = Linker::new(&self.engine);
            js::link(&mut linker).map_err(HostError::internal)?;
            linker.instantiate_pre(&module).map_err(|e| unusable(&prebuilt::JS_ENGINE, &e))
        };
        self.js_engine.get_or_try_init(link).await
    }

    /// A prebuilt module as a tool: nothing that it imports is ever there.
    async fn tool<'a>(
        &self,
        cell: &'a OnceCell<InstancePre<Meter>>,
        prebuilt: &'static Prebuilt,
    ) -> Result<&'a InstancePre<Meter>, HostError> {
        let link = async || {
            let module = self.prebuilt(prebuilt).await?;
            let mut linker = Linker::new(&self.engine);
            linker.define_unknown_imports_as_traps(&module).map_err(|e| unusable(prebuilt, &e))?;
            linker.instantiate_pre(&module).map_err(|e| unusable(prebuilt, &e))
        };
        cell.get_or_try_init(link).await
    }

    async fn prebuilt(&self, prebuilt: &'static Prebuilt) -> Result<Module, HostError> {
        self.machine_code(prebuilt.wasm.to_vec(), prebuilt.sha256())
            .await
            .map_err(|reason| HostError::Prebuilt { module: prebuilt.name, reason })
    }

    async fn native(&self, wasm: Vec<u8>, shape: Shape) -> Result<(Admitted, Module), NoScript> {
        let hash: [u8; 32] = Sha256::digest(&wasm).into();
        let admitted =
            Admitted { wasm_hash: WasmHash(B256::from(hash)), module_bytes: wasm.len() as u64, shape };
        let module = self.machine_code(wasm, &hex::encode(hash)).await.map_err(|reason| refused(&reason))?;
        Ok((admitted, module))
    }

    async fn machine_code(&self, wasm: Vec<u8>, hash: &str) -> Result<Module, String> {
        if let Some(module) = self.cache.as_ref().and_then(|cache| cache.load(&self.engine, hash)) {
            return Ok(module);
        }
        let permit = self.permits.clone().acquire_owned().await.map_err(|e| e.to_string())?;
        let engine = self.engine.clone();
        let compiling = tokio::task::spawn_blocking(move || {
            let module = Module::new(&engine, wasm);
            drop(permit);
            module
        });
        let module = match tokio::time::timeout(COMPILE_TIMEOUT, compiling).await {
            Ok(Ok(Ok(module))) => module,
            Ok(Ok(Err(error))) => {
                return Err(format!(
                    "the module does not compile: {}",
                    text::shown(&format!("{error:#}"), 500)
                ));
            }
            Ok(Err(_)) => return Err("the module makes the compiler fail".to_owned()),
            Err(_) => {
                let seconds = COMPILE_TIMEOUT.as_secs();
                return Err(format!(
                    "the compile time limit of {seconds} s is used up: split large functions"
                ));
            }
        };
        if let Some(cache) = &self.cache {
            cache.store(&module, hash);
        }
        Ok(module)
    }

    fn kept(&self, key: &[u8; 32]) -> Option<Ready> {
        let mut kept = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clock += 1;
        let now = kept.clock;
        let (used, ready) = kept.entries.get_mut(key)?;
        *used = now;
        Some(ready.clone())
    }

    fn keep(&self, key: [u8; 32], ready: Ready) {
        let mut kept = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.entries.len() >= kept.max {
            let oldest = kept.entries.iter().min_by_key(|(_, (used, _))| *used).map(|(key, _)| *key);
            oldest.and_then(|key| kept.entries.remove(&key));
        }
        let now = kept.clock;
        kept.entries.insert(key, (now, ready));
    }
}

fn refused(reason: &str) -> NoScript {
    NoScript::Refused(Refusal { reasons: vec![reason.to_owned()] })
}

fn unusable(prebuilt: &Prebuilt, error: &wasmtime::Error) -> HostError {
    HostError::Prebuilt { module: prebuilt.name, reason: format!("{error:#}") }
}

/// WebAssembly text to bytes.
fn assemble(source: &[u8]) -> Result<Vec<u8>, NoScript> {
    if source.len() as u64 > MODULE_BYTES_MAX {
        let max = text::bytes(MODULE_BYTES_MAX);
        return Err(refused(&format!("the text has {} bytes, the limit is {max}", source.len())));
    }
    let Ok(source) = std::str::from_utf8(source) else {
        return Err(refused(
            "these bytes are neither a WebAssembly module nor .wat text: name the source's language",
        ));
    };
    wat::parse_str(source)
        .map_err(|e| refused(&format!("the .wat text is malformed: {}", text::shown(&e.to_string(), 500))))
}

/// The entry points must have their exact types.
fn check_entry(module: &Module, shape: Shape) -> Result<(), NoScript> {
    let wanted: &[(&str, &str)] = match shape {
        Shape::Command => &[("_start", "(func)")],
        Shape::Reactor | Shape::Script | Shape::Component => &[
            ("run", "(func (param i32 i32) (result i64))"),
            ("abi_alloc", "(func (param i32) (result i32))"),
        ],
    };
    let mut reasons = Vec::new();
    for (name, signature) in wanted {
        let found = module.get_export(name).and_then(|e| e.func().cloned());
        let shown = found.map(|f| signature_of(&f));
        if shown.as_deref() != Some(*signature) {
            let found = shown.unwrap_or_else(|| "no function".to_owned());
            reasons.push(format!("`{name}` must be {signature}, it is {found}"));
        }
    }
    if reasons.is_empty() { Ok(()) } else { Err(NoScript::Refused(Refusal { reasons })) }
}

fn signature_of(f: &wasmtime::FuncType) -> String {
    let part = |name: &str, types: Vec<String>| {
        if types.is_empty() { String::new() } else { format!(" ({name} {})", types.join(" ")) }
    };
    let params = part("param", f.params().map(|t| t.to_string()).collect());
    let results = part("result", f.results().map(|t| t.to_string()).collect());
    format!("(func{params}{results})")
}
