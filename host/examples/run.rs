//! `run FILE [--measure N]`: runs a script or module once with no network, and says how it ended.
//!
//! The language follows from the file's ending. With `--measure`, what the sandbox costs over bare wasmtime.

#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use std::{
    collections::BTreeMap,
    error::Error,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use argus_domain::{limits::Limits, module::Language};
use argus_host::{Host, HostConfig, default_input, overhead};
use argus_ports::{Egress, EgressError, EgressRequest, EgressResponse, ModuleRunner, Reach};
use async_trait::async_trait;
use bytes::Bytes;

struct Nothing;

#[async_trait]
impl Egress for Nothing {
    async fn fetch(&self, request: EgressRequest) -> Result<EgressResponse, EgressError> {
        self.check(&request.url, &request.reach)?;
        Err(EgressError::Transport("no network".into()))
    }

    fn check(&self, _: &str, _: &Reach) -> Result<(), EgressError> {
        Err(EgressError::Denied("this example has no network".into()))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let file = args.next().ok_or("usage: run FILE [--measure N]")?;
    let language: Language =
        Path::new(&file).extension().and_then(|e| e.to_str()).unwrap_or("wasm").parse()?;
    let source = Bytes::from(std::fs::read(&file)?);
    let cache_dir = std::env::temp_dir().join("argus-example-cwasm");
    let config = HostConfig {
        cache_dir: Some(cache_dir),
        compile_timeout: Duration::from_secs(300),
        ..HostConfig::default()
    };

    let started = Instant::now();
    let host = Host::new(config, Arc::new(Nothing), BTreeMap::new())?;
    println!("host       {:?}", started.elapsed());
    let started = Instant::now();
    let admitted = host.admit(source.clone(), language, Limits::DEFAULT).await?;
    println!("admitted   {:?} {} bytes in {:?}", admitted.shape, admitted.module_bytes, started.elapsed());
    let input = Arc::new(default_input());
    let started = Instant::now();
    let report = host.run(source.clone(), language, input.clone(), Limits::DEFAULT, Arc::default()).await?;
    println!(
        "ran        {:?}\nend        {:?}\nfuel       {}\nmemory     {}",
        started.elapsed(),
        report.end,
        report.fuel,
        report.memory_bytes
    );
    println!("log\n{}", report.log);
    if args.next().as_deref() == Some("--measure") {
        let runs = args.next().and_then(|n| n.parse().ok()).unwrap_or(2_000);
        let cost = overhead::measure(&host, source, language, runs).await?;
        println!(
            "bare {:.1} us  full {:.1} us  ratio {:.2}",
            cost.bare_ns / 1e3,
            cost.full_ns / 1e3,
            cost.ratio()
        );
    }
    Ok(())
}
