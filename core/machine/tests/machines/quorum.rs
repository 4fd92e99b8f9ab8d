//! An attempt through the aggregator, as lines.

use std::{collections::BTreeMap, sync::Arc};

use argus_domain::{
    Address, B256, Bytes, U256, Value,
    act::AttemptOutcome,
    attempt::{Answer, Assignment, Attempt, Observation, Output, Priority, SignedClaim, TraceId},
    call::{Call, ExecutorDomain, Signature},
    difference::{CallDifference, Disagreement, MadeCall, Refutation, Remedy},
    ids::{AttemptNo, KeeperId, Occurrence, Round, TaskId, TaskNumber},
    job::{Agreement, Args, Job, Mode},
    module::EngineId,
    run::Transcript,
    seal::Seal,
    state::{State, StateRef},
    task::{Fact, Task, TriggerFact},
    time::Timestamp,
};
use argus_machine::{
    Machine,
    quorum::{Aggregator, Config, Effect, Input},
};

use crate::{CHAIN, job, secs};

fn keeper(n: u8) -> KeeperId {
    KeeperId(Address::repeat_byte(n))
}

fn number(keeper: KeeperId) -> u8 {
    keeper.0[0]
}

/// A call with one integer.
fn call(value: u64) -> Call {
    Call {
        chain: CHAIN,
        target: Address::ZERO,
        value: U256::ZERO,
        calldata: Bytes::from([&[1, 2, 3, 4][..], &U256::from(value).to_be_bytes::<32>()].concat()),
        arguments: vec![Value::from(value.to_string())],
    }
}

fn median(tolerance: &str) -> Agreement {
    Agreement::Median { tolerance: tolerance.parse().expect("a number") }
}

struct Story {
    machine: Aggregator,
    job: Arc<Job>,
    task: Arc<Task>,
    attempt: Attempt,
    now: Timestamp,
    disagreements: Vec<Arc<Disagreement>>,
}

impl Story {
    /// `threshold` of the keepers 1 to `keepers` have to agree; begun at 0, until 40 s.
    fn new(keepers: u8, threshold: u8, agreement: Agreement) -> Self {
        let job = job();
        let occurrence = Occurrence::Time(secs(0));
        let task = Task {
            id: TaskId::of(job.id, &occurrence),
            job: job.id,
            job_version: job.version,
            serial: job.serial,
            number: TaskNumber(1),
            occurrence,
            due: secs(0),
            opened_at: secs(0),
            trigger: TriggerFact::Due,
        };
        let attempt = Attempt {
            task: task.id,
            no: AttemptNo(1),
            keepers: (1..=keepers).map(keeper).collect(),
            mode: Mode::Quorum { keepers, threshold },
            agreement,
            pins: BTreeMap::new(),
            engine: EngineId(B256::ZERO),
            limits: job.limits,
            begun_at: secs(0),
            deadline: secs(40),
            valid_until: secs(600),
            fee_cap: U256::ZERO,
            gas_limit: 1,
            trace: TraceId(0),
            priority: Priority::OnTime,
            state: None,
        };
        let machine = Aggregator::new(Config::default());
        let disagreements = Vec::new();
        Self { machine, job: Arc::new(job), task: Arc::new(task), attempt, now: secs(0), disagreements }
    }

    /// The same attempt in an aggregator that has just started: all that it is told is the attempt again.
    fn restarted(&mut self) -> Vec<String> {
        self.machine = Aggregator::new(Config::default());
        self.begin()
    }

    fn hear(&mut self, input: Input) -> Vec<String> {
        let mut out = Vec::new();
        self.machine.handle(self.now, input, &mut out);
        self.lines(&out)
    }

    fn tick(&mut self, at: u64) -> Vec<String> {
        self.now = secs(at);
        let mut out = Vec::new();
        self.machine.tick(self.now, &mut out);
        self.lines(&out)
    }

    /// What is recorded of disagreements is looked at by itself.
    fn lines(&mut self, out: &[Effect]) -> Vec<String> {
        let mut lines = Vec::new();
        for effect in out {
            match effect {
                Effect::Record(Fact::Disagreed(d)) => self.disagreements.push(d.clone()),
                other => lines.push(line(other)),
            }
        }
        lines
    }

    fn begin(&mut self) -> Vec<String> {
        let attempt = self.attempt.clone().into();
        let assignment = Assignment { job: self.job.clone(), task: self.task.clone(), attempt };
        self.hear(Input::Begin(assignment.into()))
    }

    fn claim(&self, n: u8, round: u8, value: u64) -> SignedClaim {
        let domain = ExecutorDomain { chain: CHAIN, executor: Address::ZERO };
        SignedClaim {
            task: self.attempt.task,
            attempt: self.attempt.no,
            round: Round(round),
            keeper: keeper(n),
            digest: self.attempt.claim(&self.job, &call(value)).digest(&domain),
            signature: Signature([n; 65]),
        }
    }

    fn observation(&self, n: u8, output: Output) -> Observation {
        let Args::Computed { module, .. } = &self.job.args else { panic!("a script") };
        Observation {
            task: self.attempt.task,
            attempt: self.attempt.no,
            keeper: keeper(n),
            module: module.digest(),
            engine: self.attempt.engine,
            input: B256::ZERO,
            transcript_root: Transcript::default().root(),
            fuel: 1,
            output,
            state: None,
            seal: Seal::alone(Signature([n; 65])),
        }
    }

    fn answer(&self, n: u8, value: u64) -> Answer {
        Answer {
            observation: self.observation(n, Output::Call(call(value))).into(),
            claim: Some(self.claim(n, 1, value)),
            transcript: Transcript::default(),
            log: String::new(),
            state: None,
        }
    }

    /// Keeper `n` came to this value.
    fn says(&mut self, n: u8, value: u64) -> Vec<String> {
        let answer = self.answer(n, value);
        self.hear(Input::Answer(Box::new(answer)))
    }

    /// Keeper `n` came to no call.
    fn ends(&mut self, n: u8, output: Output) -> Vec<String> {
        let answer =
            Answer { observation: self.observation(n, output).into(), claim: None, ..self.answer(n, 0) };
        self.hear(Input::Answer(Box::new(answer)))
    }

    /// Keeper `n` signs the call with this value in the second round.
    fn signs(&mut self, n: u8, value: u64) -> Vec<String> {
        let claim = self.claim(n, 2, value);
        self.hear(Input::Signed(claim))
    }

    fn declines(&mut self, n: u8) -> Vec<String> {
        self.hear(self.decline(n, "inconclusive", false))
    }

    /// Keeper `n` has no room now.
    fn is_busy(&mut self, n: u8) -> Vec<String> {
        self.hear(self.decline(n, "busy", true))
    }

    fn decline(&self, n: u8, reason: &str, transient: bool) -> Input {
        let (task, attempt) = (self.attempt.task, self.attempt.no);
        Input::Declined { task, attempt, keeper: keeper(n), reason: reason.to_owned(), transient }
    }
}

/// How keeper `n` takes no part.
type Leave = fn(&mut Story, u8) -> Vec<String>;

/// The run of another keeper, replayed by keeper `n`, comes to something else.
fn refuted(s: &mut Story, n: u8, of: u8) -> Vec<String> {
    let (task, attempt) = (s.attempt.task, s.attempt.no);
    let call = |request: &str| Some(MadeCall::asked("http_fetch", request, 7));
    let call =
        CallDifference { sequence: 2, one: call("the recorded one"), other: call(&"x".repeat(1 << 20)) };
    let found = Refutation {
        finding: format!("another call, says {n}"),
        came_to: "6".to_owned(),
        fuel: 9,
        call: Some(call),
        argument: None,
    };
    let found = Box::new(found);
    s.hear(Input::Refuted { task, attempt, keeper: keeper(n), accused: keeper(of), found })
}

fn line(effect: &Effect) -> String {
    match effect {
        Effect::Record(Fact::Observed(o)) => format!("observed {}", number(o.keeper)),
        Effect::Record(Fact::Claimed(c)) => format!("claimed {} in round {}", number(c.keeper), c.round.0),
        Effect::Record(fact) => panic!("the aggregator has no part in {fact:?}"),
        Effect::Assign { keeper, .. } => format!("assign {}", number(*keeper)),
        Effect::Second { keeper, round } => {
            let of: Vec<u8> = round.observations.iter().map(|o| number(o.keeper)).collect();
            let out: Vec<u8> = round.refuted.iter().map(|k| number(*k)).collect();
            let without = if out.is_empty() { String::new() } else { format!(" without {out:?}") };
            format!("{} to sign the run of {} of {of:?}{without}", number(*keeper), number(round.chosen))
        }
        Effect::Ended { outcome, .. } => match outcome {
            AttemptOutcome::Agreed(a) => {
                let signers: Vec<u8> = a.signatures.iter().map(|(k, _)| number(*k)).collect();
                format!("agreed {} {:?} by {signers:?}", a.call.arguments[0].as_str().unwrap_or("?"), a.how)
            }
            AttemptOutcome::Skipped(reason) => format!("skipped: {reason}"),
            AttemptOutcome::Failed(message) => format!("failed: {message}"),
            AttemptOutcome::Disagreed(_) => "disagreed".to_owned(),
            AttemptOutcome::Short { transient: false, .. } => "short".to_owned(),
            AttemptOutcome::Short { transient: true, .. } => "short for now".to_owned(),
        },
        Effect::Misbehaved { keeper, what, .. } => format!("{} broke {what:?}", number(*keeper)),
    }
}

/// What the last of these values, one per keeper from 1 on, brings about.
fn after(s: &mut Story, values: &[u64]) -> Vec<String> {
    s.begin();
    let mut said = Vec::new();
    for (n, value) in (1u8..).zip(values) {
        said = s.says(n, *value);
    }
    said.retain(|line| !line.starts_with("observed") && !line.starts_with("claimed"));
    said
}

#[test]
fn equal_calls_of_a_threshold_are_agreed_at_once() {
    let mut s = Story::new(3, 2, Agreement::Exact);
    assert_eq!(s.begin(), ["assign 1", "assign 2", "assign 3"]);
    assert_eq!(s.says(2, 5), ["observed 2", "claimed 2 in round 1"]);
    assert_eq!(s.begin(), ["assign 1", "assign 3"], "who has answered is not asked again");
    let agreed = "agreed 5 Equal by [1, 2]";
    assert_eq!(s.says(1, 5), ["observed 1", "claimed 1 in round 1", agreed]);
    assert!(s.says(3, 5).is_empty(), "late, and nothing is recorded of it");
    assert_eq!(s.begin(), [agreed], "how it ended is said again");
}

#[test]
fn what_values_come_to() {
    for (what, (keepers, threshold), agreement, values, expect) in [
        ("one liar, exact", (3, 2), Agreement::Exact, &[5, 9, 5][..], "agreed 5 Equal by [1, 3]"),
        ("all differ, exact", (3, 2), Agreement::Exact, &[5, 6, 7], "disagreed"),
        ("median", (3, 2), median("0"), &[7, 5, 6], "1 to sign the run of 3 of [1, 2, 3]"),
        (
            "a liar is never the middle",
            (3, 2),
            median("0"),
            &[7, 1_000_000, 6],
            "2 to sign the run of 1 of [1, 2, 3]",
        ),
        // With two liars of five the middle lies within what the three others saw.
        (
            "two liars above",
            (5, 3),
            median("0"),
            &[12, 900, 10, 901, 11],
            "2 to sign the run of 1 of [1, 2, 3, 4, 5]",
        ),
        (
            "two liars around",
            (5, 3),
            median("0"),
            &[12, 900, 10, 1, 11],
            "1 to sign the run of 5 of [1, 2, 3, 4, 5]",
        ),
        ("two liars who agree", (5, 3), Agreement::Exact, &[9, 5, 9, 5, 5], "agreed 5 Equal by [2, 4, 5]"),
        ("two liars, exact", (5, 3), Agreement::Exact, &[5, 9, 5, 8, 6], "disagreed"),
    ] {
        let mut s = Story::new(keepers, threshold, agreement);
        let said = after(&mut s, values);
        let first = said.iter().find(|line| line.contains(expect.split(' ').next().unwrap_or_default()));
        assert_eq!(first.map(String::as_str), Some(expect), "{what}: {said:?}");
    }
}

#[test]
fn the_middle_run_is_signed_by_the_others() {
    let mut s = Story::new(3, 2, median("0"));
    let asked = ["1 to sign the run of 3 of [1, 2, 3]", "2 to sign the run of 3 of [1, 2, 3]"];
    assert_eq!(after(&mut s, &[5, 7, 6]), asked);
    assert_eq!(s.begin(), asked, "asked again");
    assert!(s.signs(1, 5).is_empty(), "another call than the chosen one's: of an earlier life");
    assert_eq!(s.signs(2, 6), ["claimed 2 in round 2", "agreed 6 Median by [2, 3]"]);
    assert!(s.signs(1, 6).is_empty(), "late");
}

#[test]
fn two_are_measured_by_the_tolerance_once_the_third_is_not_waited_for() {
    for (values, expect) in [
        ([1_000, 1_010], &["2 to sign the run of 1 of [1, 2]", "3 to sign the run of 1 of [1, 2]"][..]),
        ([1_000, 1_011], &["disagreed"]),
    ] {
        let mut s = Story::new(3, 2, median("0.01"));
        assert!(after(&mut s, &values).is_empty(), "the third may still decide it");
        assert_eq!(s.machine.next_wake().map(|wake| wake.at), Some(secs(20)), "half of the attempt's time");
        assert!(s.tick(19).is_empty());
        assert_eq!(s.tick(20), expect, "{values:?}");
    }
    // Where it cannot come any more it is not waited for either.
    let mut s = Story::new(3, 2, median("0.01"));
    after(&mut s, &[1_000, 1_010]);
    let asked = ["2 to sign the run of 1 of [1, 2]", "3 to sign the run of 1 of [1, 2]"];
    assert_eq!(s.declines(3)[..], asked);
    // And it may sign although it came to nothing of its own.
    assert_eq!(s.signs(3, 1_000), ["claimed 3 in round 2", "agreed 1000 Tolerance by [1, 3]"]);
}

#[test]
fn a_second_word_counts_for_nothing() {
    let mut s = Story::new(3, 2, Agreement::Exact);
    s.begin();
    s.says(1, 5);
    assert!(s.says(1, 5).is_empty(), "said twice is said once");
    assert_eq!(s.says(1, 6), ["1 broke TwoAnswers"]);
    assert_eq!(s.says(2, 6), ["observed 2", "claimed 2 in round 1"], "the first word stands");
    assert_eq!(s.says(3, 5).last().map(String::as_str), Some("agreed 5 Equal by [1, 3]"));
    assert_eq!(s.says(2, 5), ["2 broke TwoAnswers"], "also when all is over");

    let mut s = Story::new(5, 3, median("0"));
    after(&mut s, &[1, 2, 3, 4, 5]);
    assert_eq!(s.signs(1, 3), ["claimed 1 in round 2"]);
    assert!(s.signs(1, 3).is_empty());
    assert_eq!(s.signs(1, 4), ["1 broke TwoClaims"]);
    assert_eq!(s.signs(5, 3), ["claimed 5 in round 2", "agreed 3 Median by [1, 3, 5]"]);
}

#[test]
fn what_does_not_belong_to_the_attempt_is_refused() {
    type Change = fn(&mut Answer);
    let cases: [(&str, Change, &[&str]); 10] = [
        ("another attempt", |a| Arc::make_mut(&mut a.observation).attempt = AttemptNo(2), &[]),
        ("another task", |a| Arc::make_mut(&mut a.observation).task = TaskId(B256::ZERO), &[]),
        ("a claim of another attempt", |a| edit(a, |c| c.attempt = AttemptNo(2)), &["1 broke WrongClaim"]),
        ("a claim of the second round", |a| edit(a, |c| c.round = Round(2)), &["1 broke WrongClaim"]),
        ("another's claim", |a| edit(a, |c| c.keeper = keeper(2)), &["1 broke WrongClaim"]),
        ("a claim over another call", |a| edit(a, |c| c.digest = B256::ZERO), &["1 broke WrongClaim"]),
        ("no claim", |a| a.claim = None, &["1 broke WrongClaim"]),
        (
            "another script",
            |a| Arc::make_mut(&mut a.observation).module = B256::ZERO,
            &["1 broke WrongSubject"],
        ),
        (
            "another transcript",
            |a| Arc::make_mut(&mut a.observation).transcript_root = B256::ZERO,
            &["1 broke WrongTranscript"],
        ),
        ("a stranger", |a| Arc::make_mut(&mut a.observation).keeper = keeper(9), &["9 broke Uninvited"]),
    ];
    for (what, change, expect) in cases {
        let mut s = Story::new(3, 2, Agreement::Exact);
        s.begin();
        let mut answer = s.answer(1, 5);
        change(&mut answer);
        assert_eq!(s.hear(Input::Answer(Box::new(answer))), expect, "{what}");
        assert_eq!(s.says(1, 5), ["observed 1", "claimed 1 in round 1"], "{what}: its place is still free");
    }
    let mut s = Story::new(3, 2, median("0"));
    after(&mut s, &[5, 7, 6]);
    assert_eq!(s.signs(9, 6), ["9 broke Uninvited"]);
}

fn edit(answer: &mut Answer, change: impl Fn(&mut SignedClaim)) {
    answer.claim.iter_mut().for_each(change);
}

#[test]
fn runs_without_a_call_are_counted_too() {
    let skip = || Output::Skip("closed".to_owned());
    let fail = |text: &str| Output::Fail(text.to_owned());
    for (what, outputs, expect) in [
        ("not now", [skip(), skip(), skip()], "skipped: closed"),
        ("the same failure", [fail("a"), fail("a"), fail("b")], "failed: a"),
        ("failures in other words", [fail("a"), fail("b"), fail("c")], "failed: a"),
        ("no two alike", [skip(), fail("a"), fail("b")], "disagreed"),
    ] {
        let mut s = Story::new(3, 2, Agreement::Exact);
        s.begin();
        let said: Vec<String> = (1u8..).zip(outputs).flat_map(|(n, output)| s.ends(n, output)).collect();
        let ended = said.iter().find(|line| !line.starts_with("observed"));
        assert_eq!(ended.map(String::as_str), Some(expect), "{what}: {said:?}");
    }
}

#[test]
fn an_attempt_ends_with_its_time() {
    let mut s = Story::new(3, 2, Agreement::Exact);
    s.begin();
    s.says(1, 5);
    assert!(s.tick(20).is_empty(), "one answer is no quorum, and the slow are waited for");
    assert_eq!(s.machine.next_wake().map(|wake| wake.at), Some(secs(40)));
    assert_eq!(s.tick(40), ["short"]);
    assert!(s.says(2, 5).is_empty(), "after the deadline");
    assert_eq!(s.begin(), ["short"], "remembered for a minute");
    s.tick(100);
    assert_eq!((s.machine.flights(), s.machine.next_wake()), (0, None));
    assert!(s.says(2, 5).is_empty(), "forgotten");
    let leaves: [(Leave, &str); 3] = [
        (|s, n| s.declines(n), "short"),
        (|s, n| s.is_busy(n), "short for now"),
        (|s, n| s.hear(Input::Gone(keeper(n))), "short for now"),
    ];
    for (leave, said) in leaves {
        // Those who cannot answer any more are not waited for.
        let mut s = Story::new(3, 2, Agreement::Exact);
        s.begin();
        s.says(1, 5);
        assert!(leave(&mut s, 2).is_empty());
        assert_eq!(leave(&mut s, 3), [said]);
        // Nor is the third where no quorum could come of it any more.
        let mut s = Story::new(3, 2, median("0"));
        s.begin();
        assert!(leave(&mut s, 2).is_empty());
        assert_eq!(leave(&mut s, 3), [said]);
    }
    // With who is away there would have been enough, or there would not.
    let mut s = Story::new(3, 2, Agreement::Exact);
    s.begin();
    assert!(s.declines(2).is_empty());
    assert_eq!(s.is_busy(1), ["short for now"]);
    let mut s = Story::new(4, 3, Agreement::Exact);
    s.begin();
    assert!(s.is_busy(1).is_empty());
    assert!(s.says(3, 5).len() <= 2);
    assert_eq!(s.declines(2), ["short for now"]);
    let mut s = Story::new(4, 3, Agreement::Exact);
    s.begin();
    assert!(s.declines(1).is_empty());
    assert_eq!(s.declines(2), ["short"]);
    let mut s = Story::new(3, 2, Agreement::Exact);
    s.begin();
    s.is_busy(2);
    let (task, attempt) = (s.attempt.task, s.attempt.no);
    let mut out = Vec::new();
    s.machine.handle(s.now, Input::Gone(keeper(1)), &mut out);
    let why = format!(
        "0 of the 2 keepers needed have answered; keeper {}: not connected; keeper {}: busy",
        keeper(1),
        keeper(2)
    );
    let outcome = AttemptOutcome::Short { why, transient: true };
    assert_eq!(out, [Effect::Ended { task, attempt, outcome }]);
    // One who comes back is asked again.
    let mut s = Story::new(3, 2, Agreement::Exact);
    s.begin();
    s.hear(Input::Gone(keeper(2)));
    assert_eq!(s.hear(Input::Back(keeper(2))), ["assign 2"]);
}

#[test]
fn a_restart_needs_the_attempt_and_the_keepers_first_words() {
    let mut s = Story::new(3, 2, median("0"));
    after(&mut s, &[5, 7, 6]);
    // It forgot what was said; keepers say the same again, for their journal holds one claim per round.
    assert_eq!(s.restarted(), ["assign 1", "assign 2", "assign 3"]);
    assert!(s.signs(1, 6).is_empty(), "signed for the earlier life, before there is a second round");
    let said: Vec<Vec<String>> = [(3, 6), (1, 5), (2, 7)].map(|(n, value)| s.says(n, value)).into();
    assert_eq!(said[2][2..], ["1 to sign the run of 3 of [1, 2, 3]", "2 to sign the run of 3 of [1, 2, 3]"]);
    assert_eq!(s.signs(1, 6), ["claimed 1 in round 2", "agreed 6 Median by [1, 3]"]);
    // One that was away when it started is not waited for, and asked when it is back.
    let mut s = Story::new(3, 2, Agreement::Exact);
    s.hear(Input::Gone(keeper(3)));
    assert_eq!(s.begin(), ["assign 1", "assign 2"]);
    assert_eq!(s.hear(Input::Back(keeper(3))), ["assign 3"]);
}

#[test]
fn a_refuted_run_gives_way_to_the_next_one() {
    // Keeper 3 guessed a value between the others'.
    let mut s = Story::new(3, 2, median("0"));
    after(&mut s, &[5, 7, 6]);
    assert!(refuted(&mut s, 1, 3).is_empty(), "one may be the liar");
    assert!(refuted(&mut s, 1, 3).is_empty(), "said twice is said once");
    assert!(refuted(&mut s, 3, 3).is_empty(), "nobody speaks of itself");
    let again = "2 to sign the run of 1 of [1, 2, 3] without [3]";
    assert_eq!(refuted(&mut s, 2, 3), ["3 broke Refuted", again]);
    assert_eq!(s.begin(), [again]);
    assert_eq!(s.machine.next_wake().map(|wake| wake.at), Some(secs(40)), "the deadline is the same");
    assert!(s.signs(3, 7).is_empty(), "of none of our choices");
    assert_eq!(s.signs(2, 5), ["claimed 2 in round 2", "agreed 5 Median by [1, 2]"]);
    assert!(refuted(&mut s, 2, 1).is_empty(), "late");
}

#[test]
fn what_keepers_differ_in_is_recorded_with_what_would_help() {
    let mut s = Story::new(3, 2, Agreement::Exact);
    assert_eq!(after(&mut s, &[5, 6, 7]), ["disagreed"]);
    let [report] = &s.disagreements[..] else { panic!("{:?}", s.disagreements) };
    let sides = (number(report.one.keeper), report.other.as_ref().map(|side| number(side.keeper)));
    assert_eq!(sides, (1, Some(2)));
    let argument = report.argument.as_ref().expect("two calls");
    assert_eq!((argument.path.as_str(), argument.one.as_deref()), ("$[0]", Some("\"5\"")));
    assert_eq!(report.remedies, [Remedy::Median, Remedy::TrustPerformer]);
    assert_eq!(report.call, None, "both were answered alike");

    // Of two answers 1,000 and 1,011 the larger is 1.09 % above.
    let mut s = Story::new(3, 2, median("0.01"));
    after(&mut s, &[1_000, 1_011]);
    assert_eq!(s.declines(3), ["disagreed"]);
    let report = s.disagreements.first().expect("recorded");
    assert_eq!(report.remedies[0], Remedy::Tolerance("0.0109".parse().expect("a decimal")));

    // A refuted run differs from its own replay: what the first keeper found is kept, as much as is kept of our own.
    let mut s = Story::new(3, 2, median("0"));
    after(&mut s, &[5, 7, 6]);
    refuted(&mut s, 1, 3);
    refuted(&mut s, 2, 3);
    let [report] = &s.disagreements[..] else { panic!("{:?}", s.disagreements) };
    let replay = report.other.as_ref().expect("the replay");
    assert_eq!((number(report.one.keeper), number(replay.keeper), replay.fuel), (3, 1, 9));
    assert_eq!((replay.came_to.as_str(), report.finding.as_str()), ("6", "another call, says 1"));
    assert_eq!(report.refuted_by, [keeper(1), keeper(2)]);
    let call = report.call.as_ref().expect("the call in which they part");
    let request = |side: &Option<MadeCall>| side.as_ref().map(|made| made.request.clone()).expect("a call");
    assert_eq!((call.sequence, request(&call.one).as_str()), (2, "the recorded one"));
    assert!(request(&call.other).len() < 2_000, "a keeper does not say how much is kept");
}

#[test]
fn one_liar_refutes_nothing() {
    let mut s = Story::new(3, 2, median("0"));
    after(&mut s, &[5, 7, 6]);
    assert!(refuted(&mut s, 2, 3).is_empty());
    assert!(refuted(&mut s, 2, 1).is_empty(), "nor what was not chosen");
    assert_eq!(s.signs(1, 6), ["claimed 1 in round 2", "agreed 6 Median by [1, 3]"]);
    // As with a decline, nobody waits for more where nothing can come of it.
    let mut s = Story::new(3, 2, median("0"));
    after(&mut s, &[5, 7, 6]);
    refuted(&mut s, 2, 3);
    assert_eq!(s.declines(1), ["short"]);
}

#[test]
fn two_liars_of_five_are_found_out_one_by_one() {
    let mut s = Story::new(5, 3, median("0"));
    // 4 and 5 lie. 4 signs what 5 says, and 5 what 4 says.
    after(&mut s, &[10, 20, 30, 22, 24]);
    assert_eq!(s.signs(5, 22), ["claimed 5 in round 2"]);
    assert!(refuted(&mut s, 1, 4).is_empty());
    assert!(refuted(&mut s, 2, 4).is_empty());
    assert!(s.tick(39).is_empty(), "2 signatures can become 3, and 2 refutations as well");
    // Of 10, 20, 24 and 30 the lower middle: an honest one. Who signed cannot sign another call.
    assert_eq!(
        refuted(&mut s, 3, 4),
        [
            "4 broke Refuted",
            "1 to sign the run of 2 of [1, 2, 3, 4, 5] without [4]",
            "3 to sign the run of 2 of [1, 2, 3, 4, 5] without [4]",
        ]
    );
    assert_eq!(s.signs(5, 20), ["5 broke TwoClaims"]);
    assert_eq!(s.signs(1, 20), ["claimed 1 in round 2"]);
    assert_eq!(s.signs(3, 20), ["claimed 3 in round 2", "agreed 20 Median by [1, 2, 3]"]);

    let mut s = Story::new(5, 3, median("0"));
    after(&mut s, &[10, 20, 30, 12, 14]);
    s.hear(Input::Gone(keeper(5)));
    for (n, of) in [(1, 5), (2, 5)] {
        assert!(refuted(&mut s, n, of).is_empty());
    }
    assert_eq!(refuted(&mut s, 3, 5)[0], "5 broke Refuted");
    for n in [1, 2] {
        assert!(refuted(&mut s, n, 4).is_empty());
    }
    let again = refuted(&mut s, 3, 4);
    assert_eq!(again[..2], ["4 broke Refuted", "1 to sign the run of 2 of [1, 2, 3, 4, 5] without [4, 5]"]);
    assert_eq!(s.signs(3, 20), ["claimed 3 in round 2"]);
    assert_eq!(s.signs(1, 20), ["claimed 1 in round 2", "agreed 20 Median by [1, 2, 3]"]);
}

#[test]
fn who_was_slow_judges_the_refuted_run_first() {
    let mut s = Story::new(5, 3, median("0"));
    after(&mut s, &[10, 20, 30, 22, 24]);
    s.hear(Input::Gone(keeper(3)));
    // With the help of keeper 5, which lies when it suits it.
    for n in [1, 2] {
        assert!(refuted(&mut s, n, 4).is_empty());
    }
    let next = "1 to sign the run of 2 of [1, 2, 3, 4, 5] without [4]";
    assert_eq!(
        refuted(&mut s, 5, 4),
        ["4 broke Refuted", next, "5 to sign the run of 2 of [1, 2, 3, 4, 5] without [4]"]
    );
    assert_eq!(s.hear(Input::Back(keeper(3))), ["3 to sign the run of 4 of [1, 2, 3, 4, 5]"]);
    assert_eq!(refuted(&mut s, 3, 4), ["3 to sign the run of 2 of [1, 2, 3, 4, 5] without [4]"]);
    assert_eq!(s.signs(1, 20), ["claimed 1 in round 2"]);
    assert_eq!(s.signs(3, 20), ["claimed 3 in round 2", "agreed 20 Median by [1, 2, 3]"]);
}

#[test]
fn a_trusted_one_that_is_refuted_is_followed_by_the_next() {
    let mut s = Story::new(3, 2, Agreement::TrustPerformer);
    s.begin();
    s.says(1, 9);
    s.tick(20);
    refuted(&mut s, 2, 1);
    assert_eq!(refuted(&mut s, 3, 1), ["1 broke Refuted", "assign 2"]);
    assert_eq!(s.says(2, 5)[2..], ["3 to sign the run of 2 of [1, 2] without [1]"]);
    assert_eq!(s.signs(3, 5), ["claimed 3 in round 2", "agreed 5 Performer by [2, 3]"]);
}

#[test]
fn one_that_is_trusted_is_asked_alone() {
    let mut s = Story::new(3, 2, Agreement::TrustPerformer);
    assert_eq!(s.begin(), ["assign 1"]);
    assert_eq!(s.declines(1), ["assign 2"], "the next one");
    let asked = ["1 to sign the run of 2 of [2]", "3 to sign the run of 2 of [2]"];
    assert_eq!(s.says(2, 5)[2..], asked);
    assert_eq!(s.signs(3, 5), ["claimed 3 in round 2", "agreed 5 Performer by [2, 3]"]);
}

/// An answer of keeper `n` with this value, that observed one state and brings along another.
fn with_state(s: &Story, n: u8, value: u64, observed: Option<B256>, brought: Option<&State>) -> Answer {
    let observation = Observation { state: observed, ..s.observation(n, Output::Call(call(value))) };
    let state = brought.map(|state| Arc::new(state.clone()));
    Answer { observation: observation.into(), state, ..s.answer(n, value) }
}

#[test]
fn a_quorum_is_of_those_who_came_to_the_same_state() {
    let states: Vec<State> = (0..3u8)
        .map(|n| {
            let mut state = State::default();
            state.set("n", vec![n].into()).expect("room");
            state
        })
        .collect();
    let root = |n: usize| Some(states[n].root());
    let mut s = Story::new(3, 2, Agreement::Exact);
    s.attempt.state = Some(StateRef { root: states[0].root(), version: TaskNumber(1) });
    s.begin();
    let says = |s: &mut Story, answer: Answer| s.hear(Input::Answer(Box::new(answer)));
    // None where there is one, one that was not brought, and one that is not what was observed.
    for (observed, brought) in
        [(None, None), (root(1), None), (root(1), Some(&states[2])), (root(0), Some(&states[0]))]
    {
        let answer = with_state(&s, 1, 5, observed, brought);
        assert_eq!(says(&mut s, answer), ["1 broke WrongState"], "{observed:?}");
    }
    // A failure that writes.
    let failure = Observation { state: root(1), ..s.observation(1, Output::Fail("boom".to_owned())) };
    let state = Some(Arc::new(states[1].clone()));
    let answer = Answer { observation: failure.into(), claim: None, state, ..s.answer(1, 5) };
    assert_eq!(says(&mut s, answer), ["1 broke WrongState"]);
    let answer = with_state(&s, 1, 5, root(1), Some(&states[1]));
    assert_eq!(says(&mut s, answer), ["observed 1", "claimed 1 in round 1"]);
    let answer = with_state(&s, 2, 5, root(2), Some(&states[2]));
    assert_eq!(says(&mut s, answer), ["observed 2", "claimed 2 in round 1"], "the same call is not enough");
    let answer = with_state(&s, 3, 5, root(1), Some(&states[1]));
    let said = says(&mut s, answer);
    assert_eq!(said.last().map(String::as_str), Some("agreed 5 Equal by [1, 3]"));
    // Where the job has no storage a state is out of place.
    let mut s = Story::new(3, 2, Agreement::Exact);
    s.begin();
    let answer = with_state(&s, 1, 5, root(1), Some(&states[1]));
    assert_eq!(says(&mut s, answer), ["1 broke WrongState"]);
}
