//! Requests by name, and their answers.

use argus_domain::time::Timestamp;
use argus_ports::{AnswerStore, KeptAnswer, Leave, NamedRequest, RequestName, StoreError};
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};

use crate::{cell::ordered, database::SqliteStore, fault::Fault};

/// Rows past their instant that one request takes away: more than it adds.
const SWEPT: u32 = 64;

#[async_trait]
impl AnswerStore for SqliteStore {
    async fn begin(&self, request: NamedRequest) -> Result<Leave, StoreError> {
        self.write(1, move |db| begin(db, &request)).await
    }

    async fn finish(
        &self,
        RequestName { owner, name }: RequestName,
        holder: [u8; 16],
        answer: KeptAnswer,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write(1, move |db| {
            let sql = "UPDATE answers SET status = ?4, body = ?5, until = ?6
                       WHERE owner = ?1 AND name = ?2 AND holder = ?3 AND status IS NULL";
            let values = params![owner.0.0, name, holder, answer.status, &answer.body[..], ordered(until.0)];
            Ok(db.prepare_cached(sql)?.execute(values)? > 0)
        })
        .await
    }

    async fn give_up(
        &self,
        RequestName { owner, name }: RequestName,
        holder: [u8; 16],
    ) -> Result<(), StoreError> {
        self.write(1, move |db| {
            let sql = "DELETE FROM answers WHERE owner = ?1 AND name = ?2 AND holder = ?3 AND status IS NULL";
            db.prepare_cached(sql)?.execute(params![owner.0.0, name, holder])?;
            Ok(())
        })
        .await
    }
}

struct Known {
    is_same: bool,
    is_own: bool,
    answer: Option<KeptAnswer>,
}

fn begin(db: &Connection, request: &NamedRequest) -> Result<Leave, Fault> {
    let NamedRequest { name: RequestName { owner, name }, hash, holder, at, until, names_max } = request;
    db.prepare_cached(
        "DELETE FROM answers WHERE row IN (SELECT row FROM answers WHERE until <= ?1 ORDER BY until LIMIT ?2)",
    )?
    .execute(params![ordered(at.0), SWEPT])?;
    match known(db, request)? {
        Some(known) if known.is_own && known.answer.is_none() => {}
        Some(known) if !known.is_same => return Ok(Leave::Other),
        Some(known) => return Ok(known.answer.map_or(Leave::Underway, Leave::Answered)),
        None => {
            let sql = "SELECT count(*) FROM answers WHERE owner = ?1 AND until > ?2";
            let names: u32 =
                db.prepare_cached(sql)?.query_row(params![owner.0.0, ordered(at.0)], |row| row.get(0))?;
            if names >= *names_max {
                return Ok(Leave::Full);
            }
        }
    }
    db.prepare_cached(
        "INSERT OR REPLACE INTO answers (owner, name, request, holder, until) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![owner.0.0, name, hash.0, holder, ordered(until.0)])?;
    Ok(Leave::Granted)
}

fn known(db: &Connection, request: &NamedRequest) -> Result<Option<Known>, Fault> {
    let NamedRequest { name: RequestName { owner, name }, hash, holder, at, .. } = request;
    let sql =
        "SELECT request, holder, status, body FROM answers WHERE owner = ?1 AND name = ?2 AND until > ?3";
    let mut select = db.prepare_cached(sql)?;
    let found = select.query_row(params![owner.0.0, name, ordered(at.0)], |row| {
        let (asked, held): (Vec<u8>, Vec<u8>) = (row.get("request")?, row.get("holder")?);
        let (status, body): (Option<u16>, Option<Vec<u8>>) = (row.get("status")?, row.get("body")?);
        let answer = status.map(|status| KeptAnswer { status, body: body.unwrap_or_default().into() });
        Ok(Known { is_same: asked == hash.0, is_own: held == holder, answer })
    });
    Ok(found.optional()?)
}
