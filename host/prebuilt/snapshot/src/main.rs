//! `snapshot IN OUT FUNCTION`: instantiates IN, calls FUNCTION once, and writes
//! OUT, which is IN with the memory that the call left behind as its initial
//! memory and without FUNCTION among its exports.
//!
//! Only the memory is taken: a clang-built module has no other state, since its
//! one mutable global, the stack pointer, is back at its start when the call
//! returns. Every import answers zero while the initialiser runs.

use std::{env, error::Error, fs, process::exit};

use wasm_encoder::{ConstExpr, DataSection, ExportKind, ExportSection, MemorySection, MemoryType, Module, RawSection};
use wasmi::{Engine, Linker, Module as Loaded, Store, Val};
use wasmparser::{ExternalKind, Parser, Payload};

/// Equal bytes after which a data segment ends: a segment costs about this much.
const GAP: usize = 16;
const PAGE: usize = 65536;

fn main() {
    let args: Vec<String> = env::args().collect();
    let [_, input, output, function] = args.as_slice() else {
        eprintln!("usage: snapshot IN OUT FUNCTION");
        exit(64);
    };
    if let Err(error) = snapshot(input, output, function) {
        eprintln!("snapshot: {error}");
        exit(1);
    }
}

fn snapshot(input: &str, output: &str, function: &str) -> Result<(), Box<dyn Error>> {
    let wasm = fs::read(input)?;
    let memory = memory_after(&wasm, function)?;
    fs::write(output, rewrite(&wasm, function, &memory)?)?;
    Ok(())
}

fn memory_after(wasm: &[u8], function: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let engine = Engine::default();
    let module = Loaded::new(&engine, wasm)?;
    let mut store = Store::new(&engine, ());
    let mut linker = Linker::new(&engine);
    for import in module.imports() {
        let Some(ty) = import.ty().func().cloned() else { continue };
        linker.func_new(import.module(), import.name(), ty, |_, _, results| {
            for result in results {
                *result = Val::default(result.ty());
            }
            Ok(())
        })?;
    }
    let instance = linker.instantiate_and_start(&mut store, &module)?;
    let status = instance.get_typed_func::<(), i32>(&store, function)?.call(&mut store, ())?;
    if status != 0 {
        return Err(format!("{function} returned {status}").into());
    }
    let memory = instance.get_memory(&store, "memory").ok_or("the module exports no memory")?;
    Ok(memory.data(&store).to_vec())
}

fn rewrite(wasm: &[u8], function: &str, memory: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut out = Module::new();
    for payload in Parser::new(0).parse_all(wasm) {
        match payload? {
            Payload::MemorySection(_) => {
                let mut section = MemorySection::new();
                let minimum = (memory.len() / PAGE) as u64;
                section.memory(MemoryType { minimum, maximum: None, memory64: false, shared: false, page_size_log2: None });
                out.section(&section);
            }
            Payload::ExportSection(reader) => {
                let mut section = ExportSection::new();
                for export in reader {
                    let export = export?;
                    if export.name != function {
                        section.export(export.name, kind(export.kind)?, export.index);
                    }
                }
                out.section(&section);
            }
            Payload::DataSection(_) => {
                out.section(&segments(memory));
            }
            Payload::DataCountSection { .. } | Payload::CustomSection(_) => {}
            other => {
                if let Some((id, range)) = other.as_section() {
                    out.section(&RawSection { id, data: &wasm[range] });
                }
            }
        }
    }
    Ok(out.finish())
}

fn kind(kind: ExternalKind) -> Result<ExportKind, Box<dyn Error>> {
    Ok(match kind {
        ExternalKind::Func => ExportKind::Func,
        ExternalKind::Memory => ExportKind::Memory,
        ExternalKind::Global => ExportKind::Global,
        ExternalKind::Table => ExportKind::Table,
        other => return Err(format!("unexpected export kind {other:?}").into()),
    })
}

fn segments(memory: &[u8]) -> DataSection {
    let mut section = DataSection::new();
    let mut at = 0;
    while let Some(start) = memory[at..].iter().position(|b| *b != 0).map(|n| at + n) {
        let mut end = start + 1;
        let mut next = end;
        while next < memory.len() && next - end < GAP {
            if memory[next] != 0 {
                end = next + 1;
            }
            next += 1;
        }
        section.active(0, &ConstExpr::i32_const(start as i32), memory[start..end].iter().copied());
        at = end;
    }
    section
}
