//! What `argus confined` is, as a program of its own: tests of this crate cannot start the `argus` of another one.

fn main() -> std::process::ExitCode {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    argus_builder::enter(&words)
}
