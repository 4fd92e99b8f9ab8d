//! `snapshot IN TEXT OUT`: compiles TEXT by IN's `prelude_compile`, calls `engine_init` of another instance with what
//! that gave, and writes OUT, which is IN with the memory that the call left behind as its initial memory and without
//! these two among its exports.
//!
//! Only the memory is taken: a clang-built module has no other state, since its
//! one mutable global, the stack pointer, is back at its start when the call
//! returns. Every import answers zero meanwhile.

use std::{env, error::Error, fs, process::exit};

use wasm_encoder::{ConstExpr, DataSection, ExportKind, ExportSection, MemorySection, MemoryType, Module, RawSection};
use wasmi::{Engine, Instance, Linker, Memory, Module as Loaded, Store, Val};
use wasmparser::{ExternalKind, Parser, Payload};

/// What only this program calls.
const COMPILE: &str = "prelude_compile";
const INIT: &str = "engine_init";
/// Equal bytes after which a data segment ends: a segment costs about this much.
const GAP: usize = 16;
const PAGE: usize = 65536;

fn main() {
    let args: Vec<String> = env::args().collect();
    let [_, input, text, output] = args.as_slice() else {
        eprintln!("usage: snapshot IN TEXT OUT");
        exit(64);
    };
    if let Err(error) = snapshot(input, text, output) {
        eprintln!("snapshot: {error}");
        exit(1);
    }
}

fn snapshot(input: &str, text: &str, output: &str) -> Result<(), Box<dyn Error>> {
    let wasm = fs::read(input)?;
    let code = Made::new(&wasm)?.compile(&fs::read(text)?)?;
    let memory = Made::new(&wasm)?.memory_after_init(&code)?;
    fs::write(output, rewrite(&wasm, &memory)?)?;
    Ok(())
}

/// An instance.
struct Made {
    store: Store<()>,
    instance: Instance,
    memory: Memory,
}

impl Made {
    fn new(wasm: &[u8]) -> Result<Self, Box<dyn Error>> {
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
        let memory = instance.get_memory(&store, "memory").ok_or("the module exports no memory")?;
        Ok(Self { store, instance, memory })
    }

    /// Places bytes with a NUL behind them; gives pointer and length.
    fn place(&mut self, bytes: &[u8]) -> Result<(u32, u32), Box<dyn Error>> {
        let len = u32::try_from(bytes.len())?;
        let at = self.instance.get_typed_func::<u32, u32>(&self.store, "abi_alloc")?.call(&mut self.store, len + 1)?;
        self.memory.write(&mut self.store, at as usize, bytes)?;
        self.memory.write(&mut self.store, at as usize + bytes.len(), &[0])?;
        Ok((at, len))
    }

    fn compile(mut self, text: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
        let text = self.place(text)?;
        let code = self.instance.get_typed_func::<(u32, u32), u64>(&self.store, COMPILE)?.call(&mut self.store, text)?;
        let (at, len) = ((code >> 32) as usize, (code as u32) as usize);
        let code = self.memory.data(&self.store).get(at..at + len).filter(|code| !code.is_empty());
        Ok(code.ok_or("the prelude was not compiled")?.to_vec())
    }

    fn memory_after_init(mut self, code: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
        let code = self.place(code)?;
        match self.instance.get_typed_func::<(u32, u32), i32>(&self.store, INIT)?.call(&mut self.store, code)? {
            0 => Ok(self.memory.data(&self.store).to_vec()),
            status => Err(format!("{INIT} returned {status}").into()),
        }
    }
}

fn rewrite(wasm: &[u8], memory: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
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
                    if ![COMPILE, INIT].contains(&export.name) {
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
