//! What the dispatcher needs from the world.

use std::{collections::BTreeMap, sync::Arc};

use argus_domain::ids::ChainId;
use argus_ports::{Aggregate, ChainReader, Clock, EventBus, JobStore, TaskStore};

/// Its ports.
#[derive(Clone)]
pub struct Ports {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Tasks and their facts.
    pub tasks: Arc<dyn TaskStore>,
    /// Jobs are read here.
    pub jobs: Arc<dyn JobStore>,
    /// Who watches is told here.
    pub bus: Arc<dyn EventBus>,
    /// The way to the aggregator.
    pub aggregate: Arc<dyn Aggregate>,
    /// Which jobs' tasks are this dispatcher's.
    pub lease: argus_lease::Handle,
    /// Chains whose heads are pinned.
    pub readers: BTreeMap<ChainId, Arc<dyn ChainReader>>,
}
