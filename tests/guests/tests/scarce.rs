//! A machine without the memory that a run's limits allow: nothing may be signed of what comes of that, since no other
//! machine would come to it. In a program of its own, whose memory can be cut.

use std::sync::Arc;

use argus_domain::{
    limits::Limits,
    module::Language,
    run::{FailureKind, RunEnd},
};
use argus_guests_tests::{Case, host};
use argus_host::default_input;
use argus_ports::ModuleRunner;
use rustix::process::{Resource, Rlimit, setrlimit};
use serde_json::json;

/// Asks for so many pages at once; a program that was refused goes on to a result of its own.
const GROWS: &str = r#"(module
  (memory (export "memory") 1)
  (data (i32.const 16) "[1][2]")
  (func (export "abi_alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "run") (param i32 i32) (result i64)
    (if (result i64) (i32.eq (memory.grow (i32.const PAGES)) (i32.const -1))
      (then (i64.const 0x1300000003))
      (else (i64.const 0x1000000003)))))"#;

/// The same in JavaScript, which has memory of another kind.
const SCRIPT: &str =
    "let grown = 'grown'; try { new Uint8Array(BYTES).fill(1); } catch { grown = 'refused'; }
console.log(JSON.stringify([grown]));";

/// Bytes of this process that the limit counts.
fn data_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmData:")).expect("VmData");
    line.trim_end_matches("kB").trim().parse::<u64>().expect("kB") << 10
}

#[tokio::test]
async fn memory_that_the_machine_lacks_ends_a_run_without_a_result() {
    let case = json!({ "about": "a world that answers nothing", "expect": { "error": "" } });
    let case: Case = serde_json::from_value(case).expect("a case");
    let (host, _) = host(&case);
    let run = async |source: &str, language| {
        let (source, input) = (source.to_owned().into(), Arc::new(default_input()));
        let run = host.run(source, language, input, Limits::DEFAULT, Arc::default());
        run.await.expect("a report").end
    };
    let compiled = |pages: u32| GROWS.replace("PAGES", &pages.to_string());
    let script = |pages: u32| SCRIPT.replace("BYTES", &(pages << 16).to_string());
    let (small, large) = (1, 900);
    // Whatever may need memory of its own has been done before there is little of it.
    for (source, language) in [(compiled(large), Language::Wasm), (script(large), Language::JavaScript)] {
        host.admit(source.into(), language, Limits::DEFAULT).await.expect("it is admitted");
    }
    assert_eq!(run(&compiled(small), Language::Wasm).await, RunEnd::Value(json!([1])));
    assert_eq!(run(&script(small), Language::JavaScript).await, RunEnd::Value(json!(["grown"])));
    let limit = Some(data_bytes() + (40 << 20));
    setrlimit(Resource::Data, Rlimit { current: limit, maximum: None }).expect("a limit");
    let ends = [run(&compiled(large), Language::Wasm).await, run(&script(large), Language::JavaScript).await];
    // What follows may need memory to say what is wrong.
    setrlimit(Resource::Data, Rlimit { current: None, maximum: None }).expect("no limit");
    for end in ends {
        let RunEnd::Failed(failure) = end else { panic!("it came to a result: {end:?}") };
        assert_eq!(failure.kind, FailureKind::Inconclusive, "{failure:?}");
        assert!(failure.message.starts_with("this machine has no memory for the run"), "{failure:?}");
    }
    assert_eq!(run(&script(large), Language::JavaScript).await, RunEnd::Value(json!(["grown"])));
}
