//! What the aggregator needs from the world.

use std::sync::Arc;

use argus_lease::Handle;
use argus_ports::{Archive, Clock, KeeperStore, Outcomes, Secrets, Signer, TaskStore};

/// Its ports.
#[derive(Clone)]
pub struct Ports {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The platform's key: signs assignments, and checks what keepers signed.
    pub signer: Arc<dyn Signer>,
    /// Observations and claims are recorded here.
    pub tasks: Arc<dyn TaskStore>,
    /// Who is registered.
    pub keepers: Arc<dyn KeeperStore>,
    /// Where transcripts and script logs go.
    pub archive: Arc<dyn Archive>,
    /// Secrets of jobs; without them no keeper is given a job that is granted any.
    pub secrets: Option<Secrets>,
    /// The way to the dispatcher.
    pub outcomes: Arc<dyn Outcomes>,
    /// Whether this one leads: a lease of the one shard that the service has.
    pub lease: Handle,
}
