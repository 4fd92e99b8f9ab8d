//! The suites on the in-memory adapters.

use argus_conformance::{blobs, bus, jobs, journal, people, tasks};
use argus_memory::{MemoryArchive, MemoryBus, MemoryContent, MemoryJournal, MemoryStore};

#[tokio::test]
async fn job_store() {
    jobs::suite(MemoryStore::new).await;
}

#[tokio::test]
async fn task_store() {
    tasks::suite(MemoryStore::new).await;
}

#[tokio::test]
async fn event_bus() {
    bus::suite(MemoryBus::new).await;
}

#[tokio::test]
async fn keepers_ledger_modules_keys() {
    people::keepers(MemoryStore::new).await;
    people::ledger(MemoryStore::new).await;
    people::modules(MemoryStore::new).await;
    people::keys(MemoryStore::new).await;
}

#[tokio::test]
async fn journals() {
    journal::suite(MemoryJournal::new).await;
}

#[tokio::test]
async fn blob_stores() {
    blobs::content(MemoryContent::new).await;
    blobs::archive(MemoryArchive::new).await;
}
