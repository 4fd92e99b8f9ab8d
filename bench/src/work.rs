//! Jobs, tasks and scripts to measure with.

use argus_domain::{
    Address, U256,
    ids::{ChainId, JobId, Occurrence, Serial, TaskId, TaskNumber},
    job::{Action, Agreement, Args, Cursor, Job, Misfire, Mode, Policy, Position, Remarks, Target, Trigger},
    limits::Limits,
    module::{Cid, Language, ModuleRef},
    schedule::Schedule,
    task::{Task, TriggerFact},
    time::Timestamp,
};

/// A compiled guest that answers `["bench",5]`: the least that a script does. It reads nothing, so what is measured is
/// the platform.
pub const GUEST: &str = r#"(module
  (memory (export "memory") 1)
  (global $top (mut i32) (i32.const 4096))
  (data (i32.const 0) "[\22bench\22,5]")
  (func (export "abi_alloc") (param $len i32) (result i32)
    (local $at i32)
    (local.set $at (global.get $top))
    (global.set $top (i32.add (global.get $top) (local.get $len)))
    (local.get $at))
  (func (export "run") (param i32 i32) (result i64) (i64.const 11)))"#;

/// The same in JavaScript.
pub const SCRIPT: &str = r#"console.log(JSON.stringify(["bench", 5]))"#;

/// A job that runs the script every second since `accepted_at`.
pub fn job(id: u64, accepted_at: Timestamp, mode: Mode, chain: ChainId, target: Address, script: Cid) -> Job {
    Job {
        id: JobId(U256::from(id)),
        version: 1,
        serial: Serial(1),
        owner: owner(),
        title: "measured".to_owned(),
        trigger: Trigger::Time(Schedule::Interval { every_secs: 1 }),
        args: Args::Computed {
            module: ModuleRef { source: script, language: Language::Wasm },
            url: "ipfs://script".to_owned(),
            allow_hosts: Vec::new(),
            given: Vec::new(),
            storage: false,
            secrets: [].into(),
        },
        action: Action::Call(Target {
            chain,
            contract: target,
            signature: "record(string,uint256)".to_owned(),
            function: "record".to_owned(),
            abi: String::new(),
        }),
        policy: Policy {
            mode,
            agreement: Agreement::Exact,
            misfire: Misfire::CatchUp,
            fee_cap: U256::from(10).pow(U256::from(17)),
            gas_limit: 300_000,
        },
        limits: Limits::DEFAULT,
        accepted_at,
        expires_at: Timestamp::MAX,
        recurring: true,
        link: None,
        created_chain: chain,
        safe: None,
        remarks: Remarks::default(),
    }
}

/// Whose jobs they are.
pub fn owner() -> Address {
    Address::repeat_byte(0x0a)
}

/// A job's cursor after `opened` tasks; `next_due` as given.
pub fn cursor(job: &Job, opened: u32, next_due: Timestamp) -> Cursor {
    Cursor {
        job: job.id,
        revision: u64::from(opened),
        next_due: Some(next_due),
        opened: TaskNumber(opened),
        position: Position::Time,
        finished: false,
    }
}

/// The `number`th task of a job, opened now.
pub fn task(job: &Job, serial: Serial, number: u32, now: Timestamp) -> Task {
    let due = Timestamp(job.accepted_at.0 + u64::from(number) * 1000);
    let occurrence = Occurrence::Time(due);
    Task {
        id: TaskId::of(job.id, &occurrence),
        job: job.id,
        job_version: job.version,
        serial,
        number: TaskNumber(number),
        occurrence,
        due,
        opened_at: now,
        trigger: TriggerFact::Due,
    }
}
