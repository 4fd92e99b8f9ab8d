//! Cursors: what is opened when, and what a crash between two steps leaves to be found again.

use std::time::Duration;

use argus_domain::{
    Address, B256, Bytes, U256,
    chain::Log,
    decimal::Decimal,
    event::EventFilter,
    ids::{Occurrence, TaskId, TaskNumber},
    job::{Crossing, Cursor, JobRecord, Misfire, Position, Trigger},
    rule::{Comparison, Rule, SourceKind, ValueSource},
    schedule::Schedule,
    task::TriggerFact,
};
use argus_machine::schedule::{Rules, Step, condition, event, search_from, time};

use crate::{CHAIN, job, secs};

const RULES: Rules = Rules { on_time: Duration::from_secs(30), batch: 100 };

fn record(trigger: Trigger, position: Position) -> JobRecord {
    let next_due = matches!(position, Position::Time).then(|| secs(60));
    let job = argus_domain::job::Job { trigger, ..job() };
    let cursor =
        Cursor { job: job.id, revision: 0, next_due, opened: TaskNumber(0), position, finished: false };
    JobRecord {
        job,
        cursor,
        paused_at: None,
        deleted_at: None,
        updated_at: secs(0),
        last_opened_at: None,
        charged: U256::ZERO,
    }
}

fn every_minute(misfire: Misfire) -> JobRecord {
    let mut record = record(Trigger::Time(Schedule::Interval { every_secs: 60 }), Position::Time);
    record.job.policy.misfire = misfire;
    record
}

/// A step as a line: what it opens, and where its cursor stands after it.
fn line(step: &Step) -> String {
    let (what, cursor) = match step {
        Step::Open(both) => {
            let (task, cursor) = &**both;
            let which = match &task.occurrence {
                Occurrence::Time(at) => format!("@{}", at.as_secs()),
                Occurrence::Event(_, transaction, index) => format!("{}/{index}", transaction[0]),
                Occurrence::Condition(ordinal) => format!("crossing {ordinal}"),
            };
            (format!("open {} {which}", task.number.0), cursor)
        }
        Step::Move(cursor) => ("move".to_owned(), &**cursor),
    };
    let stands = match &cursor.position {
        Position::Time => cursor.next_due.map(|at| format!("next {}", at.as_secs())).unwrap_or_default(),
        Position::Event { block } => format!("block {block}"),
        Position::Condition { crossings, held, last } => {
            let half = last.as_ref().is_some_and(|c| !c.opened);
            format!("{crossings} crossings, held {held:?}{}", if half { ", one to open" } else { "" })
        }
    };
    let end = if cursor.finished { "finished" } else { "" };
    let parts = [what, stands, end.to_owned()];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

fn lines(steps: &[Step]) -> Vec<String> {
    steps.iter().map(line).collect()
}

/// What a store does with a step: only the next revision is taken.
fn take(record: &mut JobRecord, opened: &mut Vec<TaskId>, step: &Step) {
    let cursor = match step {
        Step::Open(both) => {
            opened.push(both.0.id);
            &both.1
        }
        Step::Move(cursor) => cursor,
    };
    assert_eq!(cursor.revision, record.cursor.revision + 1, "a revision is left out");
    record.cursor = cursor.clone();
}

/// Dies after each number of steps in turn and looks again, until nothing is left to do: each time the same tasks.
fn survives_every_crash(record: &JobRecord, look: impl Fn(&JobRecord) -> Vec<Step>) -> Vec<TaskId> {
    let run = |mut die_after: Option<usize>| {
        let (mut record, mut opened) = (record.clone(), Vec::new());
        for _ in 0..1_000 {
            let steps = look(&record);
            if steps.is_empty() {
                return opened;
            }
            let count = die_after.take().unwrap_or(usize::MAX);
            for step in steps.iter().take(count.max(1)) {
                take(&mut record, &mut opened, step);
            }
        }
        panic!("it never comes to rest: {opened:?}");
    };
    let whole = run(None);
    for steps in 1..=look(record).len() {
        assert_eq!(run(Some(steps)), whole, "a crash after {steps} steps");
    }
    whole
}

#[test]
fn what_becomes_of_missed_instants_is_the_policys() {
    use Misfire::{CatchUp, RunOnce, Skip};
    for (misfire, now, expect) in [
        // In time: all alike.
        (RunOnce, 59, vec![]),
        (RunOnce, 60, vec!["open 1 @60, next 120"]),
        (Skip, 60, vec!["open 1 @60, next 120"]),
        (Skip, 90, vec!["open 1 @60, next 120"]),
        (CatchUp, 119, vec!["open 1 @60, next 120"]),
        // After an outage over three instants.
        (RunOnce, 200, vec!["open 1 @180, next 240"]),
        (Skip, 210, vec!["open 1 @180, next 240"]),
        (Skip, 211, vec!["move, next 240"]),
        (CatchUp, 200, vec!["open 1 @60, next 120", "open 2 @120, next 180", "open 3 @180, next 240"]),
        // After the last instant that the time frame has.
        (RunOnce, 3_600, vec!["open 1 @3600, finished"]),
        (RunOnce, 9_000, vec!["open 1 @3600, finished"]),
        (Skip, 9_000, vec!["move, finished"]),
    ] {
        let steps = time(&every_minute(misfire), secs(now), None, RULES);
        assert_eq!(lines(&steps), expect, "{misfire:?} at {now}");
    }
}

#[test]
fn catching_up_goes_on_at_the_next_look() {
    let rules = Rules { batch: 2, ..RULES };
    let mut record = every_minute(Misfire::CatchUp);
    let mut opened = Vec::new();
    for expect in [
        vec!["open 1 @60, next 120", "open 2 @120, next 180"],
        vec!["open 3 @180, next 240", "open 4 @240, next 300"],
        vec!["open 5 @300, next 360"],
        vec![],
    ] {
        let steps = time(&record, secs(301), None, rules);
        assert_eq!(lines(&steps), expect);
        steps.iter().for_each(|step| take(&mut record, &mut opened, step));
    }
    let whole = survives_every_crash(&every_minute(Misfire::CatchUp), |r| time(r, secs(301), None, rules));
    assert_eq!(whole, opened);
}

#[test]
fn what_a_pause_covers_is_passed_over() {
    for (not_before, expect) in [
        (200, vec!["move, next 240"]),
        (180, vec!["open 1 @180, next 240"]),
        (61, vec!["open 1 @120, next 180", "open 2 @180, next 240"]),
        (0, vec!["open 1 @60, next 120", "open 2 @120, next 180", "open 3 @180, next 240"]),
    ] {
        let steps = time(&every_minute(Misfire::CatchUp), secs(200), Some(secs(not_before)), RULES);
        assert_eq!(lines(&steps), expect, "not before {not_before}");
    }
}

#[test]
fn a_job_that_is_held_or_over_opens_nothing() {
    let changed = |change: fn(&mut JobRecord)| {
        let mut record = every_minute(Misfire::CatchUp);
        change(&mut record);
        record
    };
    for (what, record, expect) in [
        ("paused", changed(|r| r.paused_at = Some(secs(1))), vec![]),
        ("deleted", changed(|r| r.deleted_at = Some(secs(1))), vec![]),
        ("finished", changed(|r| r.cursor.finished = true), vec![]),
        ("over", changed(|r| r.cursor.next_due = None), vec!["move, finished"]),
        (
            "out of numbers",
            changed(|r| r.cursor.opened = TaskNumber(TaskNumber::MAX)),
            vec!["move, finished"],
        ),
    ] {
        let steps = time(&record, secs(9_000), None, Rules { batch: 1, ..RULES });
        let steps: Vec<_> = lines(&steps).iter().map(|l| l.replace("next 120, ", "")).collect();
        assert_eq!(steps, expect, "{what}");
    }
}

fn on_event(block: u64) -> JobRecord {
    let filter = EventFilter {
        chain: CHAIN,
        contract: Address::ZERO,
        signature: String::new(),
        topic0: B256::ZERO,
        test: None,
        confirmations: 0,
    };
    record(Trigger::Event(filter), Position::Event { block })
}

/// A log in a block, named by its transaction and its place in it.
fn log(block_number: u64, transaction: u8, index_in_transaction: u32) -> Log {
    Log {
        chain: CHAIN,
        address: Address::ZERO,
        topics: Vec::new(),
        data: Bytes::new(),
        block_number,
        block_hash: B256::ZERO,
        block_time: secs(block_number),
        transaction: B256::repeat_byte(transaction),
        index_in_block: 0,
        index_in_transaction,
    }
}

#[test]
fn a_block_is_passed_with_its_last_log() {
    for (what, logs, seen_to, expect) in [
        ("nothing", vec![], 10, vec![]),
        ("no logs", vec![], 14, vec!["move, block 14"]),
        ("one", vec![log(12, 1, 0)], 14, vec!["open 1 1/0, block 14"]),
        (
            "two in one block",
            vec![log(12, 1, 0), log(12, 1, 1), log(13, 2, 0)],
            14,
            vec!["open 1 1/0, block 11", "open 2 1/1, block 11", "open 3 2/0, block 14"],
        ),
        ("not searched yet", vec![log(12, 1, 0), log(15, 2, 0)], 14, vec!["open 1 1/0, block 14"]),
        // A reorg put it into a block that was passed: the cursor does not go back.
        ("late", vec![log(7, 1, 0)], 10, vec!["open 1 1/0, block 10"]),
        (
            "late and not alone",
            vec![log(7, 1, 0), log(8, 2, 0)],
            9,
            vec!["open 1 1/0, block 10", "open 2 2/0, block 10"],
        ),
    ] {
        let steps = event(&on_event(10), logs, seen_to, secs(20));
        assert_eq!(lines(&steps), expect, "{what}");
    }
    let mut once = on_event(10);
    once.job.recurring = false;
    let steps = event(&once, vec![log(12, 1, 0), log(13, 2, 0)], 14, secs(20));
    assert_eq!(lines(&steps), ["open 1 1/0, block 11, finished"]);
    assert_eq!(
        lines(&event(&on_event(10), vec![log(12, 1, 0)], 14, secs(3_601))),
        ["move, block 10, finished"]
    );
    for (block, reorg_max, from) in [(10, 0, 11), (10, 4, 7), (10, 64, 0)] {
        assert_eq!(search_from(&on_event(block), reorg_max), from);
    }
}

#[test]
fn logs_are_found_again_after_a_crash() {
    let all = [log(11, 1, 0), log(12, 2, 0), log(12, 2, 1), log(12, 3, 0), log(14, 4, 0)];
    let opened = survives_every_crash(&on_event(10), |record| {
        let Position::Event { block } = record.cursor.position else { panic!("an event job") };
        // What the shell searches, without logs whose task it has: those before the cursor's number.
        let logs = all.iter().skip(usize::try_from(record.cursor.opened.0).expect("a few"));
        event(record, logs.filter(|log| log.block_number > block).cloned().collect(), 14, secs(20))
    });
    assert_eq!(opened.len(), all.len());
}

fn above(limit: u32, cooldown_secs: u64) -> JobRecord {
    let rule = Rule {
        comparison: Comparison::GreaterThan(decimal(limit)),
        source: ValueSource { kind: SourceKind::Api, url: String::new(), route: None },
        cooldown_secs,
    };
    record(Trigger::Condition(rule), Position::Condition { crossings: 0, held: None, last: None })
}

fn decimal(n: u32) -> Decimal {
    n.to_string().parse().expect("a number")
}

/// Which of these values, one every ten seconds, open a task.
fn crossings(mut record: JobRecord, values: &[u32]) -> Vec<usize> {
    let mut crossed = Vec::new();
    for (n, value) in values.iter().enumerate() {
        let mut opened = Vec::new();
        for step in condition(&record, Some(&decimal(*value)), secs(10 * n as u64)) {
            take(&mut record, &mut opened, &step);
        }
        assert!(opened.len() <= 1);
        crossed.extend(opened.iter().map(|_| n));
    }
    crossed
}

#[test]
fn a_value_opens_a_task_when_it_comes_to_hold() {
    for (what, record, values, expect) in [
        ("the first one counts", above(5, 0), &[6, 7][..], vec![0]),
        ("equal is not above", above(5, 0), &[5, 5], vec![]),
        ("each time anew", above(5, 0), &[1, 6, 9, 5, 6, 0, 9], vec![1, 4, 6]),
        ("a crossing in a cool-down is none", above(5, 30), &[6, 1, 6, 6, 6], vec![0]),
        ("the first one after it", above(5, 30), &[6, 1, 6, 6, 1, 6], vec![0, 5]),
    ] {
        assert_eq!(crossings(record, values), expect, "{what}");
    }
    let mut once = above(5, 0);
    once.job.recurring = false;
    assert_eq!(crossings(once, &[6, 1, 6]), [0]);
}

#[test]
fn a_crossing_is_durable_before_its_task() {
    let steps = condition(&above(5, 0), Some(&decimal(6)), secs(10));
    let opened = "open 1 crossing 1, 1 crossings, held Some(true)";
    assert_eq!(lines(&steps), ["move, 1 crossings, held Some(true), one to open", opened]);
    // Dead in between: the task is opened by the value that was seen then, whatever the source shows now.
    let mut record = above(5, 0);
    take(&mut record, &mut Vec::new(), &steps[0]);
    for value in [None, Some(decimal(7)), Some(decimal(1))] {
        let steps = condition(&record, value.as_ref(), secs(99));
        let Some(Step::Open(both)) = steps.first() else { panic!("{steps:?}") };
        assert_eq!((both.0.due, lines(&steps)[0].as_str()), (secs(10), opened));
        assert_eq!(both.0.trigger, TriggerFact::Value { value: decimal(6), at: secs(10) });
        let last = Crossing { ordinal: 1, value: decimal(6), at: secs(10), opened: true };
        let held = Some(true);
        assert_eq!(both.1.position, Position::Condition { crossings: 1, held, last: Some(last) });
    }
    let whole = survives_every_crash(&above(5, 0), |record| {
        let is_new = !matches!(record.cursor.position, Position::Condition { held: Some(true), .. });
        condition(record, is_new.then(|| decimal(6)).as_ref(), secs(10))
    });
    assert_eq!(whole.len(), 1);
}
