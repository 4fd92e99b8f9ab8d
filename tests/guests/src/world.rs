//! The recorded world around a case, and a host that knows no other.

use std::{path::PathBuf, sync::Arc, time::Duration};

use argus_host::{Host, HostConfig};
use argus_memory::recorded::{Recorded, readers};

use crate::case::Case;

/// Compiled modules of all tests of this crate, so that each is compiled once.
fn cache_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/guests-compiled")
}

/// A host in this case's world.
///
/// # Panics
/// Where the host cannot be made.
pub fn host(case: &Case) -> (Host, Arc<Recorded>) {
    let config = HostConfig {
        slots: 2,
        cache_dir: Some(cache_dir()),
        // Go programs are large, the compiler of a test's build is slow, and other tests want the processor, too.
        compile_timeout: Duration::from_secs(300),
        ..HostConfig::default()
    };
    host_with(config, case)
}

/// The same with other settings.
///
/// # Panics
/// Where the host cannot be made.
pub fn host_with(config: HostConfig, case: &Case) -> (Host, Arc<Recorded>) {
    let world = Arc::new(Recorded::new(case.http.clone()));
    let chains = readers(case.chains.clone());
    (Host::new(config, world.clone(), chains).expect("a host"), world)
}
