//! What the aggregator needs from the world.

use std::sync::Arc;

use argus_ports::{Archive, Clock, JobStore, KeeperStore, Outcomes, Signer, TaskStore};

/// Its ports.
#[derive(Clone)]
pub struct Ports {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The platform's key: signs assignments, and checks what keepers signed.
    pub signer: Arc<dyn Signer>,
    /// Tasks are read here, observations and claims recorded.
    pub tasks: Arc<dyn TaskStore>,
    /// Jobs are read here.
    pub jobs: Arc<dyn JobStore>,
    /// Who is registered.
    pub keepers: Arc<dyn KeeperStore>,
    /// Where transcripts and script logs go.
    pub archive: Arc<dyn Archive>,
    /// The way to the dispatcher.
    pub outcomes: Arc<dyn Outcomes>,
}
