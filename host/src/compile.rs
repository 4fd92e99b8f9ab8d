//! From published bytes to code that is ready to start, and the modules kept ready.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

use argus_domain::{
    B256,
    limits::{COMPILE_MEMORY_BYTES_MAX, Limits, MODULE_BYTES_MAX},
    module::{Admitted, Language, Needs, Refusal, Shape, WasmHash},
};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::{OnceCell, Semaphore};
use wasmparser::Parser;
use wasmtime::{Engine, InstancePre, Linker, Module};

use crate::{
    admit::{self, Kind},
    cache::{self, Cache, Compiled},
    command, component,
    config::HostConfig,
    engine,
    error::HostError,
    exports::{Exports, Links},
    js,
    meter::Meter,
    native::{Bounds, Native, NoCode},
    prebuilt::{self, Prebuilt, Split},
    reactor,
    script::{self, NoScript, Tool},
    slots::Snapshot,
    state::Run,
    text,
};

/// Longest compilation of the modules that ship with the host: they are known to end, and a busy machine must not
/// lose them.
const PREBUILT_BOUNDS: Bounds = Bounds { time: Duration::from_secs(600), memory: COMPILE_MEMORY_BYTES_MAX };
/// How long a module that could not be compiled is not tried again, so that its job's next runs cost nothing.
const STOPPED_FOR: Duration = Duration::from_secs(600);
/// Such modules that are remembered.
const STOPPED_MAX: usize = 1024;
/// Sources stripped or compiled at a time; each takes a place in the pool besides the runs.
pub(crate) const TOOLS: u32 = 2;

/// So many sources are held together with their hash at most, and so many bytes of them.
const HASHED_MAX: usize = 1024;
const HASHED_BYTES_MAX: usize = 256 << 20;

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
    Own { pre: InstancePre<Run>, exports: Exports },
    /// A component, and whether components inside it have code, too.
    Component { pre: component::InstancePre<Run>, is_composed: bool },
    /// A script module: linked to an instance of the engine in the same store.
    Script(Arc<Script>),
}

/// A script module and the engine that it runs in.
pub(crate) struct Script {
    pub engine: InstancePre<Run>,
    pub engine_exports: Exports,
    pub links: Links,
    pub module: Module,
    pub exports: Exports,
}

impl Code {
    /// What it was made for.
    pub fn engine(&self) -> &Engine {
        match self {
            Self::Own { pre, .. } => pre.module().engine(),
            Self::Component { pre, .. } => pre.engine(),
            Self::Script(script) => script.module.engine(),
        }
    }
}

/// Compiles, links and keeps.
pub(crate) struct Compiler {
    modules: Engine,
    scripts: Engine,
    /// The JavaScript engine without what its memory starts with, which is a matter of `scripts`.
    js_code: Vec<u8>,
    cache: Option<Arc<Cache>>,
    native: Native,
    bounds: Bounds,
    tools: Semaphore,
    ready: Mutex<Kept>,
    /// Per module that is being made ready: who asks for it meanwhile waits for that.
    turns: Mutex<HashMap<Key, Weak<tokio::sync::Mutex<()>>>>,
    js_engine: OnceCell<InstancePre<Run>>,
    js_compiler: OnceCell<InstancePre<Meter>>,
    ts_strip: OnceCell<InstancePre<Meter>>,
}

/// What was published, by its hash, and what it is to be read as.
type Key = ([u8; 32], Language);

/// Ready modules; the one used longest ago goes first.
struct Kept {
    entries: HashMap<Key, (u64, Ready)>,
    /// Hashes of sources whose bytes are held, so that the same bytes are not hashed for every run: 4 MB take longer than
    /// the run itself, and half a kilobyte a tenth of one.
    hashed: HashMap<(usize, usize), (Bytes, [u8; 32])>,
    /// Modules that could not be compiled, when that was, and why.
    stopped: HashMap<Key, (Instant, NoCode)>,
    max: usize,
    clock: u64,
}

impl Compiler {
    /// With room for `slots` instances at a time.
    ///
    /// # Errors
    /// Where wasmtime cannot reserve the pool, or the cache directory cannot be used.
    pub fn new(slots: u32, config: &HostConfig) -> Result<Self, HostError> {
        let modules = engine::build(slots)?;
        let Split { code, memory } = prebuilt::split_js_engine()?;
        let open = |dir| Cache::open(dir, &modules, engine::id()).map(Arc::new);
        let cache = config.cache_dir.as_deref().map(open).transpose()?;
        Ok(Self {
            native: Native::new(modules.clone(), config.compiler.clone()),
            modules,
            scripts: engine::build_for_scripts(slots, Snapshot::new(memory))?,
            js_code: code,
            cache,
            bounds: Bounds { time: config.compile_timeout, memory: config.compile_memory_bytes },
            tools: Semaphore::new(TOOLS as usize),
            ready: Mutex::new(Kept {
                entries: HashMap::new(),
                hashed: HashMap::new(),
                stopped: HashMap::new(),
                max: config.ready_modules.max(1),
                clock: 0,
            }),
            turns: Mutex::new(HashMap::new()),
            js_engine: OnceCell::new(),
            js_compiler: OnceCell::new(),
            ts_strip: OnceCell::new(),
        })
    }

    /// The module for these bytes, from memory, from disk, or compiled.
    ///
    /// # Errors
    /// Refusals say everything that is wrong with the bytes.
    pub async fn ready(
        &self,
        source: &Bytes,
        language: Language,
        limits: &Limits,
    ) -> Result<Ready, NoScript> {
        let key = (self.content_hash(source), language);
        if let Some(ready) = self.kept(&key, limits) {
            return ready;
        }
        let turn = self.turn(key);
        let _alone = turn.lock().await;
        if let Some(ready) = self.kept(&key, limits) {
            return ready;
        }
        let made = self.make(source, language, limits).await;
        match &made {
            Ok(ready) => self.keep(key, ready.clone()),
            Err(NoScript::Native(reason @ NoCode::Stopped(_))) => self.keep_stopped(key, reason.clone()),
            Err(_) => {}
        }
        made
    }

    async fn make(&self, source: &Bytes, language: Language, limits: &Limits) -> Result<Ready, NoScript> {
        admit::check_language(source, language).map_err(NoScript::Refused)?;
        match language {
            Language::TypeScript | Language::JavaScript => self.script(source, language).await,
            Language::Wasm => self.module(source, limits).await,
            Language::Go => Err(refused(
                "a keeper does not compile Go: publish what `argus module build` makes, a WASI command",
            )),
            Language::Python => Err(refused("Python is not run yet: use ts, js or wasm")),
        }
    }

    async fn script(&self, source: &Bytes, language: Language) -> Result<Ready, NoScript> {
        let source = script::source_text(source)?;
        let place = self.tools.acquire().await.map_err(HostError::internal)?;
        let stripped;
        let (entry, text) = if language == Language::TypeScript {
            let pre = tool(&self.ts_strip, &prebuilt::TS_STRIP, self.ts_strip()).await?;
            let tool = Tool { pre, entry: "run", doing: "stripping the types" };
            // JavaScript and where in the source its parts come from: for the engine, which writes it into bytecode.
            stripped = script::apply(&tool, language, source.as_bytes()).await?;
            ("compile_stripped", stripped.as_slice())
        } else {
            ("compile", source.as_bytes())
        };
        let pre = tool(&self.js_compiler, &prebuilt::JS_ENGINE, self.js()).await?;
        let tool = Tool { pre, entry, doing: "compiling the script" };
        let compiled = script::apply(&tool, language, text).await;
        let bytecode = compiled.map_err(|none| none.naming_decorators(language, source))?;
        drop(place);
        let wasm = script::module(&bytecode);
        if wasm.len() as u64 > MODULE_BYTES_MAX {
            return Err(refused(&format!(
                "the compiled script has {} bytes, the limit is {}: bundle less",
                wasm.len(),
                text::bytes(MODULE_BYTES_MAX)
            )));
        }
        let needs = admit::needs_of_script(&wasm);
        let (admitted, module) = self.native(&self.scripts, wasm, Shape::Script, needs).await?;
        let engine = self.js_engine().await?.clone();
        let links = Links::between(engine.module(), &prebuilt::js_engine_import(), &module)
            .ok_or_else(|| HostError::internal("a script for another JavaScript engine"))?;
        let (engine_exports, exports) = (Exports::of(engine.module()), Exports::of(&module));
        let script = Script { engine, engine_exports, links, module, exports };
        Ok(Ready { admitted, code: Code::Script(Arc::new(script)) })
    }

    async fn module(&self, source: &Bytes, limits: &Limits) -> Result<Ready, NoScript> {
        // Before anything reads it: what is too large for the shapes that its first bytes leave open.
        let largest = if Parser::is_component(source) { Shape::Component } else { Shape::Command };
        if let Some(reason) = admit::too_large(source.len() as u64, largest, limits) {
            return Err(refused(&reason));
        }
        let (source, limits) = (source.clone(), *limits);
        // Megabytes of text take the assembler a while.
        let reading = tokio::task::spawn_blocking(move || {
            let wasm = if source.starts_with(b"\0asm") { source.to_vec() } else { assemble(&source)? };
            admit::admit(&wasm, &limits).map(|kind| (wasm, kind)).map_err(NoScript::Refused)
        });
        let (wasm, Kind { shape, needs, is_composed }) = reading.await.map_err(HostError::internal)??;
        if shape == Shape::Component {
            let (admitted, component) = self.native(&self.modules, wasm, shape, needs).await?;
            let pre = component::prepare(&self.modules, &component).map_err(|reason| refused(&reason))?;
            return Ok(Ready { admitted, code: Code::Component { pre, is_composed } });
        }
        let (admitted, module) = self.native::<Module>(&self.modules, wasm, shape, needs).await?;
        let mut linker = Linker::new(&self.modules);
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
        Ok(Ready { admitted, code: Code::Own { exports: Exports::of(&module), pre } })
    }

    /// The engine for running scripts.
    pub async fn js_engine(&self) -> Result<&InstancePre<Run>, HostError> {
        let link = async || {
            let module = self.js().await?;
            let mut linker = Linker::new(&self.scripts);
            js::link(&mut linker).map_err(HostError::internal)?;
            linker.instantiate_pre(&module).map_err(|e| unusable(&prebuilt::JS_ENGINE, &e))
        };
        self.js_engine.get_or_try_init(link).await
    }

    async fn js(&self) -> Result<Module, HostError> {
        let hash = hex::encode(Sha256::digest(&self.js_code));
        let code = self.machine_code(&self.scripts, self.js_code.clone(), &hash, PREBUILT_BOUNDS);
        code.await.map_err(|reason| unusable(&prebuilt::JS_ENGINE, &reason))
    }

    async fn ts_strip(&self) -> Result<Module, HostError> {
        let prebuilt = &prebuilt::TS_STRIP;
        let code =
            self.machine_code(&self.modules, prebuilt.wasm.to_vec(), prebuilt.sha256(), PREBUILT_BOUNDS);
        code.await.map_err(|reason| unusable(prebuilt, &reason))
    }

    async fn native<C: Compiled>(
        &self,
        engine: &Engine,
        wasm: Vec<u8>,
        shape: Shape,
        needs: Needs,
    ) -> Result<(Admitted, C), NoScript> {
        let hash: [u8; 32] = Sha256::digest(&wasm).into();
        let admitted =
            Admitted { wasm_hash: WasmHash(B256::from(hash)), module_bytes: wasm.len() as u64, shape, needs };
        let module = self.machine_code(engine, wasm, &hex::encode(hash), self.bounds).await?;
        Ok((admitted, module))
    }

    /// Reading, authenticating and writing block, so they are kept off the threads that serve.
    async fn machine_code<C: Compiled>(
        &self,
        engine: &Engine,
        wasm: Vec<u8>,
        hash: &str,
        bounds: Bounds,
    ) -> Result<C, NoCode> {
        let lost = |error: tokio::task::JoinError| NoCode::Host(error.to_string());
        if let Some(cache) = self.cache.clone() {
            let (engine, hash) = (engine.clone(), hash.to_owned());
            let loading = tokio::task::spawn_blocking(move || cache.load(&engine, &hash));
            if let Some(module) = loading.await.map_err(lost)? {
                return Ok(module);
            }
        }
        let code = self.native.compile(wasm, bounds).await?;
        let (engine, cache, hash) = (engine.clone(), self.cache.clone(), hash.to_owned());
        let keeping = move || {
            let kept = cache.and_then(|cache| {
                cache.store(&code, &hash);
                cache.load(&engine, &hash)
            });
            kept.map_or_else(|| cache::from_compiler(&engine, &code), Ok)
        };
        let module = tokio::task::spawn_blocking(keeping).await.map_err(lost)?;
        // Code that was just made is turned down for what it would take: more instances or memories than a run has.
        module.map_err(|e| NoCode::Invalid(format!("the module does not fit into a run: {e:#}")))
    }

    fn turn(&self, key: Key) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(&key).and_then(Weak::upgrade) {
            return turn;
        }
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::default();
        turns.insert(key, Arc::downgrade(&turn));
        turn
    }

    /// As long as a `Bytes` is held here its address belongs to it, and its content cannot change.
    fn content_hash(&self, source: &Bytes) -> [u8; 32] {
        let address = (source.as_ptr() as usize, source.len());
        let lock = || self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, hash)) = lock().hashed.get(&address) {
            return *hash;
        }
        let hash = *blake3::hash(source).as_bytes();
        let mut kept = lock();
        let bytes: usize = kept.hashed.keys().map(|(_, len)| len).sum();
        if kept.hashed.len() >= HASHED_MAX || bytes + source.len() > HASHED_BYTES_MAX {
            kept.hashed.clear();
        }
        kept.hashed.insert(address, (source.clone(), hash));
        hash
    }

    fn kept(&self, key: &Key, limits: &Limits) -> Option<Result<Ready, NoScript>> {
        let mut kept = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clock += 1;
        let now = kept.clock;
        if let Some((used, ready)) = kept.entries.get_mut(key) {
            *used = now;
            let fits = admit::check_size(&ready.admitted, limits).map_err(NoScript::Refused);
            return Some(fits.map(|()| ready.clone()));
        }
        let (since, reason) = kept.stopped.get(key)?;
        if since.elapsed() > STOPPED_FOR {
            kept.stopped.remove(key);
            return None;
        }
        Some(Err(reason.clone().into()))
    }

    fn keep_stopped(&self, key: Key, reason: NoCode) {
        let mut kept = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.stopped.len() >= STOPPED_MAX {
            kept.stopped.clear();
        }
        kept.stopped.insert(key, (Instant::now(), reason));
    }

    fn keep(&self, key: Key, ready: Ready) {
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

/// A prebuilt module as a tool: nothing that it imports is ever there.
async fn tool<'a>(
    cell: &'a OnceCell<InstancePre<Meter>>,
    prebuilt: &Prebuilt,
    module: impl Future<Output = Result<Module, HostError>>,
) -> Result<&'a InstancePre<Meter>, HostError> {
    let link = async || {
        let module = module.await?;
        let mut linker = Linker::new(module.engine());
        linker.define_unknown_imports_as_traps(&module).map_err(|e| unusable(prebuilt, &e))?;
        linker.instantiate_pre(&module).map_err(|e| unusable(prebuilt, &e))
    };
    cell.get_or_try_init(link).await
}

fn unusable(prebuilt: &Prebuilt, error: &dyn std::fmt::Display) -> HostError {
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
    if !admit::is_wat(source) {
        return Err(refused(
            "this text is no .wat: for a script name its language (ts, js), for a program publish the .wasm that your \
             toolchain makes of it",
        ));
    }
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
    // Runs before `run` does, where there is one.
    let initialize = module.get_export("_initialize").map(|_| ("_initialize", "(func)"));
    let mut reasons = Vec::new();
    for (name, signature) in wanted.iter().chain(&initialize) {
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
