//! The one place that configures wasmtime, and the id of what it configures.

use std::sync::Arc;

use argus_domain::{digest::digest_of, limits::Limits, module::EngineId};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OperatorCost, OptLevel, PoolingAllocationConfig,
    WasmFeatures,
};

use crate::{
    error::HostError,
    prebuilt,
    slots::{Regions, Snapshot, Stacks},
};

/// Bytes of native stack that WASM may use. With 2 MB a deep `JSON.parse` in the JavaScript engine exhausts the
/// native stack, whose depth depends on the CPU; with 4 MB its own limit, a `RangeError`, comes first.
const WASM_STACK_BYTES: usize = 4 << 20;
/// What host functions may use on top of that on the same fibre.
const HOST_STACK_BYTES: usize = 1 << 20;
/// Memory that a slot keeps between runs and writes anew, all of it, instead of giving it back to the kernel.
const KEEP_RESIDENT_BYTES: usize = 2 << 20;
/// The same of a table: all of it, so that no run has to fault its pages in again.
const KEEP_TABLE_BYTES: usize = 128 << 10;
/// Tables per module: compilers emit one, reference types allow more.
pub(crate) const TABLES_PER_MODULE: u32 = 4;
/// Core instances per run: a script module and the JavaScript engine are two; a component linked through an adapter has
/// four, one that was composed with a stub twice as many and those that carry the calls between both.
pub(crate) const INSTANCES_PER_RUN: u32 = 16;
/// Memories per run: a component may have a second one.
pub(crate) const MEMORIES_PER_RUN: u32 = 2;
/// Tables per run.
pub(crate) const TABLES_PER_RUN: u32 = 8;
/// Version of the host's own rules that a result depends on (fuel charges, counting, virtual clock, prelude ABI, the
/// sentences of failures: they are signed too).
const RULES: u32 = 6;
/// The wasmtime release whose semantics the id stands for; a test compares it with Cargo.lock.
pub(crate) const WASMTIME: &str = "48.0.8";

/// Features that a module may use: the accepted list of the guest contract, nothing by default.
pub(crate) fn features() -> WasmFeatures {
    WasmFeatures::MUTABLE_GLOBAL
        | WasmFeatures::SATURATING_FLOAT_TO_INT
        | WasmFeatures::SIGN_EXTENSION
        | WasmFeatures::REFERENCE_TYPES
        | WasmFeatures::MULTI_VALUE
        | WasmFeatures::BULK_MEMORY
        | WasmFeatures::SIMD
        | WasmFeatures::TAIL_CALL
        | WasmFeatures::FLOATS
        | WasmFeatures::EXTENDED_CONST
        | WasmFeatures::COMPONENT_MODEL
}

/// What each instruction costs: one, but for those that call into the runtime whatever their operands.
fn costs() -> OperatorCost {
    /// About what a call that moves nothing takes, in simple instructions.
    const CALL: u8 = 10;
    let mut costs = OperatorCost::new();
    costs.MemoryGrow = u8::MAX;
    costs.TableGrow = u8::MAX;
    costs.MemoryCopy = CALL;
    costs.MemoryFill = CALL;
    costs.MemoryInit = CALL;
    costs.TableCopy = CALL;
    costs.TableFill = CALL;
    costs.TableInit = CALL;
    costs
}

/// Everything that code and results depend on.
fn config() -> Config {
    let mut config = Config::new();
    let wanted = features();
    for (feature, on) in [
        (WasmFeatures::REFERENCE_TYPES, true),
        (WasmFeatures::TAIL_CALL, true),
        (WasmFeatures::EXTENDED_CONST, true),
        (WasmFeatures::SIMD, true),
        (WasmFeatures::RELAXED_SIMD, false),
        (WasmFeatures::MEMORY64, false),
        (WasmFeatures::CUSTOM_PAGE_SIZES, false),
        (WasmFeatures::WIDE_ARITHMETIC, false),
        (WasmFeatures::FUNCTION_REFERENCES, false),
        (WasmFeatures::EXCEPTIONS, false),
        (WasmFeatures::GC, false),
    ] {
        debug_assert_eq!(wanted.contains(feature), on);
        config.wasm_features(feature, on);
    }
    config
        // For the modules in which wasmtime itself carries calls between components, from one memory to the other. A
        // user's module has one memory: admission asks by `features`.
        .wasm_multi_memory(true)
        .relaxed_simd_deterministic(true)
        .cranelift_nan_canonicalization(true)
        .consume_fuel(true)
        .operator_cost(costs())
        .cranelift_opt_level(OptLevel::Speed)
        .memory_init_cow(true)
        .max_wasm_stack(WASM_STACK_BYTES)
        .async_stack_size(WASM_STACK_BYTES + HOST_STACK_BYTES)
        .wasm_backtrace_max_frames(None)
        .generate_address_map(false);
    config
}

/// Builds the engine for scripts: each of its memories begins as `snapshot`, and what `slots` runs had is kept for the
/// next ones.
pub(crate) fn build_for_scripts(slots: u32, snapshot: Snapshot) -> Result<Engine, HostError> {
    let mut config = config();
    config
        .allocation_strategy(InstanceAllocationStrategy::OnDemand)
        .with_host_memory(Arc::new(Regions::new(snapshot, slots as usize)))
        .with_host_stack(Arc::new(Stacks::new(slots as usize)));
    Engine::new(&config).map_err(HostError::engine)
}

/// Builds the engine for all other modules, with room for `slots` runs at a time.
pub(crate) fn build(slots: u32) -> Result<Engine, HostError> {
    let mut config = config();
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(slots.saturating_mul(INSTANCES_PER_RUN))
        .total_memories(slots.saturating_mul(MEMORIES_PER_RUN))
        .total_tables(slots.saturating_mul(TABLES_PER_RUN))
        .total_component_instances(slots)
        .max_core_instances_per_component(INSTANCES_PER_RUN)
        .max_memories_per_component(MEMORIES_PER_RUN)
        .max_tables_per_component(TABLES_PER_RUN)
        .max_tables_per_module(TABLES_PER_MODULE)
        .max_memories_per_module(1)
        .table_elements(usize::try_from(Limits::CEILING.table_elements).unwrap_or(usize::MAX))
        .total_stacks(slots)
        .max_memory_size(usize::try_from(Limits::CEILING.memory_bytes).unwrap_or(usize::MAX))
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(KEEP_TABLE_BYTES)
        // wasmtime would ask the kernel which pages a run wrote, and of those that are swapped out or being moved at that
        // moment it is not told: the next run would find them as they were left.
        .pagemap_scan(Enabled::No);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config).map_err(HostError::engine)
}

/// Builds an engine that only compiles, for the same code, and reserves no memory for runs.
pub(crate) fn build_compiler() -> Result<Engine, HostError> {
    let mut config = config();
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    Engine::new(&config).map_err(HostError::engine)
}

/// The id of everything a result depends on besides module and input. Equal on every CPU.
pub(crate) fn id() -> EngineId {
    let costs = format!("{:?}", costs());
    EngineId(digest_of(
        "argus/engine/1",
        &(
            WASMTIME,
            features().bits().to_string(),
            costs,
            ("nan-canonical", "fuel", "max-wasm-stack", WASM_STACK_BYTES),
            prebuilt::JS_ENGINE.sha256(),
            prebuilt::TS_STRIP.sha256(),
            RULES,
        ),
    ))
}
