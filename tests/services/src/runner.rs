//! A sandbox that asks the world one question and gives back its answer.

use std::sync::Arc;

use argus_domain::{
    B256, Value,
    difference::{CallDifference, MadeCall},
    keccak256,
    limits::Limits,
    module::{Admitted, EngineId, Language, Needs, Shape, WasmHash},
    run::{HostCall, RunEnd, RunInput, RunReport, Transcript},
    secret::RunSecrets,
};
use argus_ports::{ModuleRunner, RunnerError};
use async_trait::async_trait;
use bytes::Bytes;

/// What scripts print here: decided per keeper, as by a live source.
pub type Answers = Arc<dyn Fn(&RunInput) -> RunEnd + Send + Sync>;

/// The sandbox.
#[derive(Clone)]
pub struct TestRunner(pub Answers);

impl TestRunner {
    /// Always prints this.
    pub fn printing(value: Value) -> Self {
        Self(Arc::new(move |_| RunEnd::Value(value.clone())))
    }
}

/// The engine of every keeper here.
pub const ENGINE: EngineId = EngineId(B256::repeat_byte(7));

fn report(end: RunEnd) -> RunReport {
    let reply = serde_json::to_string(&end).expect("a run's end is JSON");
    let call = HostCall {
        sequence: 0,
        import: "http_fetch".to_owned(),
        request_hash: keccak256("{}"),
        request: "{}".to_owned(),
        reply,
        fuel: 10,
        elapsed_ms: 1,
    };
    RunReport {
        wasm_hash: WasmHash(B256::ZERO),
        engine: ENGINE,
        end,
        log: "asked".to_owned(),
        fuel: 42,
        memory_bytes: 65_536,
        host_calls: 1,
        transcript: Transcript { calls: vec![call] },
        state: None,
    }
}

#[async_trait]
impl ModuleRunner for TestRunner {
    fn engine(&self) -> EngineId {
        ENGINE
    }

    async fn admit(
        &self,
        source: Bytes,
        _language: Language,
        _limits: Limits,
    ) -> Result<Admitted, RunnerError> {
        Ok(Admitted {
            wasm_hash: WasmHash(B256::ZERO),
            module_bytes: source.len() as u64,
            shape: Shape::Reactor,
            needs: Needs::default(),
        })
    }

    async fn run(
        &self,
        _source: Bytes,
        _language: Language,
        input: Arc<RunInput>,
        _limits: Limits,
        _secrets: Arc<RunSecrets>,
    ) -> Result<RunReport, RunnerError> {
        Ok(RunReport { state: input.state.clone(), ..report((self.0)(&input)) })
    }

    async fn replay(
        &self,
        _source: Bytes,
        _language: Language,
        input: Arc<RunInput>,
        _limits: Limits,
        transcript: Arc<Transcript>,
    ) -> Result<RunReport, RunnerError> {
        let recorded = transcript.calls.first().map(|call| call.reply.as_str()).unwrap_or_default();
        let end = serde_json::from_str(recorded).map_err(|_| {
            let now = MadeCall::asked("http_fetch", "{}", 10);
            RunnerError::Diverged(Box::new(CallDifference { sequence: 0, one: None, other: Some(now) }))
        })?;
        Ok(RunReport { state: input.state.clone(), ..report(end) })
    }
}
