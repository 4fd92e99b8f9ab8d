//! Under which lease one watches.

use std::sync::Arc;

use argus_domain::lease::Fence;
use argus_ports::{LeaseStore, StoreError};

/// A stretch in which one process watches for all. Whoever holds the lease looks at its own clock before each step;
/// this is for a step that was taken before the process stood still, and reaches the store after another one has begun.
/// Most of what is written is right however late: facts have keys, a deletion names the job that it is of, and what was
/// final stays so. Before what is not, the store is asked; what is left is a stop just between that answer and the
/// write.
#[derive(Clone)]
pub struct Term {
    leases: Arc<dyn LeaseStore>,
    fence: Fence,
}

impl Term {
    /// Under this fence.
    pub fn new(leases: Arc<dyn LeaseStore>, fence: Fence) -> Self {
        Self { leases, fence }
    }

    /// Whether nobody else has begun since.
    ///
    /// # Errors
    /// One to be tried again, where the lease is another's.
    pub(crate) async fn stands(&self) -> Result<(), StoreError> {
        if self.leases.stands(self.fence).await? {
            return Ok(());
        }
        Err(StoreError::Unavailable("another process watches now".to_owned()))
    }
}
