//! What a keeper needs from the world.

use std::{collections::BTreeMap, sync::Arc};

use argus_domain::ids::ChainId;
use argus_ports::{
    ChainReader, ChainWriter, Clock, ContentStore, Journal, KeeperLink, Letterbox, ModuleRunner, Signer,
};

/// The ports of one keeper. Several keepers of one process share all but signer and journal.
#[derive(Clone)]
pub struct Ports {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The way to the platform.
    pub link: Arc<dyn KeeperLink>,
    /// This keeper's one key.
    pub signer: Arc<dyn Signer>,
    /// What opens the secrets of jobs; without it the keeper takes no job that is granted any.
    pub letterbox: Option<Arc<dyn Letterbox>>,
    /// Its own memory of claims and intents.
    pub journal: Arc<dyn Journal>,
    /// Where scripts come from.
    pub content: Arc<dyn ContentStore>,
    /// Where scripts run.
    pub runner: Arc<dyn ModuleRunner>,
    /// Chains that it reads, through nodes of its own choosing.
    pub readers: BTreeMap<ChainId, Arc<dyn ChainReader>>,
    /// Chains that it acts on.
    pub writers: BTreeMap<ChainId, Arc<dyn ChainWriter>>,
}
