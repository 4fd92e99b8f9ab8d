//! The compiler's process as a program of its own, for the tests of this workspace; `argus` starts itself.

fn main() -> std::process::ExitCode {
    argus_host::compiler::serve()
}
