//! Admission: which shape the bytes have, and every reason why they are refused, at once.

use std::collections::BTreeSet;

use argus_domain::{
    limits::{Limits, MODULE_BYTES_MAX, WASI_COMMAND_BYTES_MAX},
    module::{Refusal, Shape},
};
use wasmparser::{Encoding, ExternalKind, Parser, Payload, TypeRef, Validator, WasmFeatures};

use crate::{command, engine, prebuilt::JS_ENGINE_PREFIX, reactor, text};

/// Longest part of a guest's name that is shown.
const NAME_SHOWN: usize = 80;
/// Imports named in a report; a hostile module can have thousands.
const IMPORTS_SHOWN: usize = 20;
const PAGE_BYTES: u64 = 65536;
/// Functions of a module: the compiler holds about 4 KB for each, whatever its size. Go programs have 25,000.
const FUNCTIONS_MAX: u32 = 100_000;

/// What the bytes hold, as far as admission asks.
#[derive(Default)]
struct Found {
    exports: BTreeSet<String>,
    imports: Vec<(String, String)>,
    memory_pages: Vec<u64>,
    table_elements: u64,
    tables: u32,
    functions: u32,
    imported_memory_or_table: bool,
    component: bool,
}

/// The shape of a user's module.
///
/// # Errors
/// A [`Refusal`] with every reason: size, imports by name, minima, features, missing or ambiguous entry points.
pub(crate) fn admit(wasm: &[u8]) -> Result<Shape, Refusal> {
    if !wasm.starts_with(b"\0asm") {
        return Err(refusal(
            "these bytes are no WebAssembly module: give a .wasm binary or .wat text, or name the source's language",
        ));
    }
    let mut reasons = Vec::new();
    let found = match read(wasm) {
        Ok(found) => found,
        Err(reason) => return Err(refusal(&format!("the module is malformed: {reason}"))),
    };
    if found.component {
        return Err(refusal(
            "components are not run yet: give a core module that exports memory, abi_alloc and run, or a WASI preview 1 command",
        ));
    }
    if let Err(error) = Validator::new_with_features(parser_features()).validate_all(wasm) {
        reasons.push(format!(
            "not valid with the accepted features (MVP, sign extension, saturating conversion, bulk memory, multi-value, \
             mutable globals, funcref, extended const, tail calls, SIMD): {}",
            text::shown(&error.to_string(), 300)
        ));
    }
    let shape = shape(&found, &mut reasons);
    check_size(wasm.len() as u64, shape, &mut reasons);
    check_imports(&found, shape, &mut reasons);
    check_minima(&found, &mut reasons);
    if reasons.is_empty() { Ok(shape) } else { Err(Refusal { reasons }) }
}

fn refusal(reason: &str) -> Refusal {
    Refusal { reasons: vec![reason.to_owned()] }
}

/// The same features as the engine's, in the validator's own type.
fn parser_features() -> WasmFeatures {
    WasmFeatures::from_bits_truncate(engine::features().bits())
}

fn read(wasm: &[u8]) -> Result<Found, wasmparser::BinaryReaderError> {
    let mut found = Found::default();
    for payload in Parser::new(0).parse_all(wasm) {
        match payload? {
            Payload::Version { encoding: Encoding::Component, .. } => {
                found.component = true;
                return Ok(found);
            }
            Payload::ImportSection(reader) => {
                for import in reader.into_imports() {
                    let import = import?;
                    found.imported_memory_or_table |=
                        matches!(import.ty, TypeRef::Memory(_) | TypeRef::Table(_));
                    found.imports.push((import.module.to_owned(), import.name.to_owned()));
                }
            }
            Payload::ExportSection(reader) => {
                for export in reader {
                    let export = export?;
                    if matches!(export.kind, ExternalKind::Func | ExternalKind::Memory) {
                        found.exports.insert(export.name.to_owned());
                    }
                }
            }
            Payload::FunctionSection(reader) => found.functions = reader.count(),
            Payload::MemorySection(reader) => {
                for memory in reader {
                    found.memory_pages.push(memory?.initial);
                }
            }
            Payload::TableSection(reader) => {
                for table in reader {
                    found.tables += 1;
                    found.table_elements = found.table_elements.saturating_add(table?.ty.initial);
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

fn shape(found: &Found, reasons: &mut Vec<String>) -> Shape {
    let has = |name: &str| found.exports.contains(name);
    let missing = |names: &[&str]| -> Vec<String> {
        names.iter().filter(|n| !has(n)).map(|n| format!("`{n}`")).collect()
    };
    match (has("_start"), has("run")) {
        (true, true) => {
            reasons.push(
                "both `_start` and `run` are exported: export `_start` for a command or `run` for a reactor, not both"
                    .to_owned(),
            );
            Shape::Reactor
        }
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

fn check_size(len: u64, shape: Shape, reasons: &mut Vec<String>) {
    let max = if shape == Shape::Command { WASI_COMMAND_BYTES_MAX } else { MODULE_BYTES_MAX };
    if len > max {
        reasons.push(format!(
            "the module has {len} bytes, the limit is {}: strip debug information and optimise for size",
            text::bytes(max)
        ));
    }
}

fn check_imports(found: &Found, shape: Shape, reasons: &mut Vec<String>) {
    if found.imports.iter().any(|(module, _)| module.starts_with(JS_ENGINE_PREFIX)) {
        reasons.push(
            "it imports the JavaScript engine: publish the script's source, every keeper compiles it itself"
                .to_owned(),
        );
    }
    let allowed = |module: &str, name: &str| match module {
        "host" => reactor::OPS.iter().any(|op| op.name() == name),
        "wasi_snapshot_preview1" => shape == Shape::Command && command::provides(name),
        _ => module.starts_with(JS_ENGINE_PREFIX),
    };
    let unknown: Vec<String> = found
        .imports
        .iter()
        .filter(|(module, name)| !allowed(module, name))
        .map(|(module, name)| text::quoted(&format!("{module}.{name}"), NAME_SHOWN))
        .collect();
    if !unknown.is_empty() {
        let more = unknown.len().saturating_sub(IMPORTS_SHOWN);
        let listed = unknown.into_iter().take(IMPORTS_SHOWN).collect::<Vec<_>>().join(", ");
        let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
        let allowed = if shape == Shape::Command { "wasi_snapshot_preview1 and host" } else { "host" };
        reasons.push(format!(
            "it imports what no run provides: {listed}{rest}; allowed are the functions of {allowed}"
        ));
    }
    if found.imported_memory_or_table {
        reasons.push("it imports a memory or a table: define and export it instead".to_owned());
    }
}

fn check_minima(found: &Found, reasons: &mut Vec<String>) {
    let limits = Limits::CEILING;
    for pages in &found.memory_pages {
        let bytes = pages.saturating_mul(PAGE_BYTES);
        if bytes > limits.memory_bytes {
            reasons.push(format!(
                "its memory starts at {bytes} bytes, the limit is {}: lower the declared minimum",
                text::bytes(limits.memory_bytes)
            ));
        }
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
    if found.tables > engine::TABLES_PER_MODULE {
        reasons.push(format!("it has {} tables, the limit is {}", found.tables, engine::TABLES_PER_MODULE));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(wat: &str, expect: Result<Shape, &[&str]>) {
        let wasm = wat::parse_str(wat).expect("wat");
        match (admit(&wasm), expect) {
            (Ok(shape), Ok(expected)) => assert_eq!(shape, expected, "{wat}"),
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
            Err(&["both `_start` and `run`"]),
        );
        check(r#"(component)"#, Err(&["components are not run yet"]));
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
            check(&wat, Err(&["accepted features"]));
        }
    }
}
