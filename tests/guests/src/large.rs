//! Modules of any size.

/// A command that prints `["large",5]`.
pub const COMMAND: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\10\00\00\00\0b\00\00\00")
  (data (i32.const 16) "[\"large\",5]")
  (func (export "_start") (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#;

/// The module of a text, with a custom section that fills it to this many MB.
///
/// # Panics
/// Where the text is none, or its module larger.
pub fn padded(text: &str, mb: usize) -> Vec<u8> {
    let mut wasm = wat::parse_str(text).expect("the text of a module");
    // The section's kind, its length in five bytes, which hold any number, and a name of one letter.
    let rest = (mb << 20).checked_sub(wasm.len() + 6).expect("room for a section");
    wasm.push(0);
    wasm.extend((0..5).map(|n| {
        let seven = u8::try_from((rest >> (7 * n)) & 0x7f).unwrap_or_default();
        seven | if n < 4 { 0x80 } else { 0 }
    }));
    wasm.extend([1, b'x']);
    wasm.resize(mb << 20, 0);
    wasm
}
