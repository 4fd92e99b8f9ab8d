//! A task through the dispatcher, as lines.

use std::{collections::BTreeSet, sync::Arc};

use argus_domain::{
    Address, B256, U256, Value,
    call::{Call, Signature},
    ids::{JobId, KeeperId, Occurrence, Round, Serial, TaskNumber},
    job::{Action, Agreement, Args, Misfire, Mode, Policy, Remarks, Target, Trigger},
    keeper::KeeperHello,
    limits::Limits,
    module::{Cid, Language, ModuleRef},
    schedule::Schedule,
    secret::Grants,
    task::{Agreed, AgreedHow, TriggerFact, Verdict},
    time::Timestamp,
};

use super::*;
use crate::Machine;

const CHAIN: ChainId = ChainId(1);

fn keeper(n: u8) -> KeeperId {
    KeeperId(Address::repeat_byte(n))
}

fn live(n: u8) -> LiveKeeper {
    let hello = KeeperHello {
        keeper: keeper(n),
        engines: BTreeSet::from([EngineId(B256::ZERO)]),
        chains: BTreeSet::from([CHAIN]),
        capacity: 1,
        version: String::new(),
        box_key: None,
    };
    LiveKeeper { hello, load: 0, heard_at: Timestamp(0), stake: 1, faults: 0 }
}

fn job() -> Job {
    Job {
        id: JobId(U256::from(1)),
        version: 1,
        serial: Serial(1),
        owner: Address::ZERO,
        title: String::new(),
        trigger: Trigger::Time(Schedule::Interval { every_secs: 1 }),
        args: Args::Fixed(vec![Value::from("1")]),
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
        accepted_at: Timestamp(0),
        expires_at: Timestamp(1_000_000),
        recurring: true,
        link: None,
        created_chain: CHAIN,
        safe: None,
        remarks: Remarks::default(),
    }
}

fn record(facts: Vec<Fact>) -> Box<TaskRecord> {
    let occurrence = Occurrence::Time(Timestamp(1_000));
    let task = Task {
        id: TaskId::of(JobId(U256::from(1)), &occurrence),
        job: JobId(U256::from(1)),
        job_version: 1,
        serial: Serial(1),
        number: TaskNumber(1),
        occurrence,
        due: Timestamp(1_000),
        opened_at: Timestamp(1_000),
        trigger: TriggerFact::Due,
    };
    Box::new(TaskRecord { task, facts })
}

struct Story {
    machine: Dispatcher,
    now: Timestamp,
    facts: Vec<Fact>,
}

impl Story {
    fn new() -> Self {
        Self { machine: Dispatcher::new(Config::default()), now: Timestamp(1_000), facts: Vec::new() }
    }

    fn hear(&mut self, input: Input) -> Vec<String> {
        let mut out = Vec::new();
        self.machine.handle(self.now, input, &mut out);
        self.said(out)
    }

    fn tick(&mut self, secs: u64) -> Vec<String> {
        self.now = Timestamp::from_secs(secs);
        let mut out = Vec::new();
        self.machine.tick(self.now, &mut out);
        self.said(out)
    }

    fn said(&mut self, out: Vec<Effect>) -> Vec<String> {
        out.into_iter()
            .map(|effect| match effect {
                Effect::Record(fact) => {
                    let key = fact.key().0;
                    self.facts.push(fact);
                    format!("record {key}")
                }
                Effect::Begin(assignment) => format!("begin {}", assignment.attempt.no.0),
                Effect::HandOff(order) => format!("hand off {}", order.handoff.number),
                Effect::Announce { .. } => "announce".to_owned(),
                Effect::Full(_) => "full".to_owned(),
                Effect::Forget(_) => "forget".to_owned(),
            })
            .collect()
    }

    fn submit(&mut self, gone: Option<&str>) -> Vec<String> {
        let record = record(self.facts.clone());
        self.hear(Input::Submit { record, job: Arc::new(job()), gone: gone.map(str::to_owned) })
    }

    fn ready(&mut self) -> Vec<String> {
        self.hear(Input::Heads(BTreeMap::from([(CHAIN, Pin { number: 1, hash: B256::ZERO })])));
        self.hear(Input::Keepers((1..=3).map(live).collect()))
    }

    fn ended(&mut self, no: u16, outcome: AttemptOutcome) -> Vec<String> {
        let task = record(Vec::new()).task.id;
        self.hear(Input::Ended { task, attempt: AttemptNo(no), outcome })
    }

    fn agreed(&self) -> AttemptOutcome {
        let Some(Fact::Attempted(attempt)) = self.facts.last() else { panic!("an attempt") };
        let call = Call {
            chain: CHAIN,
            target: Address::ZERO,
            value: U256::ZERO,
            calldata: argus_domain::Bytes::new(),
            arguments: Vec::new(),
        };
        AttemptOutcome::Agreed(Arc::new(Agreed {
            attempt: attempt.no,
            round: Round(1),
            call,
            how: AgreedHow::Equal,
            signatures: vec![(keeper(1), Signature([0; 65])), (keeper(2), Signature([0; 65]))],
            valid_until: attempt.valid_until,
            fee_cap: attempt.fee_cap,
            gas_limit: attempt.gas_limit,
            performers: attempt.keepers.clone(),
            transcript_root: None,
            state: None,
        }))
    }
}

#[test]
fn from_open_to_the_second_performer() {
    let mut s = Story::new();
    assert!(s.submit(None).is_empty(), "no keepers yet");
    assert_eq!(s.ready(), ["record attempted/1", "begin 1"]);
    let agreed = s.agreed();
    let settled = ["record settled", "record handed-off/1", "hand off 1", "announce", "record announced"];
    assert_eq!(s.ended(1, agreed.clone()), settled);
    assert!(s.ended(1, agreed).is_empty(), "a verdict comes once");
    assert_eq!(s.tick(6), ["hand off 1"], "a reminder");
    assert_eq!(s.tick(21), ["record handed-off/2", "hand off 2"]);
}

#[test]
fn what_follows_from_a_verdict_is_derived_again() {
    let mut s = Story::new();
    s.submit(None);
    s.ready();
    let agreed = s.agreed();
    s.ended(1, agreed);
    let mut again = Story::new();
    again.facts = s
        .facts
        .iter()
        .filter(|f| !matches!(f.key().0.as_str(), "announced" | "handed-off/1"))
        .cloned()
        .collect();
    assert_eq!(again.submit(None), ["record handed-off/1", "hand off 1", "announce", "record announced"]);
}

#[test]
fn attempts_end_and_so_does_the_task() {
    let mut s = Story::new();
    s.submit(None);
    s.ready();
    for no in 1..=4u16 {
        let said = s.ended(no, AttemptOutcome::Disagreed("they differ".to_owned()));
        if no == 4 {
            assert_eq!(said, ["record settled", "announce", "record announced", "forget"]);
        } else {
            assert_eq!(said, Vec::<String>::new());
            s.tick(s.now.as_secs() + 40);
        }
    }
    let state = record(s.facts).state();
    assert_eq!(state.verdict.map(|(v, _)| v), Some(Verdict::Failed("they differ".to_owned())));
}

#[test]
fn attempts_that_lack_what_may_be_there_later_go_on_for_as_long_as_the_task_has() {
    let mut s = Story::new();
    s.submit(None);
    s.ready();
    let lacking = || AttemptOutcome::Short { why: "all are busy".to_owned(), transient: true };
    let mut no = 1;
    while s.ended(no, lacking()).is_empty() {
        let wake = s.machine.next_wake().expect("the next attempt, or the end");
        if s.tick(wake.at.as_secs() + 1).iter().any(|said| said == "record settled") {
            break;
        }
        no += 1;
    }
    assert!((20..60).contains(&no), "{no} attempts, with half a minute between them at most");
    assert!((595..=605).contains(&s.now.as_secs()), "until {:?}", s.now);
    let state = record(s.facts).state();
    let Some((Verdict::Exhausted(why), _)) = state.verdict else { panic!("{:?}", state.verdict) };
    assert!(why.ends_with("the last one: all are busy"), "{why}");

    // Nor do they count among those that keepers answered.
    let mut s = Story::new();
    s.submit(None);
    s.ready();
    for no in 1..=8u16 {
        let declined = AttemptOutcome::Short { why: "inconclusive".to_owned(), transient: false };
        let said = s.ended(no, if no % 2 == 0 { declined } else { lacking() });
        assert_eq!(said.is_empty(), no < 8, "attempt {no}: {said:?}");
        s.tick(s.now.as_secs() + 40);
    }
}

#[test]
fn a_deleted_job_and_a_task_without_keepers_end() {
    let mut s = Story::new();
    assert_eq!(s.submit(Some("deleted")), ["record settled", "announce", "record announced", "forget"]);
    let mut s = Story::new();
    s.submit(None);
    assert_eq!(s.tick(602), ["record settled", "announce", "record announced", "forget"]);
}

/// A task that was agreed on: the story, and where its verdict is among its facts.
fn settled() -> (Story, usize) {
    let mut s = Story::new();
    s.submit(None);
    s.ready();
    let agreed = s.agreed();
    s.ended(1, agreed);
    let at = s.facts.iter().position(|f| matches!(f, Fact::Settled(_))).expect("a verdict");
    (s, at)
}

#[test]
fn a_refused_agreement_is_a_withdrawal() {
    let (mut s, at) = settled();
    let fact = Box::new(s.facts[at].clone());
    let dropped = s.facts[at + 1..].to_vec();
    let said = s.hear(Input::Refused { task: fact.task(), fact, dropped });
    assert_eq!(said, ["record settled", "announce", "record announced", "forget"]);
    assert!(
        matches!(s.facts.iter().rfind(|f| matches!(f, Fact::Settled(_))), Some(Fact::Settled(x)) if matches!(x.verdict, Verdict::Withdrawn(_)))
    );
}

#[test]
fn a_verdict_that_was_there_before_is_announced_and_nothing_of_ours_is_believed() {
    let (mut s, at) = settled();
    let dropped = s.facts[at + 1..].to_vec();
    assert_eq!(dropped.len(), 2, "its handoff and its announcement");
    let task = dropped[0].task();
    let verdict = Verdict::Failed("by another life of ours".to_owned());
    let fact = Box::new(Fact::Settled(Settlement { task, at: s.now, verdict }));
    let said = s.hear(Input::RecordedAs { task, fact, dropped });
    assert_eq!(said, ["announce", "record announced", "forget"]);
}

/// A task that was handed to its first performer: the story, and who that is.
fn handed_off() -> (Story, KeeperId) {
    let (s, _) = settled();
    let performer =
        s.facts.iter().find_map(|f| if let Fact::HandedOff(h) = f { Some(h.keeper) } else { None });
    (s, performer.expect("a handoff"))
}

#[test]
fn a_performer_that_has_left_is_not_waited_for() {
    let others = |than: KeeperId| (1..=3).filter(|n| keeper(*n) != than).map(live).collect::<Vec<_>>();

    let (mut s, performer) = handed_off();
    assert!(s.hear(Input::Keepers(others(performer))).is_empty(), "it may come straight back");
    assert_eq!(s.tick(6), ["record handed-off/2", "hand off 2"]);

    let (mut s, _) = handed_off();
    s.hear(Input::Keepers(Vec::new()));
    assert_eq!(s.tick(6), ["hand off 1"], "nobody else is here");

    let (mut s, performer) = handed_off();
    let task = record(Vec::new()).task.id;
    let transaction = B256::repeat_byte(7);
    s.hear(Input::Performed(PerformEvent::Broadcast { task, keeper: performer, transaction }));
    s.hear(Input::Keepers(others(performer)));
    assert!(s.tick(6).is_empty(), "its transaction is on its way");
}

#[test]
fn a_call_that_everyone_declines_is_asked_for_less_and_less_and_the_reason_is_kept() {
    let (mut s, _) = handed_off();
    let task = record(Vec::new()).task.id;
    let mut asked = vec![s.now.as_secs()];
    // Until its time is over: the machine says itself when it wants to look.
    while let Some(wake) = s.machine.next_wake().filter(|wake| wake.at < Timestamp::from_secs(1_000)) {
        let handoff = s
            .facts
            .iter()
            .rev()
            .find_map(|f| if let Fact::HandedOff(h) = f { Some(h.clone()) } else { None });
        let (keeper, reason) = (handoff.expect("a handoff").keeper, "no money".to_owned());
        let mut said = s.hear(Input::Performed(PerformEvent::Declined { task, keeper, reason }));
        if said.is_empty() {
            said = s.tick(wake.at.as_secs().max(s.now.as_secs() + 1));
        }
        asked.extend(said.iter().filter(|said| said.starts_with("hand off")).map(|_| s.now.as_secs()));
        let over = s.facts.iter().any(|f| matches!(f, Fact::Attempted(a) if s.now >= a.valid_until));
        if over {
            break;
        }
    }
    // Three keepers at once, then after 20 s, 40 s more, 80 s more.
    assert_eq!(asked[..9], [1, 1, 1, 21, 21, 21, 61, 61, 61], "{asked:?}");
    assert!(asked.len() <= 15, "{asked:?}");
    let state = record(s.facts).state();
    assert_eq!(state.handoff.and_then(|handoff| handoff.declined).as_deref(), Some("no money"));
}

/// The same job with a script that has storage.
fn remembering() -> Job {
    let module = ModuleRef { source: Cid("script".to_owned()), language: Language::JavaScript };
    let (url, allow_hosts, given, secrets) = (String::new(), Vec::new(), Vec::new(), Grants::new());
    Job { args: Args::Computed { module, url, allow_hosts, given, storage: true, secrets }, ..job() }
}

#[test]
fn a_task_with_storage_waits_for_its_turn_and_runs_on_its_state() {
    let mut s = Story::new();
    s.ready();
    let record = record(Vec::new());
    let task = record.task.id;
    let submit = Input::Submit { record, job: Arc::new(remembering()), gone: None };
    assert!(s.hear(submit.clone()).is_empty(), "others may still write");
    // Its time to begin does not pass while it waits.
    assert!(s.tick(100_000).is_empty());
    assert!(s.hear(submit).is_empty());
    let state = StateRef { root: B256::repeat_byte(5), version: TaskNumber(4) };
    assert_eq!(s.hear(Input::Free { task, state }), ["record attempted/1", "begin 1"]);
    let started = |s: &Story| match s.facts.last() {
        Some(Fact::Attempted(attempt)) => attempt.state,
        other => panic!("{other:?}"),
    };
    assert_eq!(started(&s), Some(state));
    // Another word about it changes nothing: the next attempt runs on the same state.
    let other = StateRef { root: B256::repeat_byte(6), version: TaskNumber(5) };
    s.hear(Input::Free { task, state: other });
    s.ended(1, AttemptOutcome::Short { why: "too few".to_owned(), transient: true });
    s.tick(100_001);
    assert_eq!(s.facts.len(), 2);
    assert_eq!(started(&s), Some(state));
}

#[test]
fn a_task_with_storage_whose_job_is_deleted_waits_no_longer() {
    let mut s = Story::new();
    let (record, gone) = (record(Vec::new()), Some("its job was deleted".to_owned()));
    let said = s.hear(Input::Submit { record, job: Arc::new(remembering()), gone });
    assert_eq!(said, ["record settled", "announce", "record announced", "forget"]);
}
