//! What stands behind the edge in its tests.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use argus_api::ReadyCheck;
use argus_domain::{
    Address, B256, Bytes, U256,
    call::Signature,
    chain::{Block, GasPrice, Log, LogQuery, SignedTx, TxDraft, TxReceipt},
    contracts::{
        encode_balance, encode_fee, encode_is_module_enabled, encode_is_owner, encode_job, encode_threshold,
    },
    ids::{ChainId, JobId},
    keccak256,
    limits::Limits,
    module::{Admitted, EngineId, Language, Needs, Refusal, Shape, WasmHash},
    run::{FailureKind, HostCall, RunEnd, RunFailure, RunInput, RunReport, Transcript},
    secret::{RunSecrets, unset},
};
use argus_ports::{
    ChainError, ChainReader, ChainWriter, Egress, EgressError, EgressRequest, EgressResponse, LinkError,
    ModuleRunner, Nudge, Reach, RunnerError, Signer, SignerError, chain::At,
};
use async_trait::async_trait;
use serde_json::json;

use crate::world::{CHAIN, NOW, contracts};

/// A chain at block 100 whose calls all run through, with a table of registered jobs.
pub struct FakeChain {
    pub registered: Mutex<BTreeMap<JobId, (Address, Address, bool)>>,
    pub reverts: Mutex<bool>,
    /// `None`: nobody says what gas costs.
    pub base_fee: Mutex<Option<u128>>,
    /// An account that is a contract, and what it says of signatures; `None`: nobody says.
    pub wallet: Mutex<Option<(Address, Option<Bytes>)>>,
    /// What every Safe says: whether an account owns it, and whether a module is enabled. `None`: it is no Safe.
    pub safes: Mutex<(Option<bool>, Option<bool>)>,
    /// How many owners of a Safe have to agree.
    pub threshold: Mutex<u8>,
    /// What was sent, all of which is mined.
    pub sent: Mutex<Vec<B256>>,
}

impl Default for FakeChain {
    fn default() -> Self {
        Self {
            registered: Mutex::default(),
            reverts: Mutex::default(),
            base_fee: Mutex::new(Some(1_000_000_000)),
            wallet: Mutex::default(),
            safes: Mutex::new((Some(false), Some(true))),
            threshold: Mutex::new(1),
            sent: Mutex::default(),
        }
    }
}

/// Where no contract stands.
pub const CODELESS: Address = Address::repeat_byte(0xc0);

#[async_trait]
impl ChainReader for FakeChain {
    fn chain(&self) -> ChainId {
        ChainId(CHAIN)
    }
    async fn block(&self, _: At) -> Result<Option<Block>, ChainError> {
        Ok(Some(Block { number: 100, hash: B256::repeat_byte(7), parent: B256::ZERO, time: NOW }))
    }
    async fn call(&self, _: Option<Address>, to: Address, data: Bytes, _: At) -> Result<Bytes, ChainError> {
        let selector = data.get(..4).unwrap_or_default().to_vec();
        let is = |other: Bytes| other[..4] == selector[..];
        if to == contracts().gas_registry && is(encode_balance(Address::ZERO)) {
            return Ok(U256::from(10_000_000_000_000_000_000u64).to_be_bytes::<32>().into());
        }
        if to == contracts().executor && is(encode_fee()) {
            return Ok(U256::from(5u64).to_be_bytes::<32>().into());
        }
        if to == contracts().job_registry && is(encode_job(JobId(U256::ZERO))) {
            let id = JobId(U256::from_be_slice(&data[4..36]));
            let registered = self.registered.lock().unwrap();
            let (owner, target, active) = registered.get(&id).copied().unwrap_or_default();
            let words = [
                owner.into_word(),
                target.into_word(),
                B256::with_last_byte(1),
                B256::with_last_byte(u8::from(active)),
            ];
            return Ok(words.iter().flat_map(|w| w.0).collect::<Vec<u8>>().into());
        }
        let says = |told: Option<bool>| {
            Ok(told.map(|is| B256::with_last_byte(u8::from(is)).to_vec()).unwrap_or_default().into())
        };
        let (owned, enabled) = *self.safes.lock().unwrap();
        if is(encode_is_owner(Address::ZERO)) {
            return says(owned);
        }
        if is(encode_threshold()) {
            return Ok(U256::from(*self.threshold.lock().unwrap()).to_be_bytes::<32>().into());
        }
        if is(encode_is_module_enabled(Address::ZERO)) {
            return says(enabled);
        }
        let wallet = self.wallet.lock().unwrap().clone().filter(|(account, _)| *account == to);
        if let Some((_, answer)) = wallet {
            if *self.reverts.lock().unwrap() {
                return Err(ChainError::Reverted { reason: "no".to_owned(), data: Bytes::new() });
            }
            let silence = || ChainError::Unreachable { chain: ChainId(CHAIN), reason: "silence".to_owned() };
            return answer.ok_or_else(silence);
        }
        Ok(Bytes::new())
    }
    async fn balance(&self, _: Address, _: At) -> Result<U256, ChainError> {
        Ok(U256::ZERO)
    }
    async fn logs(&self, _: LogQuery) -> Result<Vec<Log>, ChainError> {
        Ok(Vec::new())
    }
    async fn receipt(&self, transaction: B256) -> Result<Option<TxReceipt>, ChainError> {
        let is_sent = self.sent.lock().unwrap().contains(&transaction);
        Ok(is_sent.then(|| TxReceipt {
            transaction,
            block_number: 100,
            block_hash: B256::repeat_byte(7),
            success: true,
            gas_used: 21_000,
            gas_price: U256::from(1),
            logs: Vec::new(),
        }))
    }
    async fn code(&self, account: Address) -> Result<Bytes, ChainError> {
        Ok(if account == CODELESS { Bytes::new() } else { Bytes::from_static(&[0x60]) })
    }
}

#[async_trait]
impl ChainWriter for FakeChain {
    fn chain(&self) -> ChainId {
        ChainId(CHAIN)
    }
    async fn nonce(&self, _: Address) -> Result<u64, ChainError> {
        Ok(0)
    }
    async fn gas_price(&self) -> Result<GasPrice, ChainError> {
        let base_fee = self
            .base_fee
            .lock()
            .unwrap()
            .ok_or_else(|| ChainError::Unreachable { chain: ChainId(CHAIN), reason: "silence".to_owned() })?;
        Ok(GasPrice { base_fee, priority_fee: 1 })
    }
    async fn estimate(&self, _: Address, _: Address, _: U256, _: Bytes) -> Result<u64, ChainError> {
        if *self.reverts.lock().unwrap() {
            return Err(ChainError::Reverted { reason: "no".to_owned(), data: Bytes::new() });
        }
        Ok(50_000)
    }
    async fn send(&self, tx: &SignedTx) -> Result<(), ChainError> {
        self.sent.lock().unwrap().push(tx.hash);
        Ok(())
    }
}

/// The faucet's account.
pub struct Purse;

#[async_trait]
impl Signer for Purse {
    fn address(&self) -> Address {
        Address::repeat_byte(0x66)
    }
    async fn sign(&self, _: &[u8]) -> Result<Signature, SignerError> {
        Err(SignerError::Refused("nobody here asks for that".to_owned()))
    }
    async fn sign_transaction(&self, draft: &TxDraft) -> Result<SignedTx, SignerError> {
        Ok(SignedTx { hash: keccak256(draft.to), raw: Bytes::new() })
    }
    fn recover(&self, _: B256, _: &Signature) -> Option<Address> {
        None
    }
}

/// Runs `print <json>`, `skip <reason>`, `fail <message>`; refuses all else.
#[derive(Default)]
pub struct FakeRunner {
    pub runs: Mutex<u32>,
    /// Limits of the last admission.
    pub admitted: Mutex<Limits>,
}

/// What every script uses.
const FUEL: u64 = 1_234_567;

#[async_trait]
impl ModuleRunner for FakeRunner {
    fn engine(&self) -> EngineId {
        EngineId(B256::repeat_byte(9))
    }
    async fn admit(
        &self,
        source: bytes::Bytes,
        _: Language,
        limits: Limits,
    ) -> Result<Admitted, RunnerError> {
        *self.admitted.lock().unwrap() = limits;
        let text = String::from_utf8_lossy(&source).into_owned();
        if !["print ", "skip ", "fail ", "send "].iter().any(|word| text.starts_with(word)) {
            return Err(Refusal { reasons: vec!["this is no script".to_owned()] }.into());
        }
        let length = source.len() as u64;
        Ok(Admitted {
            wasm_hash: WasmHash(B256::repeat_byte(3)),
            module_bytes: length,
            shape: Shape::Script,
            needs: Needs::default(),
        })
    }
    async fn run(
        &self,
        source: bytes::Bytes,
        _: Language,
        input: Arc<RunInput>,
        limits: Limits,
        values: Arc<RunSecrets>,
    ) -> Result<RunReport, RunnerError> {
        *self.runs.lock().unwrap() += 1;
        let text = String::from_utf8_lossy(&source).into_owned();
        let (word, rest) = text.split_once(' ').unwrap_or((&text, ""));
        let mut transcript = Transcript::default();
        let end = match word {
            "print" => RunEnd::Value(serde_json::from_str(rest).expect("a test's script prints JSON")),
            "skip" => RunEnd::Skipped(rest.to_owned()),
            // Sends a secret, and prints the rest once it could.
            "send" => {
                let (name, rest) = rest.split_once(' ').expect("a secret and what is printed");
                let granted = input.secrets.iter().find(|granted| granted.as_str() == name);
                if granted.is_some_and(|name| values.contains_key(name)) {
                    RunEnd::Value(serde_json::from_str(rest).expect("a test's script prints JSON"))
                } else {
                    transcript.calls.extend(granted.map(|name| refused_call(unset(name))));
                    let message = "Error: the request was refused".to_owned();
                    RunEnd::Failed(RunFailure { kind: FailureKind::Script, message })
                }
            }
            _ => {
                let message = rest.to_owned();
                RunEnd::Failed(RunFailure { kind: FailureKind::Script, message })
            }
        };
        let end = if limits.fuel_max < FUEL {
            let message = format!("the run needs more than its {} of fuel", limits.fuel_max);
            RunEnd::Failed(RunFailure { kind: FailureKind::Limit, message })
        } else {
            end
        };
        Ok(RunReport {
            wasm_hash: WasmHash(B256::repeat_byte(3)),
            engine: self.engine(),
            end,
            log: "a line".to_owned(),
            fuel: FUEL,
            memory_bytes: 65_536,
            host_calls: 0,
            transcript,
            state: None,
        })
    }
    async fn replay(
        &self,
        source: bytes::Bytes,
        language: Language,
        input: Arc<RunInput>,
        limits: Limits,
        _: Arc<Transcript>,
    ) -> Result<RunReport, RunnerError> {
        self.run(source, language, input, limits, Arc::default()).await
    }
}

fn refused_call(why: String) -> HostCall {
    HostCall {
        sequence: 0,
        import: "http_fetch".to_owned(),
        request_hash: B256::ZERO,
        request: String::new(),
        reply: json!({ "error": why }).to_string(),
        fuel: 1,
        elapsed_ms: 0,
    }
}

/// Knows which addresses are private, and what the receivers of webhooks on hook.example answer.
#[derive(Default)]
pub struct FakeEgress {
    /// What they were sent, with when it came.
    pub taken: Mutex<Vec<EgressRequest>>,
    /// Statuses by the URL's path, 200 where there is none; 0 never answers.
    pub statuses: Mutex<BTreeMap<String, u16>>,
}

#[async_trait]
impl Egress for FakeEgress {
    async fn fetch(&self, request: EgressRequest) -> Result<EgressResponse, EgressError> {
        let Some(path) = request.url.strip_prefix("https://hook.example").map(str::to_owned) else {
            return Err(EgressError::Transport("no network in tests".to_owned()));
        };
        self.taken.lock().unwrap().push(request);
        let status = self.statuses.lock().unwrap().get(&path).copied().unwrap_or(200);
        if status == 0 {
            std::future::pending::<()>().await;
        }
        Ok(EgressResponse { status, headers: Vec::new(), body: bytes::Bytes::new() })
    }
    fn check(&self, url: &str, reach: &Reach) -> Result<(), EgressError> {
        let Some((_, rest)) = url.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https"))
        else {
            return Err(EgressError::Denied("the scheme".to_owned()));
        };
        let host = rest.split('/').next().unwrap_or_default();
        if reach.allow.iter().chain(&reach.operator).any(|listed| listed == host) {
            return Ok(());
        }
        if !reach.allow.is_empty() {
            return Err(EgressError::Denied(format!("{host} is not listed")));
        }
        let is_private = ["127.", "10.", "192.168.", "169.254.", "localhost", "[::1]"];
        if is_private.iter().any(|start| host.starts_with(start)) {
            return Err(EgressError::Denied(format!("{host} is not public")));
        }
        Ok(())
    }
}

/// Remembers whom it was told of.
#[derive(Default)]
pub struct FakeNudge(pub Mutex<Vec<JobId>>);

#[async_trait]
impl Nudge for FakeNudge {
    async fn jobs_changed(&self, jobs: &[JobId]) -> Result<(), LinkError> {
        self.0.lock().unwrap().extend_from_slice(jobs);
        Ok(())
    }
}

/// A component that may fail.
pub struct Component(pub Mutex<Result<(), String>>);

#[async_trait]
impl ReadyCheck for Component {
    fn name(&self) -> &str {
        "store"
    }
    async fn check(&self) -> Result<(), String> {
        self.0.lock().unwrap().clone()
    }
}
