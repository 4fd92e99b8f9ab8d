//! TypeScript and JavaScript to a script module, inside the sandbox: the stripper and the engine's own compiler
//! are WASM, so no native parser meets the source.

use argus_domain::{
    limits::{Limits, SOURCE_BYTES_MAX},
    module::{Language, Refusal},
};
use wasm_encoder::{
    CodeSection, DataCountSection, DataSection, EntityType, ExportKind, ExportSection, Function,
    FunctionSection, ImportSection, MemoryType, Module, TypeSection, ValType,
};
use wasmtime::{Instance, InstancePre, Store, Trap};

use crate::{error::HostError, meter::Meter, native::NoCode, prebuilt, text};

/// Fuel for stripping or compiling one source: 1 MB of ordinary code takes a fifth of it.
const COMPILE_FUEL: u64 = 4_000_000_000;
/// Memory for it.
const COMPILE_MEMORY_BYTES: u64 = 256 << 20;
/// Instructions between two yields to other tasks of the thread.
const YIELD_FUEL: u64 = 10_000_000;

/// Why no module came out.
pub(crate) enum NoScript {
    Refused(Refusal),
    Native(NoCode),
    Host(HostError),
}

impl From<NoCode> for NoScript {
    fn from(reason: NoCode) -> Self {
        Self::Native(reason)
    }
}

impl From<HostError> for NoScript {
    fn from(error: HostError) -> Self {
        Self::Host(error)
    }
}

impl NoScript {
    /// The same; where the engine stumbled over a decorator, which it takes for a stray sign, by its name.
    pub(crate) fn naming_decorators(self, language: Language, source: &str) -> Self {
        let Self::Refused(refusal) = &self else { return self };
        let places = refusal.reasons.iter().filter_map(|reason| reason.split_once('\n'));
        let stumbled = places.map(|(_, place)| place).find(|place| is_decorator(place, source));
        match stumbled {
            Some(place) => refused(format!("{language}: SyntaxError: {NO_DECORATORS}\n{place}")),
            None => self,
        }
    }
}

const NO_DECORATORS: &str =
    "decorators are not supported: call what they name on the class or on its member instead";

/// Whether an `@` begins at the place, `at FILE:LINE:COLUMN`, of the author's source.
fn is_decorator(place: &str, source: &str) -> bool {
    let mut numbers = place.trim_end().rsplit(':').map_while(|n| n.parse::<usize>().ok()?.checked_sub(1));
    let (Some(column), Some(line)) = (numbers.next(), numbers.next()) else { return false };
    source.lines().nth(line).is_some_and(|text| text.chars().nth(column) == Some('@'))
}

fn refused(reason: String) -> NoScript {
    NoScript::Refused(Refusal { reasons: vec![reason] })
}

/// The store data of a compilation: budgets and nothing else.
pub(crate) type Compiling = Meter;

/// A `(ptr, len)` function of a prebuilt module: name, module, fuel.
pub(crate) struct Tool<'a> {
    /// Where the module is ready to start.
    pub pre: &'a InstancePre<Compiling>,
    /// Which function.
    pub entry: &'static str,
    /// What messages call it.
    pub doing: &'static str,
}

/// Source text from bytes.
pub(crate) fn source_text(source: &[u8]) -> Result<&str, NoScript> {
    if source.len() as u64 > SOURCE_BYTES_MAX {
        return Err(refused(format!(
            "the source has {} bytes, the limit is {}: bundle less, or minify it",
            source.len(),
            text::bytes(SOURCE_BYTES_MAX)
        )));
    }
    std::str::from_utf8(source)
        .map_err(|e| refused(format!("the source is not valid UTF-8 at byte {}", e.valid_up_to())))
}

/// Runs a tool over a text in a fresh instance; its reply without the tag where the tag was 0.
pub(crate) async fn apply(tool: &Tool<'_>, language: Language, input: &[u8]) -> Result<Vec<u8>, NoScript> {
    let engine = tool.pre.module().engine();
    let limits = Limits { memory_bytes: COMPILE_MEMORY_BYTES, fuel_max: COMPILE_FUEL, ..Limits::DEFAULT };
    let mut store = Store::new(engine, Meter::new(&limits));
    store.limiter(|meter| meter);
    store.set_fuel(COMPILE_FUEL).map_err(HostError::internal)?;
    store.fuel_async_yield_interval(Some(YIELD_FUEL)).map_err(HostError::internal)?;
    let instance = tool.pre.instantiate_async(&mut store).await.map_err(HostError::internal)?;
    let reply = match call(&mut store, &instance, tool.entry, input).await {
        Ok(reply) => reply,
        // How deep the native stack goes differs between machines.
        Err(error) if matches!(error.downcast_ref(), Some(Trap::StackOverflow)) => {
            return Err(NoCode::Stopped(trap_reason(tool.doing, &error)).into());
        }
        Err(error) => return Err(refused(trap_reason(tool.doing, &error))),
    };
    match reply.split_first() {
        Some((0, out)) => Ok(out.to_vec()),
        Some((_, message)) => Err(refused(format!(
            "{language}: {}",
            text::shown(&String::from_utf8_lossy(message), argus_domain::limits::ERROR_TEXT_BYTES_MAX)
        ))),
        None => Err(HostError::Internal(format!("{}: no reply", tool.doing)).into()),
    }
}

fn trap_reason(doing: &str, error: &wasmtime::Error) -> String {
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => {
            format!("{doing} takes more than {COMPILE_FUEL} fuel: make the source smaller or simpler")
        }
        // The shadow stack's end, the native stack's end or an allocation that failed.
        Some(_) => {
            format!("{doing} does not succeed: the source is nested too deeply or is too large; flatten it")
        }
        None => format!("{doing} does not succeed: {error:#}"),
    }
}

async fn call(
    store: &mut Store<Compiling>,
    instance: &Instance,
    entry: &str,
    input: &[u8],
) -> wasmtime::Result<Vec<u8>> {
    let memory =
        instance.get_memory(&mut *store, "memory").ok_or_else(|| wasmtime::Error::msg("no memory"))?;
    let alloc = instance.get_typed_func::<u32, u32>(&mut *store, "abi_alloc")?;
    let run = instance.get_typed_func::<(u32, u32), u64>(&mut *store, entry)?;
    // A NUL follows the text: QuickJS reads one character past it.
    let len = u32::try_from(input.len())?;
    let ptr = alloc.call_async(&mut *store, len + 1).await?;
    memory.write(&mut *store, ptr as usize, input)?;
    memory.write(&mut *store, ptr as usize + input.len(), &[0])?;
    let packed = run.call_async(&mut *store, (ptr, len)).await?;
    let (at, n) = ((packed >> 32) as usize, (packed & 0xffff_ffff) as usize);
    let reply = memory.data(&*store).get(at..at.saturating_add(n));
    reply.map(<[u8]>::to_vec).ok_or_else(|| wasmtime::Error::msg("a reply outside memory"))
}

/// The module that stands for a script: its bytecode in a passive segment, and a `run` that hands it to the engine
/// it imports. Nothing else, so that equal bytecode gives equal bytes.
pub(crate) fn module(bytecode: &[u8]) -> Vec<u8> {
    let engine = prebuilt::js_engine_import();
    let len = i32::try_from(bytecode.len()).unwrap_or(i32::MAX);
    let i32s = |n| std::iter::repeat_n(ValType::I32, n);

    let mut types = TypeSection::new();
    types.ty().function(i32s(1), [ValType::I32]);
    types.ty().function(i32s(4), [ValType::I64]);
    types.ty().function(i32s(2), [ValType::I64]);
    let (alloc_type, run_script_type, run_type) = (0, 1, 2);

    let mut imports = ImportSection::new();
    let memory =
        MemoryType { minimum: 0, maximum: None, memory64: false, shared: false, page_size_log2: None };
    imports.import(&engine, "memory", EntityType::Memory(memory));
    imports.import(&engine, "abi_alloc", EntityType::Function(alloc_type));
    imports.import(&engine, "run_script", EntityType::Function(run_script_type));
    let (abi_alloc, run_script, run) = (0, 1, 2);

    let mut functions = FunctionSection::new();
    functions.function(run_type);
    let mut exports = ExportSection::new();
    exports.export("run", ExportKind::Func, run);

    // run(ptr, len): code = abi_alloc(n); memory.init(code, 0, n); run_script(code, n, ptr, len)
    let mut body = Function::new([(1, ValType::I32)]);
    body.instructions()
        .i32_const(len)
        .call(abi_alloc)
        .local_tee(2)
        .i32_const(0)
        .i32_const(len)
        .memory_init(0, 0)
        .local_get(2)
        .i32_const(len)
        .local_get(0)
        .local_get(1)
        .call(run_script)
        .end();
    let mut code = CodeSection::new();
    code.function(&body);
    let mut data = DataSection::new();
    data.passive(bytecode.iter().copied());

    let mut module = Module::new();
    module
        .section(&types)
        .section(&imports)
        .section(&functions)
        .section(&exports)
        .section(&DataCountSection { count: 1 })
        .section(&code)
        .section(&data);
    module.finish()
}
