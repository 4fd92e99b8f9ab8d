//! Jobs and tasks as the scheduler would open them.

use std::sync::Arc;

use argus_domain::{
    Address, U256, Value,
    ids::{JobId, Occurrence, Serial, TaskId, TaskNumber},
    job::{Action, Agreement, Args, Cursor, Job, Misfire, Mode, Policy, Position, Remarks, Target, Trigger},
    limits::Limits,
    module::{Cid, Language, ModuleRef},
    schedule::Schedule,
    task::{Task, TriggerFact},
    time::Timestamp,
};
use argus_ports::{CreateOutcome, JobStore, OpenOutcome, Opening};

use crate::{chain::CHAIN, store::Store};

/// A job that is due every second since `accepted_at`, two of three keepers agreeing.
pub fn job(id: u64, accepted_at: Timestamp) -> Job {
    Job {
        id: JobId(U256::from(id)),
        version: 1,
        serial: Serial(1),
        owner: Address::repeat_byte(0x0a),
        title: "a test".to_owned(),
        trigger: Trigger::Time(Schedule::Interval { every_secs: 1 }),
        args: Args::Fixed(vec![Value::from(5)]),
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
            misfire: Misfire::CatchUp,
            fee_cap: U256::from(10).pow(U256::from(16)),
            gas_limit: 200_000,
        },
        limits: Limits::DEFAULT,
        accepted_at,
        expires_at: Timestamp::MAX,
        recurring: true,
        link: None,
        created_chain: CHAIN,
        safe: None,
        remarks: Remarks::default(),
    }
}

/// The same with a script.
pub fn with_script(mut job: Job, source: Cid) -> Job {
    job.args = Args::Computed {
        module: ModuleRef { source, language: Language::JavaScript },
        url: "ipfs://script".to_owned(),
        allow_hosts: Vec::new(),
        given: Vec::new(),
        storage: false,
        secrets: [].into(),
    };
    job
}

fn cursor(job: &Job, revision: u64) -> Cursor {
    Cursor {
        job: job.id,
        revision,
        next_due: Some(Timestamp::MAX),
        opened: TaskNumber(u32::try_from(revision).expect("a small number")),
        position: Position::Time,
        finished: false,
    }
}

/// Stores a job and opens its first `count` tasks. Its first instants have to lie in the past.
pub async fn open(store: &Arc<dyn Store>, job: &Job, count: u32, now: Timestamp) -> Vec<TaskId> {
    let created =
        JobStore::create(store.as_ref(), vec![(job.clone(), cursor(job, 0))]).await.expect("created");
    let (CreateOutcome::Created(serials) | CreateOutcome::Same(serials)) = created else {
        panic!("the id is taken: {created:?}");
    };
    let tasks: Vec<Opening> = (1..=count)
        .map(|n| {
            let due = Timestamp(job.accepted_at.0 + u64::from(n) * 1000);
            assert!(due <= now, "task {n} is not due yet");
            let occurrence = Occurrence::Time(due);
            let task = Task {
                id: TaskId::of(job.id, &occurrence),
                job: job.id,
                job_version: job.version,
                serial: serials[0],
                number: TaskNumber(n),
                occurrence,
                due,
                opened_at: now,
                trigger: TriggerFact::Due,
            };
            Opening::unfenced(task, cursor(job, u64::from(n)))
        })
        .collect();
    let ids = tasks.iter().map(|opening| opening.task.id).collect();
    let opened = store.open(tasks).await.expect("opened");
    assert!(opened.iter().all(|o| *o == OpenOutcome::Opened), "{opened:?}");
    ids
}
