//! Values to store and send.

use std::sync::Arc;

use argus_domain::{
    Address, B256, Bytes, U256,
    act::HandoffOrder,
    attempt::{Assignment, Attempt, Observation, Output, Priority, SignedClaim, TraceId},
    call::{Call, Signature},
    chain::{Pin, SignedTx, TxDraft},
    ids::{AttemptNo, ChainId, JobId, KeeperId, Occurrence, Round, Serial, TaskId, TaskNumber},
    job::{
        Action, Agreement, Args, Cursor, Job, JobRecord, Misfire, Mode, Policy, Position, Remarks, Safe,
        Target, Trigger,
    },
    keeper::KeeperRecord,
    limits::Limits,
    module::EngineId,
    schedule::Schedule,
    seal::Seal,
    state::State,
    task::{Agreed, AgreedHow, Fact, Handoff, Receipt, Settlement, Task, TriggerFact, Verdict},
    time::Timestamp,
};
use argus_ports::{Intent, Opening};

/// The instant around which samples lie.
pub const NOW: Timestamp = Timestamp(1_700_000_000_000);

/// An instant some milliseconds after [`NOW`].
pub fn at(ms: u64) -> Timestamp {
    Timestamp(NOW.0 + ms)
}

/// An owner.
pub fn owner(n: u8) -> Address {
    Address::repeat_byte(n)
}

/// A keeper.
pub fn keeper(n: u8) -> KeeperId {
    KeeperId(Address::repeat_byte(0x80 | n))
}

/// The n-th job: an interval job of owner 1 on chain 1.
pub fn job(n: u64) -> Job {
    Job {
        // Ids that differ in their high bytes, as those chosen on chain do.
        id: JobId((U256::from(n) << 200) | U256::from(n)),
        version: 1,
        serial: Serial(0),
        owner: owner(1),
        title: format!("job {n}"),
        trigger: Trigger::Time(Schedule::Interval { every_secs: 60 }),
        args: Args::Fixed(vec![serde_json_number(
            "115792089237316195423570985008687907853269984665640564039457",
        )]),
        action: Action::Call(Target {
            chain: ChainId(1),
            contract: Address::repeat_byte(0xcc),
            signature: "set(uint256)".to_owned(),
            function: "set".to_owned(),
            abi: "[]".to_owned(),
        }),
        policy: Policy {
            mode: Mode::Quorum { keepers: 3, threshold: 2 },
            agreement: Agreement::Exact,
            misfire: Misfire::RunOnce,
            fee_cap: U256::from(10).pow(U256::from(17)),
            gas_limit: 200_000,
        },
        limits: Limits::DEFAULT,
        accepted_at: NOW,
        expires_at: at(1_000_000),
        recurring: true,
        link: None,
        created_chain: ChainId(1),
        safe: None,
        remarks: Remarks::default(),
    }
}

fn serde_json_number(digits: &str) -> argus_domain::Value {
    digits.parse().expect("a JSON number")
}

/// A job that acts through a Safe.
pub fn job_with_safe(n: u64, safe: Address) -> Job {
    Job { safe: Some(Safe { address: safe, name: "ours".to_owned() }), ..job(n) }
}

/// The first cursor of a job: due in a second.
pub fn cursor(job: &Job) -> Cursor {
    Cursor {
        job: job.id,
        revision: 1,
        next_due: Some(at(1000)),
        opened: TaskNumber(0),
        position: Position::Time,
        finished: false,
    }
}

/// A job with its first cursor, as `create` takes it.
pub fn new_job(n: u64) -> (Job, Cursor) {
    let job = job(n);
    let cursor = cursor(&job);
    (job, cursor)
}

/// The cursor after this one, with nothing else changed.
pub fn next_cursor(cursor: &Cursor) -> Cursor {
    Cursor { revision: cursor.revision + 1, ..cursor.clone() }
}

/// A job's next task with the cursor after it, as `open` takes it.
pub fn next_task(record: &JobRecord) -> (Task, Cursor) {
    let (job, number) = (&record.job, TaskNumber(record.cursor.opened.0 + 1));
    let due = at(1000 * u64::from(number.0));
    let occurrence = Occurrence::Time(due);
    let task = Task {
        id: TaskId::of(job.id, &occurrence),
        job: job.id,
        job_version: job.version,
        serial: job.serial,
        number,
        occurrence,
        due,
        opened_at: due,
        trigger: TriggerFact::Due,
    };
    let cursor = Cursor {
        opened: number,
        next_due: Some(at(1000 * u64::from(number.0 + 1))),
        ..record.cursor.clone()
    };
    (task, next_cursor(&cursor))
}

/// The same, to be opened by one who shares the work with nobody.
pub fn next_opening(record: &JobRecord) -> Opening {
    let (task, cursor) = next_task(record);
    Opening::unfenced(task, cursor)
}

/// The n-th attempt at a task.
pub fn attempt(task: TaskId, no: u16) -> Arc<Attempt> {
    Arc::new(Attempt {
        task,
        no: AttemptNo(no),
        keepers: vec![keeper(3), keeper(1), keeper(2)],
        mode: Mode::Quorum { keepers: 3, threshold: 2 },
        agreement: Agreement::Exact,
        pins: [(ChainId(1), Pin { number: 7, hash: B256::repeat_byte(7) })].into(),
        engine: EngineId(B256::repeat_byte(9)),
        limits: Limits::DEFAULT,
        begun_at: NOW,
        deadline: at(10_000),
        valid_until: at(60_000),
        fee_cap: U256::from(5),
        gas_limit: 200_000,
        trace: TraceId(42),
        priority: Priority::OnTime,
        state: None,
    })
}

/// A call.
pub fn call() -> Call {
    Call {
        chain: ChainId(1),
        target: Address::repeat_byte(0xcc),
        value: U256::ZERO,
        calldata: Bytes::from_static(&[1, 2, 3, 4]),
        arguments: vec![argus_domain::Value::from("7")],
    }
}

/// A signature of no key.
pub fn signature(n: u8) -> Signature {
    Signature([n; 65])
}

/// A keeper's observation.
pub fn observation(task: TaskId, n: u8) -> Arc<Observation> {
    Arc::new(Observation {
        task,
        attempt: AttemptNo(1),
        keeper: keeper(n),
        module: B256::repeat_byte(1),
        engine: EngineId(B256::repeat_byte(9)),
        input: B256::repeat_byte(2),
        transcript_root: B256::repeat_byte(3),
        fuel: 1234,
        output: Output::Call(call()),
        state: None,
        seal: Seal { path: vec![B256::repeat_byte(5)], signature: signature(n) },
    })
}

/// What a job's script remembers.
pub fn state() -> Arc<State> {
    let mut state = State::default();
    state.set("n", Bytes::from_static(b"5")).expect("room");
    state.set("m", Bytes::from_static(&[0, 255])).expect("room");
    Arc::new(state)
}

/// A keeper's claim.
pub fn claim(task: TaskId, n: u8) -> SignedClaim {
    SignedClaim {
        task,
        attempt: AttemptNo(1),
        round: Round(1),
        keeper: keeper(n),
        digest: B256::repeat_byte(4),
        signature: signature(n),
    }
}

/// What was agreed.
pub fn agreed() -> Arc<Agreed> {
    Arc::new(Agreed {
        attempt: AttemptNo(1),
        round: Round(1),
        call: call(),
        how: AgreedHow::Equal,
        signatures: vec![(keeper(1), signature(1)), (keeper(2), signature(2))],
        valid_until: at(60_000),
        fee_cap: U256::from(5),
        gas_limit: 200_000,
        performers: vec![keeper(3), keeper(1), keeper(2)],
        transcript_root: None,
        state: None,
    })
}

/// A verdict as a fact.
pub fn settled(task: TaskId, verdict: Verdict) -> Fact {
    Fact::Settled(Settlement { task, at: NOW, verdict })
}

/// A verdict of agreement as a fact.
pub fn settled_agreed(task: TaskId) -> Fact {
    settled(task, Verdict::Agreed(agreed()))
}

/// The n-th handoff.
pub fn handoff(task: TaskId, number: u16) -> Handoff {
    Handoff { task, number, keeper: keeper(1), patience_until: at(5000), at: NOW, declined: None }
}

/// The n-th sighting on chain.
pub fn receipt(task: TaskId, sighting: u16) -> Receipt {
    Receipt {
        task,
        sighting,
        chain: ChainId(1),
        transaction: B256::repeat_byte(5),
        block_number: 8,
        block_hash: B256::repeat_byte(8),
        block_time: NOW,
        keeper: keeper(1),
        success: true,
        gas_used: 50_000,
        charged: U256::from(3),
    }
}

/// A keeper's intent.
pub fn intent(task: TaskId, number: u16, chain: u64, nonce: u64) -> Intent {
    Intent {
        task,
        number,
        draft: TxDraft {
            chain: ChainId(chain),
            nonce,
            to: Address::repeat_byte(0xee),
            value: U256::ZERO,
            data: Bytes::from_static(&[9]),
            gas_limit: 300_000,
            max_fee_per_gas: 2_000_000_000 + u128::from(number),
            max_priority_fee_per_gas: 1_000_000_000,
        },
        signed: SignedTx {
            hash: B256::repeat_byte(6),
            raw: Bytes::from(vec![2, u8::try_from(number).unwrap_or(0)]),
        },
        valid_until: at(60_000),
        at: NOW,
    }
}

/// A call that was agreed, handed to its first performer.
pub fn order() -> HandoffOrder {
    let (job, cursor) = new_job(1);
    let record = JobRecord {
        job,
        cursor,
        paused_at: None,
        deleted_at: None,
        updated_at: NOW,
        last_opened_at: None,
        charged: U256::ZERO,
    };
    let (task, _) = next_task(&record);
    HandoffOrder { handoff: handoff(task.id, 1), job: record.job.into(), task: task.into(), agreed: agreed() }
}

/// The n-th attempt at that call's task, as keepers get it.
pub fn assignment(no: u16) -> Arc<Assignment> {
    let HandoffOrder { job, task, .. } = order();
    let attempt = attempt(task.id, no);
    Arc::new(Assignment { job, task, attempt })
}

/// Keeper `n` of the set.
pub fn keeper_record(n: u8) -> KeeperRecord {
    KeeperRecord {
        keeper: keeper(n),
        name: format!("keeper {n}"),
        stake: u128::MAX,
        chains: [ChainId(1), ChainId(u64::MAX)].into(),
        faults: 0,
        registered_at: NOW,
    }
}
