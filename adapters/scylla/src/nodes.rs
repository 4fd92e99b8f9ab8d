//! How many nodes a cluster has, and how many copies of each row a keyspace has on them.

use scylla::cluster::metadata::Strategy;

use crate::store::{OpenError, Options, connect};

/// A cluster as one look from here shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nodes {
    /// All that belong to it.
    pub known: usize,
    /// Those that take connections from here.
    pub up: usize,
    /// Copies of each row of the keyspace, in all data centres; `None`: there is no such keyspace, or it is replicated
    /// in a way of its own.
    pub copies: Option<usize>,
}

/// Looks at the nodes of a cluster.
///
/// # Errors
/// [`OpenError::Unreachable`], [`OpenError::BadKeyspace`].
pub async fn nodes(options: &Options) -> Result<Nodes, OpenError> {
    let session = connect(options).await?;
    let cluster = session.get_cluster_state();
    let copies = cluster.get_keyspace(&options.keyspace).and_then(|keyspace| match &keyspace.strategy {
        Strategy::SimpleStrategy { replication_factor } => Some(*replication_factor),
        Strategy::NetworkTopologyStrategy { datacenter_repfactors } => {
            Some(datacenter_repfactors.values().sum())
        }
        _ => None,
    });
    let nodes = cluster.get_nodes_info();
    Ok(Nodes { known: nodes.len(), up: nodes.iter().filter(|node| node.is_connected()).count(), copies })
}
