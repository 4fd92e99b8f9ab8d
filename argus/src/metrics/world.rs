//! Other people's hosts: what scripts and sources ask of them, and where scripts are published.

use std::{sync::Arc, time::Instant};

use argus_domain::{decimal::Decimal, module::Cid, rule::ValueSource};
use argus_metrics::{Counters, Figures, Times, Unregistered, table};
use argus_ports::{
    ContentError, ContentStore, Egress, EgressError, EgressRequest, EgressResponse, Reach, ValueError,
    ValueReader,
};
use async_trait::async_trait;
use bytes::Bytes;

use super::Calls;

/// The way out, counted.
pub struct CountedEgress {
    inner: Arc<dyn Egress>,
    requests: Counters,
    seconds: Times,
}

impl CountedEgress {
    /// Registers the figures.
    pub fn register(inner: Arc<dyn Egress>, figures: &Figures) -> Result<Self, Unregistered> {
        let requests = figures.counters(&table::EGRESS_REQUESTS)?;
        Ok(Self { inner, requests, seconds: figures.times(&table::EGRESS_SECONDS)? })
    }
}

#[async_trait]
impl Egress for CountedEgress {
    async fn fetch(&self, request: EgressRequest) -> Result<EgressResponse, EgressError> {
        let began = Instant::now();
        let answer = self.inner.fetch(request).await;
        let result = match &answer {
            Ok(_) => "answered",
            Err(EgressError::Denied(_)) => "denied",
            Err(EgressError::Timeout(_)) => "timeout",
            Err(EgressError::TooLarge(_)) => "too_large",
            Err(EgressError::Transport(_)) => "transport",
        };
        self.requests.of(&[result]).inc();
        self.seconds.observe(&[], began.elapsed());
        answer
    }

    fn check(&self, url: &str, reach: &Reach) -> Result<(), EgressError> {
        self.inner.check(url, reach)
    }
}

/// Value sources, counted.
pub struct CountedValues {
    inner: Arc<dyn ValueReader>,
    readings: Counters,
}

impl CountedValues {
    /// Registers the figure.
    pub fn register(inner: Arc<dyn ValueReader>, figures: &Figures) -> Result<Self, Unregistered> {
        Ok(Self { inner, readings: figures.counters(&table::SOURCE_READINGS)? })
    }
}

#[async_trait]
impl ValueReader for CountedValues {
    async fn read(&self, source: &ValueSource) -> Result<Decimal, ValueError> {
        let answer = self.inner.read(source).await;
        let result = match &answer {
            Ok(_) => "value",
            Err(ValueError::Fetch(_)) => "fetch",
            Err(ValueError::Status(_)) => "status",
            Err(ValueError::Shape(_)) => "shape",
        };
        self.readings.of(&[result]).inc();
        answer
    }
}

/// Published scripts, counted.
pub struct CountedContent {
    inner: Arc<dyn ContentStore>,
    calls: Calls,
}

impl CountedContent {
    /// Registers the figure.
    pub fn register(inner: Arc<dyn ContentStore>, figures: &Figures) -> Result<Self, Unregistered> {
        Ok(Self { inner, calls: Calls::counted(figures, &table::CONTENT_CALLS)? })
    }
}

#[async_trait]
impl ContentStore for CountedContent {
    async fn put(&self, bytes: Bytes) -> Result<Cid, ContentError> {
        self.calls.call(&["put"], self.inner.put(bytes)).await
    }

    async fn get(&self, cid: &Cid, max: u64) -> Result<Bytes, ContentError> {
        self.calls.call(&["get"], self.inner.get(cid, max)).await
    }

    async fn resolve(&self, path: &str) -> Result<Cid, ContentError> {
        self.calls.call(&["resolve"], self.inner.resolve(path)).await
    }

    fn parse(&self, text: &str) -> Result<Cid, ContentError> {
        self.inner.parse(text)
    }
}
