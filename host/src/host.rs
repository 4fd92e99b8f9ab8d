//! The sandbox as the rest of the platform sees it.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicU32},
};

use argus_domain::{
    ids::ChainId,
    limits::Limits,
    module::{Admitted, EngineId, Language},
    run::{RunInput, RunReport, Transcript},
    secret::RunSecrets,
};
use argus_ports::{ChainReader, Egress, ModuleRunner, RunnerError};
use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{
    compile::{Compiler, TOOLS},
    config::{HostConfig, World},
    engine,
    error::HostError,
    run::{self, Job},
    script::NoScript,
    tape::Tape,
    waiting::Waiting,
};

/// Compiles, runs and replays scripts; opens no socket, reads no clock that a script can see.
pub struct Host {
    id: EngineId,
    pub(crate) compiler: Compiler,
    world: Arc<World>,
    slots: Semaphore,
    waiting: AtomicU32,
    config: HostConfig,
}

impl Host {
    /// A host whose scripts reach HTTP through `egress` and chains through `chains`.
    ///
    /// # Errors
    /// Where wasmtime cannot reserve the pool, or the cache directory cannot be used.
    pub fn new(
        config: HostConfig,
        egress: Arc<dyn Egress>,
        chains: BTreeMap<ChainId, Arc<dyn ChainReader>>,
    ) -> Result<Self, HostError> {
        let slots = config.slots.max(1);
        let compiler = Compiler::new(slots.saturating_add(TOOLS), &config)?;
        Ok(Self {
            compiler,
            id: engine::id(),
            world: Arc::new(World { egress, chains, operator_hosts: config.operator_hosts.clone() }),
            slots: Semaphore::new(slots as usize),
            waiting: AtomicU32::new(0),
            config,
        })
    }

    /// Compiles the JavaScript engine, or maps it from the cache, so that the first script does not wait for it.
    ///
    /// # Errors
    /// Where the prebuilt engine is unusable.
    pub async fn warm_up(&self) -> Result<(), HostError> {
        self.compiler.js_engine().await.map(|_| ())
    }

    /// Runs other code on the answers that were recorded, which it is given as long as it asks for the same. Fuel may
    /// differ.
    ///
    /// # Errors
    /// [`RunnerError::Diverged`] at the first call that is another one, and as [`ModuleRunner::replay`].
    pub async fn run_on(
        &self,
        source: Bytes,
        language: Language,
        input: Arc<RunInput>,
        limits: Limits,
        transcript: Arc<Transcript>,
    ) -> Result<RunReport, RunnerError> {
        self.go(source, language, input, limits, (Tape::answering(transcript), Arc::default())).await
    }

    async fn slot(&self) -> Result<SemaphorePermit<'_>, RunnerError> {
        if let Ok(permit) = self.slots.try_acquire() {
            return Ok(permit);
        }
        let _counted = Waiting::enter(&self.waiting, self.config.waiting)
            .ok_or(RunnerError::Busy { what: "run slots", places: self.config.slots })?;
        self.slots.acquire().await.map_err(|e| RunnerError::Host(e.to_string()))
    }

    async fn go(
        &self,
        source: Bytes,
        language: Language,
        input: Arc<RunInput>,
        limits: Limits,
        (tape, secrets): (Tape, Arc<RunSecrets>),
    ) -> Result<RunReport, RunnerError> {
        let limits = Limits::effective(&limits);
        let ready = self.compiler.ready(&source, language, &limits).await?;
        let _slot = self.slot().await?;
        let job = Job { engine: self.id, world: self.world.clone(), ready, input, limits, tape, secrets };
        Box::pin(run::run(job)).await
    }
}

#[async_trait]
impl ModuleRunner for Host {
    fn engine(&self) -> EngineId {
        self.id
    }

    async fn admit(
        &self,
        source: Bytes,
        language: Language,
        limits: Limits,
    ) -> Result<Admitted, RunnerError> {
        Ok(self.compiler.ready(&source, language, &Limits::effective(&limits)).await?.admitted)
    }

    async fn run(
        &self,
        source: Bytes,
        language: Language,
        input: Arc<RunInput>,
        limits: Limits,
        secrets: Arc<RunSecrets>,
    ) -> Result<RunReport, RunnerError> {
        self.go(source, language, input, limits, (Tape::recording(), secrets)).await
    }

    async fn replay(
        &self,
        source: Bytes,
        language: Language,
        input: Arc<RunInput>,
        limits: Limits,
        transcript: Arc<Transcript>,
    ) -> Result<RunReport, RunnerError> {
        self.go(source, language, input, limits, (Tape::replaying(transcript), Arc::default())).await
    }
}

impl From<NoScript> for RunnerError {
    fn from(reason: NoScript) -> Self {
        match reason {
            NoScript::Refused(refusal) => Self::Refused(refusal),
            NoScript::Native(reason) => reason.into(),
            NoScript::Host(error) => error.into(),
        }
    }
}
