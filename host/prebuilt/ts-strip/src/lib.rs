//! TypeScript in, JavaScript out, as a WASM module without any host import
//! that is ever called.
//!
//! oxc recurses over its input, so 20 KB of nested brackets exhaust a native
//! stack and abort the process. Inside WASM the same input is a trap.
//!
//! `run(ptr, len)` returns `ptr << 32 | len` of the reply. Its first byte is 1
//! before an error text, and 0 before what the engine's `compile_stripped`
//! takes: u32 length, that many bytes of JavaScript, a NUL, zeros up to a
//! multiple of four, and where in the author's source its parts come from, as
//! (line, column, author's line, author's column), each u32 and counted from 1.

use std::path::{Path, PathBuf};

use oxc_allocator::Allocator;
use oxc_codegen::{Codegen, CodegenOptions, CodegenReturn};
use oxc_diagnostics::OxcDiagnostic;
use oxc_parser::Parser;
use oxc_semantic::SemanticBuilder;
use oxc_span::SourceType;
use oxc_transformer::{TransformOptions, Transformer};

/// What messages call the source.
const FILE: &str = "script.ts";
/// Errors shown for one source; a broken file can have thousands.
const ERRORS_SHOWN: usize = 5;

#[unsafe(no_mangle)]
pub extern "C" fn abi_alloc(len: u32) -> *mut u8 {
    Box::leak(vec![0u8; len as usize].into_boxed_slice()).as_mut_ptr()
}

/// # Safety
/// `ptr` and `len` name a buffer that the host got from `abi_alloc` and filled.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn run(ptr: *const u8, len: u32) -> u64 {
    let source = unsafe { std::slice::from_raw_parts(ptr, len as usize) };
    let (tag, bytes) = match std::str::from_utf8(source).map(strip) {
        Ok(Ok(stripped)) => (0, stripped),
        Ok(Err(errors)) => (1, errors.into_bytes()),
        Err(_) => (1, b"the source is not valid UTF-8".to_vec()),
    };
    let mut reply = Vec::with_capacity(bytes.len() + 1);
    reply.push(tag);
    reply.extend_from_slice(&bytes);
    let reply = Box::leak(reply.into_boxed_slice());
    ((reply.as_ptr() as u64) << 32) | reply.len() as u64
}

fn strip(source: &str) -> Result<Vec<u8>, String> {
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, source, SourceType::ts()).parse();
    if !parsed.diagnostics.is_empty() {
        return Err(shown(source, &parsed.diagnostics));
    }
    let mut program = parsed.program;
    let semantic = SemanticBuilder::new().with_enum_eval(true).build(&program);
    let options = TransformOptions::default();
    let done = Transformer::new(&allocator, Path::new(FILE), &options)
        .build_with_scoping(semantic.semantic.into_scoping(), &mut program);
    if !done.diagnostics.is_empty() {
        return Err(shown(source, &done.diagnostics));
    }
    let options = CodegenOptions { source_map_path: Some(PathBuf::from(FILE)), ..CodegenOptions::default() };
    Ok(layout(&Codegen::new().with_options(options).build(&program)))
}

fn layout(printed: &CodegenReturn) -> Vec<u8> {
    let code = printed.code.as_bytes();
    let mut out = (code.len() as u32).to_le_bytes().to_vec();
    out.extend_from_slice(code);
    out.push(0);
    out.resize(out.len().next_multiple_of(4), 0);
    let lines: Vec<&str> = printed.code.split('\n').collect();
    for token in printed.map.iter().flat_map(|map| map.get_tokens()) {
        let line = lines.get(token.get_dst_line() as usize).copied().unwrap_or_default();
        let column = bytes_before(line, token.get_dst_col());
        for n in [token.get_dst_line(), column, token.get_src_line(), token.get_src_col()] {
            out.extend_from_slice(&(n + 1).to_le_bytes());
        }
    }
    out
}

/// The bytes that so many UTF-16 units of a line take: a source map counts those, the engine counts bytes.
fn bytes_before(line: &str, units: u32) -> u32 {
    if line.is_ascii() {
        return units;
    }
    let (mut left, mut bytes) = (units as usize, 0);
    for c in line.chars() {
        if left == 0 {
            break;
        }
        left = left.saturating_sub(c.len_utf16());
        bytes += c.len_utf8();
    }
    bytes as u32
}

fn shown<'a>(source: &str, errors: impl IntoIterator<Item = &'a OxcDiagnostic>) -> String {
    let lines: Vec<String> = errors.into_iter().take(ERRORS_SHOWN).map(|error| one(source, error)).collect();
    lines.join("\n")
}

fn one(source: &str, error: &OxcDiagnostic) -> String {
    let Some(label) = error.labels.first() else {
        return format!("{FILE}: {}", error.message);
    };
    let before = source.get(..label.offset() as usize).unwrap_or(source);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    format!("{FILE}:{line}:{column}: {}", error.message)
}
