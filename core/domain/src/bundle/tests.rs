//! A task's bundle with everything in it, and what becomes of it when any one thing is changed.

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::{U256, keccak256};
use alloy_sol_types::SolValue;
use serde_json::{Value, json};

use super::*;
use crate::{
    answer::call_of_answer,
    attempt::{Assignment, Observation, Priority, SignedClaim, TraceId, run_input},
    call::{Call, Signature},
    chain::{Block, Included},
    contracts::{TASK_EXECUTED, encode_execute},
    ids::{ChainId, JobId, Occurrence, Round, Serial, TaskId, TaskNumber},
    job::{Action, Agreement, Args, Misfire, Mode, Policy, Remarks, Target, Trigger},
    module::{Cid, ModuleRef},
    run::HostCall,
    schedule::Schedule,
    state::{State, StateRef},
    task::{Agreed, AgreedHow, Handoff, Receipt, Settlement, Task, TriggerFact, Verdict},
    time::Timestamp,
};

const PLATFORM: Address = Address::repeat_byte(0xaa);
const CHAIN: ChainId = ChainId(1);
const EXECUTOR: Address = Address::repeat_byte(0xee);

fn keeper(n: u8) -> KeeperId {
    KeeperId(Address::repeat_byte(n))
}

/// Tells signers apart, and costs nothing.
fn sign(by: Address, digest: B256) -> Signature {
    let mut bytes = [0; 65];
    bytes[..20].copy_from_slice(by.as_slice());
    bytes[20..52].copy_from_slice(keccak256([by.as_slice(), digest.as_slice()].concat()).as_slice());
    Signature(bytes)
}

fn recover(digest: B256, signature: &Signature) -> Option<Address> {
    let by = Address::from_slice(&signature.0[..20]);
    (sign(by, digest) == *signature).then_some(by)
}

fn names(cid: &Cid, bytes: &[u8]) -> bool {
    cid.0 == keccak256(bytes).to_string()
}

fn findings(bundle: &Bundle) -> Vec<Check> {
    check(bundle, &Tools { recover: &recover, names: &names, included: &included })
}

fn failed(bundle: &Bundle) -> Vec<&'static str> {
    findings(bundle).iter().filter(|c| matches!(c.finding, Finding::Fails(_))).map(|c| c.what).collect()
}

/// A block's parts as JSON, under the hash of them all.
fn inclusion(call: Value, receipt: Value) -> Inclusion {
    let bytes = |value: &Value| Bytes::from(value.to_string().into_bytes());
    let header = json!({ "number": 8, "time": 64_000 });
    Inclusion {
        header: bytes(&header),
        index: 2,
        transaction: bytes(&call),
        transaction_nodes: vec![Bytes::from_static(b"a node")],
        receipt: bytes(&receipt),
        receipt_nodes: Vec::new(),
    }
}

fn included(inclusion: &Inclusion) -> Result<Included, String> {
    fn read<T: serde::de::DeserializeOwned>(bytes: &Bytes, name: &str) -> Result<T, String> {
        let value: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        serde_json::from_value(value[name].clone()).map_err(|error| error.to_string())
    }
    let Inclusion { header, transaction, receipt, .. } = inclusion;
    Ok(Included {
        block: Block {
            number: read(header, "number")?,
            hash: digest_of("a block", inclusion),
            parent: B256::ZERO,
            time: read(header, "time")?,
        },
        transaction: keccak256(transaction),
        signer: read(transaction, "signer")?,
        chain: read(transaction, "chain")?,
        to: read(transaction, "to")?,
        value: read(transaction, "value")?,
        data: read(transaction, "data")?,
        success: read(receipt, "success")?,
        logs: read(receipt, "logs")?,
    })
}

/// What the executor logs of a call.
fn executed(task: TaskId, job: JobId, keeper: KeeperId, gas_used: u64) -> alloy_primitives::Log {
    let topics = vec![TASK_EXECUTED, task.0, job.0.into(), keeper.0.into_word()];
    let data = (true, U256::from(gas_used), U256::from(3), Bytes::new()).abi_encode_params();
    alloy_primitives::Log::new_unchecked(EXECUTOR, topics, data.into())
}

fn job(source: &[u8]) -> Job {
    Job {
        id: JobId(U256::from(7)),
        version: 2,
        serial: Serial(3),
        owner: Address::repeat_byte(0x0a),
        title: "price".to_owned(),
        trigger: Trigger::Time(Schedule::Interval { every_secs: 60 }),
        args: Args::Computed {
            module: ModuleRef { source: Cid(keccak256(source).to_string()), language: Language::JavaScript },
            url: "ipfs://script".to_owned(),
            allow_hosts: vec!["a.example".to_owned()],
            given: vec![json!("x")],
            storage: true,
            secrets: ["KEY".parse().expect("a name")].into(),
        },
        action: Action::Call(Target {
            chain: CHAIN,
            contract: Address::repeat_byte(0xcc),
            signature: "set(uint256)".to_owned(),
            function: "set".to_owned(),
            abi: String::new(),
        }),
        policy: Policy {
            mode: Mode::Quorum { keepers: 3, threshold: 2 },
            agreement: Agreement::Median { tolerance: "0.01".parse().expect("a decimal") },
            misfire: Misfire::RunOnce,
            fee_cap: U256::from(9),
            gas_limit: 200_000,
        },
        limits: Limits::DEFAULT,
        accepted_at: Timestamp(1_000),
        expires_at: Timestamp(9_000_000),
        recurring: true,
        link: None,
        created_chain: CHAIN,
        safe: None,
        remarks: Remarks::default(),
    }
}

fn attempt(task: TaskId) -> Attempt {
    Attempt {
        task,
        no: AttemptNo(1),
        keepers: (1..=3).map(keeper).collect(),
        mode: Mode::Quorum { keepers: 3, threshold: 2 },
        agreement: Agreement::Median { tolerance: "0.01".parse().expect("a decimal") },
        pins: BTreeMap::new(),
        engine: EngineId(B256::repeat_byte(9)),
        limits: Limits::DEFAULT,
        begun_at: Timestamp(61_000),
        deadline: Timestamp(71_000),
        valid_until: Timestamp(600_000),
        fee_cap: U256::from(9),
        gas_limit: 200_000,
        trace: TraceId(5),
        priority: Priority::OnTime,
        state: Some(StateRef { root: remembered(100).root(), version: TaskNumber(1) }),
    }
}

/// What the script remembers of a price.
fn remembered(price: u64) -> State {
    let mut state = State::default();
    state.set("last", price.to_string().into_bytes().into()).expect("room");
    state
}

fn transcript(price: u64) -> Transcript {
    let request = r#"{"url":"https://a.example/"}"#.to_owned();
    let reply = format!("{{\"ok\":{price}}}");
    let request_hash = keccak256(&request);
    let import = "http_fetch".to_owned();
    Transcript {
        calls: vec![HostCall { sequence: 0, import, request_hash, request, reply, fuel: 5, elapsed_ms: 3 }],
    }
}

/// Three keepers that saw 100, 300 and 200: the last one's run is taken, and keeper 1 signs it.
fn median() -> Bundle {
    let source = b"print(price)".to_vec();
    let job = job(&source);
    let occurrence = Occurrence::Time(Timestamp(60_000));
    let task = Task {
        id: TaskId::of(job.id, &occurrence),
        job: job.id,
        job_version: job.version,
        serial: job.serial,
        number: TaskNumber(1),
        occurrence,
        due: Timestamp(60_000),
        opened_at: Timestamp(60_500),
        trigger: TriggerFact::Due,
    };
    let attempt = attempt(task.id);
    let domain = ExecutorDomain { chain: CHAIN, executor: EXECUTOR };
    let input = run_input(&job, &task, &attempt, Some(remembered(100).into()));
    let call =
        |price: u64| -> Call { call_of_answer(&job, json!([price])).expect("it encodes").expect("a call") };
    let claim = |n: u8, round: u8, price: u64| {
        let digest = attempt.claim(&job, &call(price)).digest(&domain);
        let (task, attempt, keeper) = (attempt.task, attempt.no, keeper(n));
        SignedClaim { task, attempt, round: Round(round), keeper, digest, signature: sign(keeper.0, digest) }
    };
    let mut facts = vec![Fact::Attempted(Arc::new(attempt.clone()))];
    let mut runs = Vec::new();
    for (n, price) in [(1, 100), (2, 300), (3, 200)] {
        let transcript = transcript(price);
        let Args::Computed { module, .. } = &job.args else { unreachable!() };
        let mut observation = Observation {
            task: task.id,
            attempt: attempt.no,
            keeper: keeper(n),
            module: module.digest(),
            engine: attempt.engine,
            input: input.digest(&attempt.limits),
            transcript_root: transcript.root(),
            fuel: 50,
            output: Output::Call(call(price)),
            state: Some(remembered(price).root()),
            seal: Seal::alone(Signature([0; 65])),
        };
        observation.seal = Seal::alone(sign(keeper(n).0, observation.digest()));
        runs.push(Run {
            by: Some((attempt.no, keeper(n))),
            engine: attempt.engine,
            input: input.clone(),
            limits: attempt.limits,
            root: transcript.root(),
            transcript,
            fuel: 50,
            log: "asked".to_owned(),
            came_to: CameTo::Output(observation.output.clone()),
            state: observation.state,
        });
        facts.push(Fact::Observed(Arc::new(observation)));
        facts.push(Fact::Claimed(claim(n, 1, price)));
    }
    runs.swap(0, 2);
    facts.push(Fact::Claimed(claim(1, 2, 200)));
    let agreed = Agreed {
        attempt: attempt.no,
        round: Round(2),
        call: call(200),
        how: AgreedHow::Median,
        signatures: vec![(keeper(1), claim(1, 2, 200).signature), (keeper(3), claim(3, 1, 200).signature)],
        valid_until: attempt.valid_until,
        fee_cap: attempt.fee_cap,
        gas_limit: attempt.gas_limit,
        performers: attempt.keepers.clone(),
        transcript_root: Some(transcript(200).root()),
        state: Some(remembered(200).root()),
    };
    let signatures: Vec<_> = agreed.signatures.iter().map(|(_, signature)| *signature).collect();
    let data = encode_execute(&agreed.claim(&job, task.id), &agreed.call.calldata, &signatures);
    let inclusion = inclusion(
        json!({ "signer": keeper(1).0, "chain": CHAIN, "to": EXECUTOR, "value": "0x0", "data": data }),
        json!({ "success": true, "logs": [executed(task.id, job.id, keeper(1), 50_000)] }),
    );
    let shown = included(&inclusion).expect("shown");
    let verdict = Verdict::Agreed(Arc::new(agreed));
    facts.push(Fact::Settled(Settlement { task: task.id, at: Timestamp(62_000), verdict }));
    let patience_until = Timestamp(65_000);
    let (id, at) = (task.id, Timestamp(62_001));
    facts.push(Fact::HandedOff(Handoff {
        task: id,
        number: 1,
        keeper: keeper(1),
        patience_until,
        at,
        declined: None,
    }));
    facts.push(Fact::Received(Receipt {
        task: id,
        sighting: 1,
        chain: CHAIN,
        transaction: shown.transaction,
        block_number: 8,
        block_hash: shown.block.hash,
        block_time: Timestamp(64_000),
        keeper: keeper(1),
        success: true,
        gas_used: 50_000,
        charged: U256::from(3),
    }));
    let digest =
        Assignment { job: job.clone().into(), task: task.clone().into(), attempt: attempt.clone().into() }
            .digest(job.digest());
    let seals =
        vec![AssignmentSeal { attempt: attempt.no, by: PLATFORM, seal: Seal::alone(sign(PLATFORM, digest)) }];
    let script = Script { source: source.into(), language: Language::JavaScript, wasm_hash: None };
    let record = TaskRecord { task, facts };
    let account = Account { job, record, domain: Some(domain), seals, inclusion: Some(inclusion) };
    Bundle::new(Some(script), runs, Some(account), Vec::new())
}

#[test]
fn what_is_as_it_was_signed_holds_and_reads_back() {
    let bundle = median();
    assert_eq!(failed(&bundle), Vec::<&str>::new());
    let read = Bundle::decode(&bundle.encode().expect("written"));
    assert_eq!(read, Ok(bundle));
}

/// The places of all leaves of a JSON value.
fn leaves(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, item)| leaves(item, &format!("{at}/{n}"), found));
        }
        Value::Object(fields) => {
            fields.iter().for_each(|(name, field)| leaves(field, &format!("{at}/{name}"), found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => found.push(at.to_owned()),
    }
}

/// Another value in place of a leaf.
fn changed(leaf: &Value) -> Value {
    match leaf {
        Value::Null => json!("x"),
        Value::Bool(is) => json!(!is),
        Value::Number(n) => json!(n.as_u64().map_or(1, |n| n ^ 1)),
        // The first digit behind 0x, or the first letter.
        Value::String(text) => {
            let place = if text.starts_with("0x") { 2 } else { 0 };
            let mut bytes = text.clone().into_bytes();
            match bytes.get_mut(place) {
                Some(byte) => *byte = if *byte == b'1' { b'2' } else { b'1' },
                None => bytes.push(b'1'),
            }
            Value::String(String::from_utf8(bytes).expect("ASCII in front"))
        }
        Value::Array(_) | Value::Object(_) => unreachable!("a leaf"),
    }
}

/// What nobody signs: the platform's word, which the checks call so, and the log and the compiled module, which the
/// replay compares.
const UNSIGNED: [&str; 6] =
    ["/HandedOff/", "/Received/sighting", "/Settled/at", "/log", "/wasm_hash", "/omitted"];

#[test]
fn whatever_is_changed_is_found() {
    let bundle = median();
    let whole: Value = serde_json::to_value(&bundle).expect("JSON");
    let mut places = Vec::new();
    leaves(&whole, "", &mut places);
    assert!(places.len() > 200, "{}", places.len());
    for place in places {
        let mut forged = whole.clone();
        let leaf = forged.pointer_mut(&place).expect("a leaf");
        *leaf = changed(leaf);
        let bytes = serde_json::to_vec(&forged).expect("JSON");
        assert!(Bundle::decode(&bytes).is_err(), "{place} is bound to the digest of the file");

        // Whoever changes it deliberately makes the digest fit as well.
        let Ok(read) = serde_json::from_value::<Bundle>(forged) else { continue };
        if read == bundle || place == "/digest" || place == "/format" {
            continue;
        }
        let resealed = Bundle::new(read.script, read.runs, read.task, read.omitted);
        let is_found = !failed(&resealed).is_empty();
        let is_unsigned = UNSIGNED.iter().any(|part| place.contains(part));
        assert!(is_found || is_unsigned, "a change at {place} is not found");
    }
}

#[test]
fn what_is_left_out_or_put_in_is_found() {
    type Change = fn(&mut Bundle);
    let changes: [(&str, Change, &str); 7] = [
        (
            "another source",
            |b| b.script.as_mut().expect("a script").source = Bytes::from_static(b"x"),
            "module",
        ),
        ("the run that was taken", |b| drop(b.runs.remove(0)), "verdict"),
        ("a run of nobody", |b| b.runs[1].by = None, "runs"),
        (
            "a verdict on too few signatures",
            |b| {
                let facts = &mut b.task.as_mut().expect("a task").record.facts;
                let settled = facts.iter_mut().find_map(|f| match f {
                    Fact::Settled(Settlement { verdict: Verdict::Agreed(agreed), .. }) => {
                        Some(Arc::make_mut(agreed))
                    }
                    _ => None,
                });
                settled.expect("agreed").signatures.truncate(1);
            },
            "verdict",
        ),
        (
            "a signature twice",
            |b| {
                let facts = &mut b.task.as_mut().expect("a task").record.facts;
                let settled = facts.iter_mut().find_map(|f| match f {
                    Fact::Settled(Settlement { verdict: Verdict::Agreed(agreed), .. }) => {
                        Some(Arc::make_mut(agreed))
                    }
                    _ => None,
                });
                let signatures = &mut settled.expect("agreed").signatures;
                signatures[1] = signatures[0];
            },
            "verdict",
        ),
        ("another executor", |b| b.task.as_mut().expect("a task").domain = None, "claims"),
        ("an observation less", |b| drop(b.task.as_mut().expect("a task").record.facts.remove(1)), "runs"),
    ];
    for (what, change, finds) in changes {
        let mut bundle = median();
        change(&mut bundle);
        let failed = failed(&bundle);
        assert!(failed.contains(&finds), "{what}: {failed:?}");
    }
}

#[test]
fn a_receipt_is_what_its_block_shows() {
    type Change = fn(&mut Inclusion, &mut Receipt, &Agreed);
    fn edit(part: &mut Bytes, name: &str, value: impl Serialize) {
        let mut whole: Value = serde_json::from_slice(part).expect("JSON");
        whole[name] = json!(value);
        *part = whole.to_string().into_bytes().into();
    }
    /// Whoever forges the block, too, gives the receipt the hashes that follow.
    fn follow(i: &Inclusion, r: &mut Receipt) {
        let shown = included(i).expect("shown");
        (r.transaction, r.block_hash) = (shown.transaction, shown.block.hash);
    }
    let changes: [(Change, &str); 13] = [
        (|_, _, _| {}, "whether that block is on chain 1, a node of it can tell"),
        (|i, _, _| i.index = 3, "its block header has the hash"),
        (|i, _, _| i.header = Bytes::new(), "EOF while parsing"),
        (|_, r, _| r.block_number = 9, "another number or time"),
        (|_, r, _| r.transaction = B256::ZERO, "not the one that it names"),
        (|_, r, _| r.keeper = keeper(2), "not by the keeper that it names"),
        (
            |_, r, _| r.success = false,
            "which ran through, for 50000 gas and 3 wei: not what the receipt says",
        ),
        (
            |i, r, _| {
                edit(&mut i.transaction, "chain", 2);
                follow(i, r);
            },
            "signed for another chain",
        ),
        (
            |i, r, a| {
                edit(&mut i.transaction, "data", &a.call.calldata);
                follow(i, r);
            },
            "is not the agreed call",
        ),
        (
            |i, r, _| {
                edit(&mut i.transaction, "to", keeper(1).0);
                follow(i, r);
            },
            "is not the agreed call",
        ),
        (
            |i, r, _| {
                edit(&mut i.receipt, "success", false);
                follow(i, r);
            },
            "failed, so that no call was made",
        ),
        (
            |i, r, _| {
                edit(&mut i.receipt, "logs", json!([]));
                follow(i, r);
            },
            "logged no call of the executor",
        ),
        (
            |i, r, _| {
                let log = executed(TaskId(B256::ZERO), JobId(U256::from(7)), keeper(1), 50_000);
                edit(&mut i.receipt, "logs", [log]);
                follow(i, r);
            },
            "not what the receipt says",
        ),
    ];
    for (change, said) in changes {
        let mut bundle = median();
        let account = bundle.task.as_mut().expect("a task");
        let agreed = Arc::clone(account.record.state().agreed().expect("agreed"));
        let Some(Fact::Received(receipt)) = account.record.facts.last_mut() else {
            panic!("the receipt is last")
        };
        change(account.inclusion.as_mut().expect("shown"), receipt, &agreed);
        let found = findings(&bundle).pop().expect("the receipt is last");
        let words = match &found.finding {
            Finding::Holds(words) | Finding::Fails(words) | Finding::Told(words) | Finding::Open(words) => {
                words
            }
        };
        assert!(words.contains(said), "{said}: {words}");
        let holds = matches!(found.finding, Finding::Holds(_));
        assert_eq!((found.what, holds), ("receipt", said.starts_with("whether")), "{words}");
    }
    // Without the proof it is the platform's word.
    let mut bundle = median();
    bundle.task.as_mut().expect("a task").inclusion = None;
    assert!(matches!(findings(&bundle).pop().expect("checked").finding, Finding::Told(_)));
}

#[test]
fn other_files_are_refused_with_a_sentence() {
    for (bytes, part) in [
        (&b"{}"[..], "missing field `format`"),
        (b"junk", "no bundle"),
        (br#"{"format":"argus-bundle/3"}"#, "use the release that wrote it"),
        (br#"{"format":"argus-bundle/4"}"#, "missing field"),
    ] {
        let said = Bundle::decode(bytes).expect_err("refused").to_string();
        assert!(said.contains(part), "{said}");
    }
    assert_eq!(
        Bundle::decode(&vec![b' '; BUNDLE_BYTES_MAX + 1]),
        Err(BundleError::TooLarge(BUNDLE_BYTES_MAX + 1))
    );
}
