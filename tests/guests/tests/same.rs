//! What an author publishes is source, and everybody makes the module alone: two hosts that share nothing, one of
//! them without a folder of compiled modules, come to the same bytes, result, fuel and transcript.

use std::sync::Arc;

use argus_guests_tests::{Found, find, host, host_with};
use argus_host::{HostConfig, parse_context};
use argus_ports::ModuleRunner;

#[tokio::test]
async fn publisher_and_keeper_agree_on_every_script() {
    let scripts: Vec<Found> = ["js", "ts"].into_iter().flat_map(find).collect();
    let first = scripts.first().expect("scripts");
    let (keeper, _) =
        host_with(HostConfig { slots: 2, cache_dir: None, ..HostConfig::default() }, &first.case);
    for found in &scripts {
        let name = &found.name;
        let (publisher, _) = host(&found.case);
        let input = parse_context(found.case.context.as_ref(), found.case.allow_hosts.clone()).expect(name);
        let (input, source, limits) = (Arc::new(input), found.source.clone(), found.limits());
        let here = publisher.admit(source.clone(), found.language).await.expect(name);
        let there = keeper.admit(source.clone(), found.language).await.expect(name);
        assert_eq!(here, there, "{name}");
        let run = publisher.run(source.clone(), found.language, input.clone(), limits, Arc::default());
        let run = run.await.expect(name);
        assert_eq!(run.wasm_hash, there.wasm_hash, "{name}");
        // The keeper has the source and the transcript, and no world to ask: result, fuel, log and root are equal,
        // or the replay says which call differed.
        let transcript = Arc::new(run.transcript.clone());
        let again = keeper.replay(source, found.language, input, limits, transcript).await.expect(name);
        assert_eq!(run, again, "{name}");
    }
}
