//! The suites on the in-memory adapters.

use std::{sync::Arc, time::Duration};

use argus_conformance::{
    answers, blobs, bus, decisions, fenced, jobs, journal, leases, people, registrations, replaced,
    samples::NOW, secrets, tasks, time,
};
use argus_memory::{
    ManualClock, MemoryArchive, MemoryBus, MemoryContent, MemoryJournal, MemoryLimiter, MemoryStore,
    SystemClock,
};

#[tokio::test]
async fn answer_store() {
    answers::suite(MemoryStore::new).await;
}

#[tokio::test]
async fn job_store() {
    jobs::suite(MemoryStore::new).await;
    jobs::booked(MemoryStore::new()).await;
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
async fn profiles() {
    people::profiles(MemoryStore::new).await;
}

#[tokio::test]
async fn webhooks() {
    people::webhooks(MemoryStore::new).await;
}

#[tokio::test]
async fn claims() {
    people::claims(MemoryStore::new).await;
}

#[tokio::test]
async fn keepers_ledger_modules_keys() {
    people::keepers(MemoryStore::new).await;
    people::ledger(MemoryStore::new).await;
    people::standings(MemoryStore::new).await;
    people::modules(MemoryStore::new).await;
    people::keys(MemoryStore::new).await;
}

#[tokio::test]
async fn secret_store() {
    secrets::suite(MemoryStore::new).await;
}

#[tokio::test]
async fn decision_store() {
    decisions::suite(MemoryStore::new).await;
}

#[tokio::test]
async fn registration_store() {
    registrations::suite(MemoryStore::new).await;
    replaced::suite(MemoryStore::new).await;
}

#[tokio::test]
async fn lease_store() {
    leases::suite(MemoryStore::new).await;
    fenced::suite(MemoryStore::new).await;
    fenced::at_once(MemoryStore::new).await;
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

#[tokio::test]
async fn clocks() {
    time::clock(SystemClock, tokio::time::sleep).await;
    let clock = ManualClock::new(NOW);
    time::clock(clock.clone(), async |by| clock.advance(by)).await;
    time::clock_that_is_set(clock.clone(), |now| clock.set(now)).await;
}

#[tokio::test]
async fn limiters() {
    time::limiter(|| {
        let clock = ManualClock::new(NOW);
        let limiter = MemoryLimiter::new(Arc::new(clock.clone()));
        (limiter, async move |by: Duration| clock.advance(by))
    })
    .await;
}
