//! TypeScript in, JavaScript out, as a WASM module without any host import
//! that is ever called.
//!
//! oxc recurses over its input, so 20 KB of nested brackets exhaust a native
//! stack and abort the process. Inside WASM the same input is a trap.
//!
//! `run(ptr, len)` returns `ptr << 32 | len` of the reply. Its first byte is 0
//! before JavaScript and 1 before an error text.

use std::path::Path;

use oxc_allocator::Allocator;
use oxc_codegen::Codegen;
use oxc_diagnostics::OxcDiagnostic;
use oxc_parser::Parser;
use oxc_semantic::SemanticBuilder;
use oxc_span::SourceType;
use oxc_transformer::{TransformOptions, Transformer};

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
    let (tag, text) = match std::str::from_utf8(source).map(strip) {
        Ok(Ok(javascript)) => (0, javascript),
        Ok(Err(errors)) => (1, errors),
        Err(_) => (1, "the source is not valid UTF-8".to_owned()),
    };
    let mut reply = Vec::with_capacity(text.len() + 1);
    reply.push(tag);
    reply.extend_from_slice(text.as_bytes());
    let reply = Box::leak(reply.into_boxed_slice());
    ((reply.as_ptr() as u64) << 32) | reply.len() as u64
}

fn strip(source: &str) -> Result<String, String> {
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, source, SourceType::ts()).parse();
    if !parsed.diagnostics.is_empty() {
        return Err(shown(source, &parsed.diagnostics));
    }
    let mut program = parsed.program;
    let semantic = SemanticBuilder::new().with_enum_eval(true).build(&program);
    let options = TransformOptions::default();
    let done = Transformer::new(&allocator, Path::new("script.ts"), &options)
        .build_with_scoping(semantic.semantic.into_scoping(), &mut program);
    if !done.diagnostics.is_empty() {
        return Err(shown(source, &done.diagnostics));
    }
    Ok(Codegen::new().build(&program).code)
}

fn shown<'a>(source: &str, errors: impl IntoIterator<Item = &'a OxcDiagnostic>) -> String {
    let lines: Vec<String> = errors.into_iter().take(ERRORS_SHOWN).map(|error| one(source, error)).collect();
    lines.join("\n")
}

fn one(source: &str, error: &OxcDiagnostic) -> String {
    let Some(label) = error.labels.first() else {
        return error.message.to_string();
    };
    let before = source.get(..label.offset() as usize).unwrap_or(source);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    format!("{}:{}: {}", line, column, error.message)
}
