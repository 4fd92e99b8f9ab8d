//! Machines alone, as tables and lines: what time and messages make of them.

mod quorum;
mod schedule;

use argus_domain::{
    Address, U256,
    ids::{ChainId, JobId, Serial},
    job::{Action, Agreement, Args, Job, Misfire, Mode, Policy, Remarks, Target, Trigger},
    limits::Limits,
    module::{Cid, Language, ModuleRef},
    schedule::Schedule,
    time::Timestamp,
};

const CHAIN: ChainId = ChainId(1);

fn secs(n: u64) -> Timestamp {
    Timestamp::from_secs(n)
}

/// Accepted at 0, due every minute for an hour; its script gives the arguments of one call.
fn job() -> Job {
    Job {
        id: JobId(U256::from(1)),
        version: 1,
        serial: Serial(1),
        owner: Address::ZERO,
        title: String::new(),
        trigger: Trigger::Time(Schedule::Interval { every_secs: 60 }),
        args: Args::Computed {
            module: ModuleRef { source: Cid("script".to_owned()), language: Language::JavaScript },
            url: String::new(),
            allow_hosts: Vec::new(),
            given: Vec::new(),
            storage: false,
            secrets: [].into(),
        },
        action: Action::Call(Target {
            chain: CHAIN,
            contract: Address::ZERO,
            signature: String::new(),
            function: String::new(),
            abi: String::new(),
        }),
        policy: Policy {
            mode: Mode::Quorum { keepers: 3, threshold: 2 },
            agreement: Agreement::Exact,
            misfire: Misfire::RunOnce,
            fee_cap: U256::ZERO,
            gas_limit: 1,
        },
        limits: Limits::DEFAULT,
        accepted_at: secs(0),
        expires_at: secs(3_600),
        recurring: true,
        link: None,
        created_chain: CHAIN,
        safe: None,
        remarks: Remarks::default(),
    }
}
