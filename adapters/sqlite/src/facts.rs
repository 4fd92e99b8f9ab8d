//! Facts: recording and reading.

use std::collections::HashMap;

use argus_domain::{
    ids::TaskId,
    lease::Fence,
    task::{Fact, Verdict},
};
use argus_ports::{Recorded, Recording};
use argus_proto::encode;
use rusqlite::{Connection, OptionalExtension, params};

use crate::{
    cell::{body, place},
    charges,
    fault::Fault,
    leases,
};

/// A fact to be recorded, encoded before the writer has it.
pub(crate) struct Written {
    task: TaskId,
    key: String,
    body: Vec<u8>,
    mark: Option<Mark>,
    fence: Option<Fence>,
}

/// What a fact means for the rows of its task and job.
#[derive(Clone, Copy)]
enum Mark {
    Agreed,
    SettledOtherwise,
    Ended,
    Announced,
    OfReceipt,
}

impl Written {
    pub(crate) fn new(Recording { fact, fence }: &Recording) -> Self {
        let mark = match fact {
            Fact::Settled(settlement) => Some(match settlement.verdict {
                Verdict::Agreed(_) => Mark::Agreed,
                Verdict::Skipped(_) | Verdict::Failed(_) | Verdict::Withdrawn(_) | Verdict::Exhausted(_) => {
                    Mark::SettledOtherwise
                }
            }),
            Fact::Confirmed { .. } | Fact::Lapsed { .. } => Some(Mark::Ended),
            Fact::Announced { .. } => Some(Mark::Announced),
            Fact::Received(_) | Fact::Revoked { .. } => Some(Mark::OfReceipt),
            Fact::Attempted(_)
            | Fact::Observed(_)
            | Fact::Claimed(_)
            | Fact::HandedOff(_)
            | Fact::Broadcast(_)
            | Fact::TriggerLost { .. }
            | Fact::Challenged(_)
            | Fact::Disagreed(_) => None,
        };
        Self { task: fact.task(), key: fact.key().0, body: encode(fact), mark, fence: *fence }
    }
}

pub(crate) fn append(db: &Connection, facts: &[Written]) -> Result<Vec<Recorded>, Fault> {
    // Facts that come together are often of few tasks, and always of few shards.
    let (mut rows, mut fences) = (HashMap::new(), HashMap::new());
    let mut outcomes = Vec::with_capacity(facts.len());
    for fact in facts {
        outcomes.push(match fact.fence {
            Some(fence) if !stands(db, &mut fences, fence)? => Recorded::Fenced,
            _ => append_one(db, &mut rows, fact)?,
        });
    }
    Ok(outcomes)
}

fn stands(db: &Connection, known: &mut HashMap<Fence, bool>, fence: Fence) -> Result<bool, Fault> {
    if let Some(stands) = known.get(&fence) {
        return Ok(*stands);
    }
    let stands = leases::stands(db, fence)?;
    known.insert(fence, stands);
    Ok(stands)
}

fn append_one(
    db: &Connection,
    rows: &mut HashMap<TaskId, Option<i64>>,
    fact: &Written,
) -> Result<Recorded, Fault> {
    let row = match rows.get(&fact.task) {
        Some(row) => *row,
        None => {
            let row = row_of(db, fact.task)?;
            rows.insert(fact.task, row);
            row
        }
    };
    let Some(task) = row else { return Ok(Recorded::Refused) };
    if matches!(fact.mark, Some(Mark::Agreed)) && is_deleted(db, task)? {
        let known = known(db, task, &fact.key)?;
        return Ok(known.map_or(Recorded::Refused, |fact| Recorded::Already(Box::new(fact))));
    }
    if !insert(db, task, fact)? {
        let known = known(db, task, &fact.key)?;
        return Ok(known.map_or(Recorded::Refused, |fact| Recorded::Already(Box::new(fact))));
    }
    Ok(Recorded::New)
}

/// Keeps a fact with what follows from it, unless its key is there; whether it was not.
pub(crate) fn insert(db: &Connection, task: i64, fact: &Written) -> Result<bool, Fault> {
    let inserted = db
        .prepare_cached("INSERT INTO facts (task, key, body) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?
        .execute(params![task, fact.key, fact.body])?;
    if inserted == 0 {
        return Ok(false);
    }
    let update = match fact.mark {
        None => return Ok(true),
        Some(Mark::Agreed) => "UPDATE tasks SET verdict = 1 WHERE row = ?1",
        Some(Mark::SettledOtherwise) => "UPDATE tasks SET verdict = 2 WHERE row = ?1",
        Some(Mark::Ended) => "UPDATE tasks SET ended = 1 WHERE row = ?1",
        Some(Mark::Announced) => "UPDATE tasks SET announced = 1 WHERE row = ?1",
        Some(Mark::OfReceipt) => {
            charges::count(db, task, &fact.key)?;
            return Ok(true);
        }
    };
    db.prepare_cached(update)?.execute([task])?;
    Ok(true)
}

/// The row of a task, by which its facts are kept.
pub(crate) fn row_of(db: &Connection, id: TaskId) -> Result<Option<i64>, Fault> {
    let mut select = db.prepare_cached("SELECT row FROM tasks WHERE place = ?1 AND id = ?2")?;
    Ok(select.query_row(params![place(id), id.0.0], |row| row.get(0)).optional()?)
}

fn is_deleted(db: &Connection, task: i64) -> Result<bool, Fault> {
    let mut select = db.prepare_cached(
        "SELECT 1 FROM tasks t JOIN jobs j ON j.serial = t.public_id >> 26
         WHERE t.row = ?1 AND j.deleted_at IS NOT NULL",
    )?;
    Ok(select.exists([task])?)
}

fn known(db: &Connection, task: i64, key: &str) -> Result<Option<Fact>, Fault> {
    let mut select = db.prepare_cached("SELECT body FROM facts WHERE task = ?1 AND key = ?2")?;
    let mut rows = select.query(params![task, key])?;
    rows.next()?.map(|row| body(row, "body")).transpose()
}

/// The facts of a task in the order of their recording.
pub(crate) fn of_task(db: &Connection, task: i64) -> Result<Vec<Fact>, Fault> {
    let mut select = db.prepare_cached("SELECT body FROM facts WHERE task = ?1 ORDER BY row")?;
    let mut rows = select.query([task])?;
    let mut facts = Vec::new();
    while let Some(row) = rows.next()? {
        facts.push(body(row, "body")?);
    }
    Ok(facts)
}
