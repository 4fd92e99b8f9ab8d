//! Admission: which shape the bytes have, and every reason why they are refused, at once.

mod found;

use std::collections::BTreeSet;

use argus_domain::{
    limits::{FUNCTION_BYTES_MAX, Limits, NESTING_MAX},
    module::{Admitted, Language, Needs, Refusal, Shape},
};
use wasmparser::{Validator, WasmFeatures};

use self::found::{Found, read};
use crate::{command, component, component_wasi, engine, prebuilt::JS_ENGINE_PREFIX, reactor, text};

/// How every module and component begins.
const MAGIC: &[u8] = b"\0asm";
/// Longest part of a guest's name that is shown.
const NAME_SHOWN: usize = 80;
/// Imports named in a report; a hostile module can have thousands.
const IMPORTS_SHOWN: usize = 20;
const PAGE_BYTES: u64 = 65536;
/// Functions of a module: the compiler holds about 4 KB for each, whatever its size. Go programs have 25,000.
const FUNCTIONS_MAX: u64 = 100_000;
/// Components inside a component, and how often they are instantiated: toolchains make one per exported interface. An
/// instance of an instance multiplies, and the compiler lays all of them out.
const COMPONENTS_MAX: u32 = 16;
/// Depth of components, the outermost being 1: a component that was linked with a stub, and the one per interface.
const COMPONENT_DEPTH_MAX: u32 = 3;

/// Whether the bytes may be in the language that they are handed in as.
///
/// # Errors
/// A [`Refusal`] for a module that is handed in as source text.
pub(crate) fn check_language(source: &[u8], language: Language) -> Result<(), Refusal> {
    if language != Language::Wasm && source.starts_with(MAGIC) {
        return Err(refusal(&format!(
            "these bytes are a WebAssembly module, and their language is given as {language}: give wasm"
        )));
    }
    Ok(())
}

/// Whether text is WebAssembly's: what follows spaces and comments is a parenthesis.
pub(crate) fn is_wat(text: &str) -> bool {
    let mut rest = text.trim_start();
    loop {
        rest = match (rest.strip_prefix(";;"), rest.strip_prefix("(;")) {
            (Some(comment), _) => comment.split_once('\n').map_or("", |(_, rest)| rest).trim_start(),
            (_, Some(comment)) => comment.split_once(";)").map_or("", |(_, rest)| rest).trim_start(),
            _ => return rest.starts_with('('),
        };
    }
}

/// What a user's module is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    pub shape: Shape,
    pub needs: Needs,
    /// A component of components that have code: text that they hand to each other is copied at no cost in fuel.
    pub is_composed: bool,
}

/// What a user's module is, if a run takes it.
///
/// # Errors
/// A [`Refusal`] with every reason: size, imports by name, minima, features, missing or ambiguous entry points.
pub(crate) fn admit(wasm: &[u8], limits: &Limits) -> Result<Kind, Refusal> {
    if !wasm.starts_with(MAGIC) {
        return Err(refusal(
            "these bytes are no WebAssembly module: give a .wasm binary or .wat text, or name the source's language",
        ));
    }
    let mut reasons = Vec::new();
    let found = match read(wasm) {
        Ok(found) => found,
        Err(reason) => return Err(refusal(&format!("the module is malformed: {reason}"))),
    };
    let shape = if found.is_component {
        check_component(&found, &mut reasons);
        Shape::Component
    } else {
        shape(&found, &mut reasons)
    };
    reasons.extend(too_large(wasm.len() as u64, shape, limits));
    check_features(wasm, &mut reasons);
    check_imports(&found, shape, &mut reasons);
    check_minima(&found, &mut reasons);
    if !reasons.is_empty() {
        return Err(Refusal { reasons });
    }
    Ok(Kind { shape, needs: needs(&found), is_composed: found.is_composed() })
}

/// Whether a module that was admitted may be as large as it is in another run, too.
///
/// # Errors
/// A [`Refusal`] that names the limit.
pub(crate) fn check_size(admitted: &Admitted, limits: &Limits) -> Result<(), Refusal> {
    match too_large(admitted.module_bytes, admitted.shape, limits) {
        Some(reason) => Err(refusal(&reason)),
        None => Ok(()),
    }
}

/// What a module of ours says that it needs.
pub(crate) fn needs_of_script(wasm: &[u8]) -> Needs {
    read(wasm).map(|found| needs(&found)).unwrap_or_default()
}

fn refusal(reason: &str) -> Refusal {
    Refusal { reasons: vec![reason.to_owned()] }
}

fn needs(found: &Found) -> Needs {
    let imports: BTreeSet<String> =
        found.imports.iter().map(|import| text::shown(&shown_import(import), NAME_SHOWN)).collect();
    Needs {
        imports: imports.into_iter().collect(),
        memory_bytes: found.memory_pages.saturating_mul(PAGE_BYTES),
        table_elements: found.table_elements,
    }
}

/// The same features as the engine's, in the validator's own type.
fn accepted() -> WasmFeatures {
    WasmFeatures::from_bits_truncate(engine::features().bits())
}

fn check_features(wasm: &[u8], reasons: &mut Vec<String>) {
    let validate = |features| Validator::new_with_features(features).validate_all(wasm);
    let Err(error) = validate(accepted()) else { return };
    let error = text::shown(&error.to_string(), 300);
    let all = WasmFeatures::all();
    if let Err(error) = validate(all) {
        let error = text::shown(&error.to_string(), 300);
        reasons.push(format!("it is not valid with any features: {error}"));
        return;
    }
    // Those without which it is no longer valid.
    let used: Vec<String> = all
        .difference(accepted())
        .iter_names()
        .filter(|(_, feature)| validate(all.difference(*feature)).is_err())
        .map(|(name, _)| name.to_ascii_lowercase().replace('_', "-"))
        .collect();
    let used = if used.is_empty() { "others".to_owned() } else { used.join(", ") };
    reasons.push(format!(
        "it needs features beyond the accepted ones: {used} ({error}); accepted are MVP, sign extension, saturating \
         conversion, bulk memory, multi-value, mutable globals, funcref, extended const, tail calls, SIMD: build \
         without the others"
    ));
}

fn check_component(found: &Found, reasons: &mut Vec<String>) {
    if !found.exports.contains(component::ENTRY) {
        reasons.push(if found.exports.iter().any(|name| name.starts_with("wasi:cli/run@")) {
            "it is a WASI 0.2 command: build it for preview 1 (wasm32-wasip1), or export `resolve` of the world argus:script"
                .to_owned()
        } else {
            "no entry point: export `resolve` of the world argus:script".to_owned()
        });
    }
    if found.component_depth > COMPONENT_DEPTH_MAX {
        reasons.push(format!(
            "components lie {} deep inside each other, the limit is {COMPONENT_DEPTH_MAX}: link it to one component",
            found.component_depth
        ));
    }
    for (count, what) in
        [(found.components, "components inside"), (found.component_instances, "instances of components")]
    {
        if count > COMPONENTS_MAX {
            reasons.push(format!(
                "it has {count} {what}, the limit is {COMPONENTS_MAX}: link it to one component"
            ));
        }
    }
    if found.memories > engine::MEMORIES_PER_RUN {
        reasons.push(format!(
            "its core modules have {} memories, the limit is {}: link them to one module",
            found.memories,
            engine::MEMORIES_PER_RUN
        ));
    }
    if found.instances > engine::INSTANCES_PER_RUN {
        reasons.push(format!(
            "it makes {} instances of core modules, the limit is {}: link them to one module",
            found.instances,
            engine::INSTANCES_PER_RUN
        ));
    }
}

fn shape(found: &Found, reasons: &mut Vec<String>) -> Shape {
    let has = |name: &str| {
        if name == "memory" { found.exports_memory } else { found.exports.contains(name) }
    };
    let missing = |names: &[&str]| -> Vec<String> {
        names.iter().filter(|n| !has(n)).map(|n| format!("`{n}`")).collect()
    };
    if has("_start") {
        let others: Vec<String> =
            ["run", "_initialize"].iter().filter(|n| has(n)).map(|n| format!("`{n}`")).collect();
        if !others.is_empty() {
            reasons.push(format!(
                "`_start` is exported beside {}: export `_start` for a command, or `run` (and `_initialize`) for a reactor",
                others.join(" and ")
            ));
        }
    }
    match (has("_start"), has("run")) {
        (true, true) => Shape::Reactor,
        (true, false) => {
            if !has("memory") {
                reasons.push("a command must export its `memory`".to_owned());
            }
            if found.imports.iter().any(|(module, _)| module == "host") && !has("abi_alloc") {
                reasons.push(
                    "a command that imports from `host` must export `abi_alloc(len) -> ptr`".to_owned(),
                );
            }
            Shape::Command
        }
        (false, true) => {
            let missing = missing(&["memory", "abi_alloc"]);
            if !missing.is_empty() {
                reasons.push(format!("a reactor must also export {}", missing.join(" and ")));
            }
            Shape::Reactor
        }
        (false, false) => {
            reasons.push(
                "no entry point: export `run`, `abi_alloc` and `memory` (a reactor), or `_start` and `memory` (a WASI command)"
                    .to_owned(),
            );
            Shape::Reactor
        }
    }
}

/// Why a module of this size is refused, if it is.
pub(crate) fn too_large(len: u64, shape: Shape, limits: &Limits) -> Option<String> {
    let (max, most) = (limits.module_bytes(shape), Limits::CEILING.module_bytes(shape));
    let raise = if max < most {
        format!(", or raise the job's limit command_bytes, up to {}", text::bytes(most))
    } else {
        String::new()
    };
    (len > max).then(|| {
        format!(
            "the module has {len} bytes, the limit is {}: strip debug information and optimise for size{raise}",
            text::bytes(max)
        )
    })
}

fn shown_import((module, name): &(String, String)) -> String {
    if name.is_empty() { module.clone() } else { format!("{module}.{name}") }
}

/// Whether a run provides this import.
fn is_provided(shape: Shape, module: &str, name: &str) -> bool {
    match (shape, module) {
        (Shape::Component, interface) => {
            component::provides(interface) || component_wasi::provides(interface)
        }
        (_, "host") => reactor::provides(name),
        (Shape::Command, "wasi_snapshot_preview1") => command::provides(name),
        _ => module.starts_with(JS_ENGINE_PREFIX),
    }
}

fn check_imports(found: &Found, shape: Shape, reasons: &mut Vec<String>) {
    if found.imports.iter().any(|(module, _)| module.starts_with(JS_ENGINE_PREFIX)) {
        reasons.push(
            "it imports the JavaScript engine: publish the script's source, every keeper compiles it itself"
                .to_owned(),
        );
    }
    let unknown: Vec<String> = found
        .imports
        .iter()
        .filter(|(module, name)| !is_provided(shape, module, name))
        .map(|import| text::quoted(&shown_import(import), NAME_SHOWN))
        .collect();
    if !unknown.is_empty() {
        let more = unknown.len().saturating_sub(IMPORTS_SHOWN);
        let listed = unknown.into_iter().take(IMPORTS_SHOWN).collect::<Vec<_>>().join(", ");
        let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
        let allowed = match shape {
            Shape::Component => {
                "the interfaces of argus:script 1.0 and of WASI 0.2 (cli, clocks, io, random)"
            }
            Shape::Command => "the functions of wasi_snapshot_preview1 and host",
            Shape::Reactor | Shape::Script => "the functions of host",
        };
        reasons.push(format!("it imports what no run provides: {listed}{rest}; allowed are {allowed}"));
    }
    if found.imported_memory_or_table {
        reasons.push("it imports a memory or a table: define and export it instead".to_owned());
    }
}

fn check_minima(found: &Found, reasons: &mut Vec<String>) {
    let limits = Limits::CEILING;
    let bytes = found.memory_pages.saturating_mul(PAGE_BYTES);
    if bytes > limits.memory_bytes {
        reasons.push(format!(
            "its memory starts at {bytes} bytes, the limit is {}: lower the declared minimum",
            text::bytes(limits.memory_bytes)
        ));
    }
    if found.table_elements > limits.table_elements {
        reasons.push(format!(
            "its tables start with {} elements, the limit is {} for all together",
            found.table_elements, limits.table_elements
        ));
    }
    if found.functions > FUNCTIONS_MAX {
        reasons.push(format!("it has {} functions, the limit is {FUNCTIONS_MAX}", found.functions));
    }
    if found.nesting > NESTING_MAX {
        reasons.push(format!(
            "its blocks lie {} deep inside each other, the limit is {NESTING_MAX}: split large functions",
            found.nesting
        ));
    }
    if found.function_bytes > FUNCTION_BYTES_MAX {
        reasons.push(format!(
            "its largest function has {} bytes, the limit is {}: split it",
            found.function_bytes,
            text::bytes(FUNCTION_BYTES_MAX)
        ));
    }
    if found.tables > engine::TABLES_PER_MODULE {
        reasons.push(format!("it has {} tables, the limit is {}", found.tables, engine::TABLES_PER_MODULE));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(wat: &str, expect: Result<Shape, &[&str]>) {
        let wasm = wat::parse_str(wat).expect("wat");
        match (admit(&wasm, &Limits::DEFAULT), expect) {
            (Ok(kind), Ok(expected)) => assert_eq!(kind.shape, expected, "{wat}"),
            (Err(refusal), Err(parts)) => {
                let all = refusal.reasons.join("\n");
                for part in parts {
                    assert!(all.contains(part), "{part:?} is not in {all:?}");
                }
            }
            (got, expect) => panic!("{wat}: {got:?}, expected {expect:?}"),
        }
    }

    const REACTOR: &str = r#"(func (export "abi_alloc") (param i32) (result i32) i32.const 0)
        (func (export "run") (param i32 i32) (result i64) i64.const 0)"#;

    #[test]
    fn shapes_come_from_the_exports() {
        check(&format!(r#"(module (memory (export "memory") 1) {REACTOR})"#), Ok(Shape::Reactor));
        check(
            r#"(module (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
                (memory (export "memory") 1) (func (export "_start")))"#,
            Ok(Shape::Command),
        );
        check("(module)", Err(&["no entry point"]));
        check(
            &format!(r#"(module (memory (export "memory") 1) (func (export "_start")) {REACTOR})"#),
            Err(&["`_start` is exported beside `run`: "]),
        );
        check(
            &format!(
                r#"(module (memory (export "memory") 1) (func (export "_start")) (func (export "_initialize")) {REACTOR})"#
            ),
            Err(&["`_start` is exported beside `run` and `_initialize`: "]),
        );
        check(
            r#"(module (memory (export "memory") 1) (func (export "_start")) (func (export "_initialize")))"#,
            Err(&["`_start` is exported beside `_initialize`: export `_start` for a command"]),
        );
        check(
            &format!(r#"(module (memory (export "memory") 1) (func (export "_initialize")) {REACTOR})"#),
            Ok(Shape::Reactor),
        );
        check(r#"(component)"#, Err(&["no entry point: export `resolve`"]));
        // Of the right name, and no memory.
        check(
            &format!(r#"(module (memory 1) (func (export "memory")) {REACTOR})"#),
            Err(&["a reactor must also export `memory`"]),
        );
    }

    #[test]
    fn every_reason_is_listed_at_once() {
        check(
            &format!(
                r#"(module (import "env" "system" (func)) (import "js-engine-0" "memory" (func))
                    (memory (export "memory") 5000) (table 20000 funcref) {REACTOR})"#
            ),
            Err(&["env.system", "imports the JavaScript engine", "memory starts at", "20000 elements"]),
        );
    }

    /// A reactor with one more function, of this body.
    fn with_function(body: &str) -> String {
        format!(r#"(module (memory (export "memory") 1) {REACTOR} (func {body}))"#)
    }

    #[test]
    fn functions_are_as_deep_and_as_large_as_the_compiler_takes_well() {
        let deep =
            |n: u32| with_function(&format!("{}{}", "block ".repeat(n as usize), "end ".repeat(n as usize)));
        check(&deep(NESTING_MAX), Ok(Shape::Reactor));
        check(
            &deep(NESTING_MAX + 1),
            Err(&["its blocks lie 10001 deep inside each other, the limit is 10000"]),
        );
        // A row of them is not deep.
        check(&with_function(&"block end ".repeat(NESTING_MAX as usize + 1)), Ok(Shape::Reactor));

        // Beside those: how many locals there are, and the end.
        let large = |n: usize| with_function(&"nop ".repeat(n - 2));
        let max = usize::try_from(FUNCTION_BYTES_MAX).expect("fits");
        check(&large(max), Ok(Shape::Reactor));
        check(
            &large(max + 1),
            Err(&["its largest function has 524289 bytes, the limit is 512 KB: split it"]),
        );
    }

    #[test]
    fn features_outside_the_list_are_refused() {
        let cases = [
            format!(r#"(module (memory (export "memory") i64 1) {REACTOR})"#),
            format!(r#"(module (memory (export "memory") 1 1 shared) {REACTOR})"#),
            format!(r#"(module (memory (export "memory") 1) (memory 1) {REACTOR})"#),
            format!(r#"(module (memory (export "memory") 1) (tag (param i32)) {REACTOR})"#),
            format!(r#"(module (memory (export "memory") 1) (type (struct (field i32))) {REACTOR})"#),
            format!(r#"(module (memory (export "memory") 1) (func (param externref)) {REACTOR})"#),
            format!(
                r#"(module (memory (export "memory") 1)
                    (func (param v128) (result v128) local.get 0 local.get 0 local.get 0 f32x4.relaxed_madd) {REACTOR})"#
            ),
        ];
        for wat in cases {
            check(&wat, Err(&["beyond the accepted ones"]));
        }
    }

    const GUESTS: [&[u8]; 4] = [
        include_bytes!("../../tests/guests/good/component-rust.wasm"),
        include_bytes!("../../tests/guests/good/command-rust.wasm"),
        include_bytes!("../../tests/guests/good/command-c.wasm"),
        include_bytes!("../../tests/guests/good/reactor-as.wasm"),
    ];

    #[test]
    fn what_toolchains_make_is_admitted() {
        let shapes = GUESTS.map(|wasm| {
            admit(wasm, &Limits::DEFAULT).map(|kind| kind.shape).map_err(|refusal| refusal.reasons)
        });
        let expect = [Shape::Component, Shape::Command, Shape::Command, Shape::Reactor].map(Ok);
        assert_eq!(shapes, expect);
    }

    /// Bytes changed, cut out and doubled anywhere: what comes of it is admitted or refused with a reason, each time
    /// alike.
    #[test]
    fn mutated_modules_are_admitted_or_refused_and_nothing_else() {
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        let mut below = |n: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state >> 16).expect("64 bits") % n
        };
        let mut admitted = 0;
        for wasm in GUESTS {
            for _ in 0..150 {
                let mut bytes = wasm.to_vec();
                for _ in 0..=below(3) {
                    let at = below(bytes.len() - 64) + 8;
                    match below(4) {
                        0 => bytes.truncate(at + 32),
                        1 => drop(bytes.drain(at..at + below(24))),
                        2 => bytes.extend_from_within(at..),
                        _ => bytes[at] = u8::try_from(below(256)).expect("a byte"),
                    }
                }
                let verdict = admit(&bytes, &Limits::DEFAULT);
                assert_eq!(verdict, admit(&bytes, &Limits::DEFAULT));
                match verdict {
                    Ok(_) => admitted += 1,
                    Err(refusal) => assert!(!refusal.reasons.is_empty()),
                }
            }
        }
        assert!(admitted > 0, "no mutation left a module valid");
    }
}
