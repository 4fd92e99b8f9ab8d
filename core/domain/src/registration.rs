//! What the job registry of a chain says that is not so here.

use alloy_primitives::{Address, B256};
use serde::{Deserialize, Serialize};

use crate::{
    ids::{ChainId, JobId},
    time::Timestamp,
};

/// A job whose registration and whose stored form part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// The registry's chain.
    pub chain: ChainId,
    /// The job.
    pub job: JobId,
    /// Who registered it.
    pub owner: Address,
    /// Height of the block whose log says it.
    pub block: u64,
    /// That log's transaction.
    pub transaction: B256,
    /// The block's time.
    pub at: Timestamp,
    /// How they part.
    pub discrepancy: Discrepancy,
}

/// How a registration and what is stored part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Discrepancy {
    /// It was registered, and no such job is stored.
    Orphan,
    /// It was registered and deleted there, and no such job is stored. Nothing is amiss unless one comes late.
    Gone,
    /// It was deleted there, and so was deleted here.
    DeletedOnChain,
    /// It was registered by another than this owner of the stored job, which was deleted for it.
    OwnerDiffers(Address),
}
