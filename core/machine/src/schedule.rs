//! When a cursor opens what: pure decisions over a job, its cursor and the time.
//!
//! The scheduler carries steps out in order and stops at the first that the store does not take (another writer was
//! first, or the job is gone); it then reads the job again. Opening comes with the cursor after it, never the other
//! way round, so a crash repeats an opening, which is opening once, and loses none.

use std::time::Duration;

use argus_domain::{
    chain::Log,
    decimal::Decimal,
    decision::{Compared, Outcome},
    ids::{Occurrence, TaskId, TaskNumber},
    job::{Crossing, Cursor, JobRecord, Misfire, Position, Trigger},
    rule::Rule,
    task::{Task, TriggerFact},
    time::Timestamp,
};

use crate::invariant;

/// How the scheduler treats lateness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// An instant this late is still on time: what a scan may take. Only [`Misfire::Skip`] asks.
    pub on_time: Duration,
    /// Tasks of one job opened per look when catching up; the rest follow at the next look.
    pub batch: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Self { on_time: Duration::from_secs(30), batch: 100 }
    }
}

/// One thing to do, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Open this task, and move its job's cursor to this one with it.
    Open(Box<(Task, Cursor)>),
    /// Move the cursor alone.
    Move(Box<Cursor>),
}

/// A time job at `now`. An instant within its time frame counts although the look at it comes later, even after the
/// end of the time frame: what becomes of it is the misfire policy's. Instants before `not_before` (the end of a pause) are passed over without a run.
pub fn time(record: &JobRecord, now: Timestamp, not_before: Option<Timestamp>, rules: Rules) -> Vec<Step> {
    let job = &record.job;
    let Trigger::Time(schedule) = &job.trigger else { return Vec::new() };
    if record.paused_at.is_some() || record.deleted_at.is_some() || record.cursor.finished {
        return Vec::new();
    }
    let Some(due) = record.cursor.next_due.filter(|due| *due <= now.min(job.expires_at)) else {
        return expire(record, now);
    };
    let anchor = job.accepted_at;
    let plan = schedule.plan();
    let first = not_before.map_or(due, |at| at.max(due));
    let missed =
        plan.missed(anchor, Timestamp(first.0.saturating_sub(1)), now.min(job.expires_at), rules.batch);
    let run: Vec<Timestamp> = match job.policy.misfire {
        Misfire::RunOnce => missed.latest.into_iter().collect(),
        Misfire::Skip => missed.latest.filter(|at| now.since(*at) <= rules.on_time).into_iter().collect(),
        Misfire::CatchUp => missed.first,
    };
    let next_after = |at: Timestamp| plan.next_after(anchor, at).filter(|next| *next <= job.expires_at);
    let mut opening = Opening::new(record, now);
    for due in &run {
        let next = next_after(*due);
        opening.cursor.next_due = next;
        opening.cursor.finished = next.is_none();
        opening.open(Occurrence::Time(*due), *due, TriggerFact::Due);
    }
    if run.is_empty() {
        let next = next_after(now);
        opening.cursor.next_due = next;
        opening.cursor.finished = next.is_none();
        opening.step();
    }
    opening.steps
}

/// An event job: `logs` match its filter, are as deep as the filter asks and in order of (block, index), and every
/// block up to `seen_to` has been searched. A reorg puts logs into blocks that the cursor has passed: the caller
/// searches again from as far back as the chain may reorganise ([`search_from`]), and leaves out logs whose task the
/// store has already.
pub fn event(record: &JobRecord, logs: Vec<Log>, seen_to: u64, now: Timestamp) -> Vec<Step> {
    if !record.is_armed(now) {
        return expire(record, now);
    }
    let Position::Event { block: from } = record.cursor.position else { return Vec::new() };
    let mut opening = Opening::new(record, now);
    let seen_to = seen_to.max(from);
    let mut logs = logs.into_iter().filter(|log| log.block_number <= seen_to).peekable();
    while let Some(log) = logs.next() {
        // A block is passed only with its last log, so that a crash between two of them finds the others again.
        let block =
            if logs.peek().is_some() { from.max(log.block_number.saturating_sub(1)) } else { seen_to };
        opening.cursor.position = Position::Event { block };
        opening.cursor.finished = !record.job.recurring;
        let occurrence = Occurrence::Event(log.chain, log.transaction, log.index_in_transaction);
        opening.open(occurrence, log.block_time, TriggerFact::Log(log));
        if opening.cursor.finished {
            return opening.steps;
        }
    }
    if opening.steps.is_empty() && seen_to > from {
        opening.cursor.position = Position::Event { block: seen_to };
        opening.step();
    }
    opening.steps
}

/// The first block that an event job's next search has to cover, where reorgs reach `reorg_max` blocks deep.
pub fn search_from(record: &JobRecord, reorg_max: u64) -> u64 {
    match record.cursor.position {
        Position::Event { block } => (block + 1).saturating_sub(reorg_max),
        Position::Time | Position::Condition { .. } => 0,
    }
}

/// A condition job whose source showed `value` at `now`; `None`: only what an earlier look left half done. A
/// crossing is durable in the cursor before its task is opened, because nobody can observe the past again.
pub fn condition(record: &JobRecord, value: Option<&Decimal>, now: Timestamp) -> Vec<Step> {
    if !record.is_armed(now) {
        return expire(record, now);
    }
    let (Trigger::Condition(rule), Position::Condition { crossings, held, last }) =
        (&record.job.trigger, record.cursor.position.clone())
    else {
        return Vec::new();
    };
    let mut opening = Opening::new(record, now);
    let mut last = last;
    if let Some(crossing) = last.as_mut().filter(|c| !c.opened) {
        opening.open_crossing(crossing, (crossings, held));
        if opening.cursor.finished {
            return opening.steps;
        }
    }
    let Some(value) = value else { return opening.steps };
    let holds = rule.comparison.holds(value);
    if look(rule, (held, last.as_ref()), value, now) == Look::Crosses {
        let mut crossing = Crossing { ordinal: crossings + 1, value: value.clone(), at: now, opened: false };
        opening.cursor.position = Position::Condition {
            crossings: crossing.ordinal,
            held: Some(true),
            last: Some(crossing.clone()),
        };
        opening.step();
        let ordinal = crossing.ordinal;
        opening.open_crossing(&mut crossing, (ordinal, Some(true)));
    } else if held != Some(holds) {
        opening.cursor.position = Position::Condition { crossings, held: Some(holds), last };
        opening.step();
    }
    opening.steps
}

/// Why `value` is no crossing of a condition job at `now`; `None`: it is one, or the job is none that looks at values.
pub fn why_not_crossed(record: &JobRecord, value: &Decimal, now: Timestamp) -> Option<Outcome> {
    let (Trigger::Condition(rule), Position::Condition { held, last, .. }) =
        (&record.job.trigger, &record.cursor.position)
    else {
        return None;
    };
    let compared = || Compared { value: value.clone(), comparison: rule.comparison.clone() };
    match look(rule, (*held, last.as_ref()), value, now) {
        Look::Crosses => None,
        Look::Unfulfilled => Some(Outcome::Unfulfilled(compared())),
        Look::StillFulfilled => Some(Outcome::StillFulfilled(compared())),
        Look::Cooling { until } => Some(Outcome::Cooling { compared: compared(), until }),
    }
}

/// What a value is to a condition.
#[derive(PartialEq, Eq)]
enum Look {
    Crosses,
    Unfulfilled,
    StillFulfilled,
    Cooling { until: Timestamp },
}

fn look(
    rule: &Rule,
    (held, last): (Option<bool>, Option<&Crossing>),
    value: &Decimal,
    now: Timestamp,
) -> Look {
    if !rule.comparison.holds(value) {
        return Look::Unfulfilled;
    }
    if held == Some(true) {
        return Look::StillFulfilled;
    }
    let until = last.map(|crossing| crossing.at + Duration::from_secs(rule.cooldown_secs));
    until.filter(|until| now < *until).map_or(Look::Crosses, |until| Look::Cooling { until })
}

/// The first instant of a time job that `steps`, decided at `now`, pass over without a run of its own.
pub fn passed_over(record: &JobRecord, steps: &[Step], now: Timestamp) -> Option<Timestamp> {
    let due = record.cursor.next_due.filter(|due| *due <= now.min(record.job.expires_at))?;
    let first = steps.first()?;
    match first {
        Step::Open(open) if open.0.due == due => None,
        Step::Open(_) | Step::Move(_) => Some(due),
    }
}

/// Past its time frame a job is finished, whatever its cursor says.
fn expire(record: &JobRecord, now: Timestamp) -> Vec<Step> {
    if now <= record.job.expires_at || record.cursor.finished || record.deleted_at.is_some() {
        return Vec::new();
    }
    let mut opening = Opening::new(record, now);
    opening.cursor.finished = true;
    opening.cursor.next_due = None;
    opening.step();
    opening.steps
}

/// Steps in the making: a cursor that counts its own writes.
struct Opening<'a> {
    record: &'a JobRecord,
    now: Timestamp,
    cursor: Cursor,
    steps: Vec<Step>,
}

impl<'a> Opening<'a> {
    fn new(record: &'a JobRecord, now: Timestamp) -> Self {
        Self { record, now, cursor: record.cursor.clone(), steps: Vec::new() }
    }

    fn step(&mut self) {
        self.cursor.revision += 1;
        self.steps.push(Step::Move(Box::new(self.cursor.clone())));
    }

    fn open(&mut self, occurrence: Occurrence, due: Timestamp, trigger: TriggerFact) {
        let job = &self.record.job;
        if self.cursor.opened.0 >= TaskNumber::MAX {
            self.cursor.finished = true;
            self.step();
            return;
        }
        debug_assert!(
            !matches!(trigger, TriggerFact::Due) || invariant::never_early(due, self.now),
            "{}",
            invariant::NEVER_EARLY
        );
        self.cursor.opened = TaskNumber(self.cursor.opened.0 + 1);
        self.cursor.revision += 1;
        let task = Task {
            id: TaskId::of(job.id, &occurrence),
            job: job.id,
            job_version: job.version,
            serial: job.serial,
            number: self.cursor.opened,
            occurrence,
            due,
            opened_at: self.now,
            trigger,
        };
        self.steps.push(Step::Open(Box::new((task, self.cursor.clone()))));
    }

    fn open_crossing(&mut self, crossing: &mut Crossing, (crossings, held): (u64, Option<bool>)) {
        crossing.opened = true;
        self.cursor.position = Position::Condition { crossings, held, last: Some(crossing.clone()) };
        self.cursor.finished = !self.record.job.recurring;
        let trigger = TriggerFact::Value { value: crossing.value.clone(), at: crossing.at };
        self.open(Occurrence::Condition(crossing.ordinal), crossing.at, trigger);
    }
}
