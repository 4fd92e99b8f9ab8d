//! The core knows no runtime, no socket, no clock and no randomness: time and chance are arguments.

use crate::Faults;

/// Crates that the core may not reach by any path, and what each would bring in.
const NOWHERE: &[(&str, &str)] = &[
    ("tokio", "an async runtime"),
    ("async-std", "an async runtime"),
    ("async-executor", "an async runtime"),
    ("smol", "an async runtime"),
    ("mio", "sockets"),
    ("socket2", "sockets"),
    ("hyper", "HTTP"),
    ("reqwest", "HTTP"),
    ("tonic", "gRPC"),
    ("rusqlite", "a database"),
    ("wasmtime", "a WASM engine"),
    ("tracing-subscriber", "a global log sink"),
];

/// Crates that the core may not use itself, though a crate of values that it uses may list them for other uses:
/// alloy-primitives names `rand`, cron names chrono's clock. core/clippy.toml bans the calls.
const NOT_DIRECTLY: &[(&str, &str)] = &[
    ("rand", "randomness"),
    ("rand_chacha", "randomness"),
    ("fastrand", "randomness"),
    ("getrandom", "randomness from the system"),
    ("uuid", "randomness from the system"),
    ("iana-time-zone", "the machine's own time zone"),
];

/// Banned crates among those that `name` lists itself, and among all that it reaches, in what it ships.
pub fn check_core(name: &str, direct: &[&str], reached: &[&str]) -> Faults {
    let nowhere = NOWHERE.iter().filter(|(banned, _)| reached.contains(banned));
    let directly = NOT_DIRECTLY.iter().filter(|(banned, _)| direct.contains(banned));
    let say = |(banned, what): &(&str, &str)| {
        format!("{name} reaches {banned} ({what}): see `cargo tree -p {name} -e normal -i {banned}`")
    };
    nowhere.chain(directly).map(say).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_is_a_fault_anywhere_and_randomness_where_it_is_listed() {
        let cases: [(&[&str], &[&str], usize); 4] = [
            (&["serde"], &["serde", "itoa"], 0),
            (&["serde"], &["serde", "tokio"], 1),
            (&["alloy-primitives"], &["alloy-primitives", "rand"], 0),
            (&["rand"], &["rand", "mio"], 2),
        ];
        for (direct, reached, faults) in cases {
            assert_eq!(check_core("argus-domain", direct, reached).len(), faults, "{direct:?} {reached:?}");
        }
    }
}
