//! How large a module may be, and who says so.

use std::sync::Arc;

use argus_domain::{limits::Limits, module::Language, run::RunEnd};
use argus_guests_tests::{
    Case, host,
    large::{COMMAND, padded},
};
use argus_host::default_input;
use argus_ports::{ModuleRunner, RunnerError};
use serde_json::json;

const REACTOR: &str = include_str!("../good/reactor.wat");

#[tokio::test]
async fn a_command_may_be_as_large_as_its_job_says_and_no_larger_than_any_job_may() {
    let case: Case =
        serde_json::from_value(json!({ "about": "no world", "expect": { "error": "" } })).expect("a case");
    let (host, _) = host(&case);
    let of = |mb: u64| Limits { command_bytes: mb << 20, ..Limits::DEFAULT };
    let (large, giant) = (padded(COMMAND, 20), padded(COMMAND, 65));
    let too_large = "the module has 20971520 bytes, the limit is 16 MB";
    let raise = ", or raise the job's limit command_bytes, up to 64 MB";
    for (name, source, limits, expect) in [
        ("by default", &large, Limits::DEFAULT, Err([too_large, raise])),
        ("raised too little", &large, of(19), Err(["20971520 bytes, the limit is 19 MB", raise])),
        ("raised", &large, of(20), Ok(json!(["large", 5]))),
        ("raised for another job", &large, Limits::DEFAULT, Err([too_large, raise])),
        ("beyond the ceiling", &giant, of(1000), Err(["68157440 bytes, the limit is 64 MB: strip", "size"])),
        (
            "another shape",
            &padded(REACTOR, 5),
            of(64),
            Err(["5242880 bytes, the limit is 4 MB: strip", "size"]),
        ),
    ] {
        let (source, input) = (source.clone().into(), Arc::new(default_input()));
        match (host.run(source, Language::Wasm, input, limits, Arc::default()).await, expect) {
            (Ok(report), Ok(value)) => assert_eq!(report.end, RunEnd::Value(value), "{name}"),
            (Err(RunnerError::Refused(refusal)), Err([limit, remedy])) => {
                let said = refusal.to_string();
                assert!(said.contains(limit) && said.ends_with(remedy), "{name}: {said}");
            }
            (other, _) => panic!("{name}: {other:?}"),
        }
    }
}
