//! What the scheduler needs from the world.

use std::{collections::BTreeMap, sync::Arc};

use argus_domain::ids::ChainId;
use argus_ports::{ChainReader, Clock, DecisionStore, Dispatch, EventBus, JobStore, TaskStore, ValueReader};

/// The scheduler's ports.
#[derive(Clone)]
pub struct Ports {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Jobs and their cursors.
    pub jobs: Arc<dyn JobStore>,
    /// Tasks, opened here.
    pub tasks: Arc<dyn TaskStore>,
    /// Where it is kept why jobs did not fire.
    pub decisions: Arc<dyn DecisionStore>,
    /// Where openings are announced.
    pub bus: Arc<dyn EventBus>,
    /// Who is told of open tasks.
    pub dispatch: Arc<dyn Dispatch>,
    /// The chains whose logs are watched.
    pub chains: BTreeMap<ChainId, Arc<dyn ChainReader>>,
    /// Reads the sources of conditions.
    pub values: Arc<dyn ValueReader>,
    /// Which shards of the jobs are this scheduler's.
    pub lease: argus_lease::Handle,
}
