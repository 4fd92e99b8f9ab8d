//! What this process counts, for `/metrics`: at the seams where everything passes, so that no service knows of it.
//! What services keep of themselves is read when somebody asks. Names and help stand in the table of argus-metrics.

mod calls;
mod chain;
mod gate;
mod journal;
mod listen;
mod process;
mod registrations;
mod runs;
mod services;
mod signer;
mod store;
mod tasks;
mod world;

pub use calls::Calls;
pub use chain::{ChainFigures, CountedChain, register_endpoints};
pub use gate::CountedGate;
pub use journal::CountedJournals;
pub use listen::listen;
pub use process::register_process;
pub use registrations::CountedRegistrations;
pub use runs::CountedRunner;
pub use services::{
    register_aggregator, register_dispatcher, register_keepers, register_lease, register_operators,
    register_redis, register_registrations, register_scheduler, register_traces, register_writes, watch_due,
};
pub use signer::{CountedSigner, register_signer};
pub use store::CountedStore;
pub use tasks::CountedTasks;
pub use world::{CountedContent, CountedEgress, CountedValues};
