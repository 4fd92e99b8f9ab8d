//! The fuzz targets, on the compiler that everybody has: good input, and seeded mutations of it.

use argus_guests_tests::{
    fuzz::{TARGETS, is_created, seeds},
    mutants::{Seeded, mutate},
};

const SEED: u64 = 1;
const ROUNDS: u32 = 200;

#[test]
fn every_target_comes_back_from_mutations_of_good_input() {
    for (name, target) in TARGETS {
        let good = seeds(name);
        assert!(!good.is_empty(), "{name} has nothing to begin from");
        good.iter().for_each(|seed| target(seed));
        let mut random = Seeded::new(SEED);
        println!("{name}: {ROUNDS} mutations with seed {SEED}");
        for _ in 0..ROUNDS {
            let seed = &good[random.below(good.len())];
            target(&mutate(seed, &good, &mut random));
        }
    }
}

/// libFuzzer's programs are outside the workspace: at least each target has one that calls it.
#[test]
fn every_target_has_its_program() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).expect("fuzz/Cargo.toml");
    for (name, _) in TARGETS {
        let program = folder.join(format!("fuzz_targets/{name}.rs"));
        let text = std::fs::read_to_string(&program).unwrap_or_else(|e| panic!("{}: {e}", program.display()));
        assert!(text.contains(&format!("fuzz::{name}(")), "{name}: its program calls something else");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is not in fuzz/Cargo.toml");
    }
}

/// What is mutated gets further than the first look at it.
#[test]
fn most_creations_to_begin_from_create() {
    let good = seeds("create");
    let created = good.iter().filter(|body| is_created(body)).count();
    println!("{created} of {} create", good.len());
    assert!(created * 2 > good.len(), "{created} of {}", good.len());
}
