//! A host with a stubbed outside, and the few verbs that every test uses.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, Once},
    time::Duration,
};

use argus_domain::{
    Address, B256, Bytes as DomainBytes, U256,
    chain::{Block, Log, LogQuery, Pin, TxReceipt},
    ids::ChainId,
    limits::Limits,
    module::Language,
    run::{FailureKind, RunEnd, RunInput, RunReport, Transcript},
};
use argus_host::{Host, HostConfig, default_input};
use argus_ports::{
    ChainError, ChainReader, Egress, EgressError, EgressRequest, EgressResponse, ModuleRunner, Reach,
    RunnerError, chain::At,
};
use async_trait::async_trait;
use bytes::Bytes;

/// Answers by path: `/json`, `/slow/MS`, `/redirect/N`, `/big/BYTES`, `/denied`, `/echo`, `/fail`, `/n/STATUS`.
#[derive(Default)]
pub struct Stub {
    pub seen: Mutex<Vec<EgressRequest>>,
    pub in_flight: Mutex<(u32, u32)>,
}

#[async_trait]
impl Egress for Stub {
    async fn fetch(&self, request: EgressRequest) -> Result<EgressResponse, EgressError> {
        self.seen.lock().expect("lock").push(request.clone());
        {
            let mut n = self.in_flight.lock().expect("lock");
            n.0 += 1;
            n.1 = n.1.max(n.0);
        }
        let answer = answer(&request).await;
        self.in_flight.lock().expect("lock").0 -= 1;
        answer
    }

    fn check(&self, _: &str, _: &Reach) -> Result<(), EgressError> {
        Ok(())
    }
}

async fn answer(request: &EgressRequest) -> Result<EgressResponse, EgressError> {
    let path = request.url.splitn(4, '/').nth(3).unwrap_or_default().to_owned();
    let mut parts = path.split('/');
    let (what, n) =
        (parts.next().unwrap_or_default(), parts.next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0));
    let ok = |body: Vec<u8>| EgressResponse {
        status: 200,
        headers: vec![
            ("content-type".into(), "application/json".into()),
            ("set-cookie".into(), "secret=1".into()),
        ],
        body: body.into(),
    };
    match what {
        "json" => Ok(ok(br#"{"price":"1234.567890","items":[1,2,3]}"#.to_vec())),
        "slow" => {
            tokio::time::sleep(Duration::from_millis(n)).await;
            Ok(ok(format!("{n}").into_bytes()))
        }
        "redirect" => {
            let to = if n > 1 { format!("/redirect/{}", n - 1) } else { "/json".to_owned() };
            Ok(EgressResponse { status: 302, headers: vec![("location".into(), to)], body: Bytes::new() })
        }
        "big" => Ok(ok(vec![b'x'; usize::try_from(n).expect("size")])),
        "denied" => Err(EgressError::Denied("the address 10.0.0.1 is private".into())),
        "fail" => Err(EgressError::Transport("connection refused".into())),
        "echo" => Ok(ok(format!(
            r#"{{"method":"{:?}","headers":{:?},"body":{:?}}}"#,
            request.method,
            request.headers.iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>(),
            request.body.as_ref().map(|b| String::from_utf8_lossy(b).into_owned()).unwrap_or_default(),
        )
        .into_bytes())),
        "n" => Ok(EgressResponse {
            status: u16::try_from(n).expect("status"),
            headers: vec![],
            body: Bytes::new(),
        }),
        _ => Ok(EgressResponse { status: 404, headers: vec![], body: Bytes::from_static(b"nothing here") }),
    }
}

/// A chain whose every call gives its calldata back, and address 0x..dead reverts.
pub struct Chain;

#[async_trait]
impl ChainReader for Chain {
    fn chain(&self) -> ChainId {
        ChainId(1)
    }
    async fn block(&self, _: At) -> Result<Option<Block>, ChainError> {
        Ok(None)
    }
    async fn call(
        &self,
        _: Option<Address>,
        to: Address,
        data: DomainBytes,
        at: At,
    ) -> Result<DomainBytes, ChainError> {
        assert_eq!(at, At::Hash(B256::repeat_byte(7)), "reads are pinned");
        if to == Address::repeat_byte(0xde) {
            return Err(ChainError::Reverted { reason: "no".into(), data: vec![1, 2].into() });
        }
        Ok(data)
    }
    async fn balance(&self, _: Address, _: At) -> Result<U256, ChainError> {
        Ok(U256::MAX)
    }
    async fn logs(&self, query: LogQuery) -> Result<Vec<Log>, ChainError> {
        assert!(query.to <= 100, "no log after the pinned block");
        Ok(Vec::new())
    }
    async fn receipt(&self, _: B256) -> Result<Option<TxReceipt>, ChainError> {
        Ok(None)
    }
    async fn code(&self, _: Address) -> Result<DomainBytes, ChainError> {
        Ok(DomainBytes::new())
    }
}

pub struct Bench {
    pub host: Host,
    pub stub: Arc<Stub>,
}

/// Compiled modules are shared by all tests, so that the engine is compiled once.
pub fn cache_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cwasm")
}

/// Compiles both prebuilt modules once, before tests that run side by side would each do it.
static WARM: Once = Once::new();

pub fn bench() -> Bench {
    WARM.call_once(|| {
        let warm = || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
            runtime.block_on(async { value(&cold_bench().ts("console.log('[1]')").await) })
        };
        std::thread::spawn(warm).join().expect("warm");
    });
    cold_bench()
}

fn cold_bench() -> Bench {
    let stub = Arc::new(Stub::default());
    let config = HostConfig {
        slots: 4,
        cache_dir: Some(cache_dir()),
        compile_timeout: Duration::from_secs(300),
        ..HostConfig::default()
    };
    let chains: BTreeMap<ChainId, Arc<dyn ChainReader>> =
        [(ChainId(1), Arc::new(Chain) as Arc<dyn ChainReader>)].into();
    let host = Host::new(config, stub.clone(), chains).expect("host");
    Bench { host, stub }
}

pub fn input() -> RunInput {
    RunInput {
        pins: [(ChainId(1), Pin { number: 100, hash: B256::repeat_byte(7) })].into(),
        arguments: vec![serde_json::json!("5"), serde_json::json!(["a"])],
        ..default_input()
    }
}

impl Bench {
    pub async fn run_with(
        &self,
        source: &[u8],
        language: Language,
        limits: Limits,
    ) -> Result<RunReport, RunnerError> {
        let source = Bytes::copy_from_slice(source);
        self.host.run(source, language, Arc::new(input()), limits, Arc::default()).await
    }

    pub async fn run(&self, source: &str, language: Language) -> RunReport {
        self.run_with(source.as_bytes(), language, Limits::DEFAULT).await.expect("admitted")
    }

    pub async fn js(&self, source: &str) -> RunReport {
        self.run(source, Language::JavaScript).await
    }

    pub async fn ts(&self, source: &str) -> RunReport {
        self.run(source, Language::TypeScript).await
    }

    pub async fn replay(
        &self,
        source: &str,
        language: Language,
        transcript: Transcript,
    ) -> Result<RunReport, RunnerError> {
        let source = Bytes::copy_from_slice(source.as_bytes());
        self.host.replay(source, language, Arc::new(input()), Limits::DEFAULT, Arc::new(transcript)).await
    }
}

/// The result as JSON text; panics with the failure otherwise.
#[track_caller]
pub fn value(report: &RunReport) -> String {
    match &report.end {
        RunEnd::Value(value) => value.to_string(),
        other => panic!("no value: {other:?}\nlog: {}", report.log),
    }
}

/// Kind and message of the failure.
#[track_caller]
pub fn failed(report: &RunReport) -> (FailureKind, &str) {
    match &report.end {
        RunEnd::Failed(failure) => (failure.kind, &failure.message),
        other => panic!("did not fail: {other:?}"),
    }
}

#[track_caller]
pub fn expect_failure(report: &RunReport, kind: FailureKind, parts: &[&str]) {
    let (got, message) = failed(report);
    assert_eq!(got, kind, "{message}");
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in {message:?}");
    }
}
