//! What a host needs to be told, and the ports it is given.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use argus_domain::{
    ids::ChainId,
    limits::{COMPILE_MEMORY_BYTES_MAX, COMPILE_MS_MAX},
};
use argus_ports::{ChainReader, Egress};

use crate::native::CompilerProcess;

/// Settings of a host.
#[derive(Debug, Clone)]
pub struct HostConfig {
    /// Runs at a time; each reserves address space (4 GB) and up to 5 MB of stack. More wait for a slot.
    pub slots: u32,
    /// Runs that may wait for a slot; one more is answered with "busy".
    pub waiting: u32,
    /// Where compiled modules are kept between starts; `None`: nowhere.
    pub cache_dir: Option<PathBuf>,
    /// Compiled modules that stay ready in memory.
    pub ready_modules: usize,
    /// How the compiler's own process is started. `None`: modules are compiled in this process, where a compilation
    /// has no limit of memory and cannot be interrupted; for programs that run nobody else's modules.
    pub compiler: Option<CompilerProcess>,
    /// Longest native compilation of one module.
    pub compile_timeout: Duration,
    /// Most memory of it, beside what the compiler itself occupies.
    pub compile_memory_bytes: u64,
    /// Hosts that every script may reach besides its job's list: `name`, `name:port`, `address`, `address:port`.
    pub operator_hosts: Vec<String>,
}

impl Default for HostConfig {
    fn default() -> Self {
        Self {
            slots: 64,
            waiting: 1024,
            cache_dir: None,
            ready_modules: 256,
            compiler: None,
            compile_timeout: Duration::from_millis(COMPILE_MS_MAX),
            compile_memory_bytes: COMPILE_MEMORY_BYTES_MAX,
            operator_hosts: Vec::new(),
        }
    }
}

/// The outside as runs see it.
pub(crate) struct World {
    pub egress: Arc<dyn Egress>,
    pub chains: BTreeMap<ChainId, Arc<dyn ChainReader>>,
    pub operator_hosts: Vec<String>,
}
