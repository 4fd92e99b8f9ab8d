//! A host as a program of its own, for tests that watch it from outside.
//!
//! `guest-host compile` is the compiler's process; `guest-host mutants SEED COUNT` runs mutated guests and says how
//! many were admitted, and with a count of 0 does all but that; `guest-host seeds FOLDER` writes what fuzzers begin from.

use std::process::ExitCode;

use argus_guests_tests::{fuzz, mutants};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["compile"] => argus_host::compiler::serve(),
        ["mutants", seed, count] => match (seed.parse(), count.parse()) {
            (Ok(seed), Ok(count)) => mutants::main(seed, count),
            _ => usage(),
        },
        ["seeds", folder] => match fuzz::write_seeds(folder.as_ref()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{folder}: {error}");
                ExitCode::FAILURE
            }
        },
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: guest-host compile | guest-host mutants SEED COUNT | guest-host seeds FOLDER");
    ExitCode::from(2)
}
