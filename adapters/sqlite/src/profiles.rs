//! Profiles, webhooks and claims.

use argus_domain::{
    Address,
    profile::{Profile, ProfileChange},
    time::Timestamp,
    webhook::{DeadLetter, Failure, Progress, Webhook},
};
use argus_ports::{ClaimStore, ProfileStore, StoreError, WebhookStore};
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::{
    cell::{address, all, instant, maybe_instant, ordered, task_id},
    database::SqliteStore,
    fault::Fault,
};

pub(crate) fn profile(row: &Row<'_>) -> Result<Profile, Fault> {
    let has_rewards = row.get_ref("rewards")? != rusqlite::types::ValueRef::Null;
    Ok(Profile {
        account: address(row, "account")?,
        email: row.get("email")?,
        chat: row.get("chat")?,
        name: row.get("name")?,
        rewards: has_rewards.then(|| address(row, "rewards")).transpose()?,
        on_imua: row.get("on_imua")?,
        applied_at: maybe_instant(row, "applied_at")?,
    })
}

fn profile_of(db: &Connection, account: Address) -> Result<Option<Profile>, Fault> {
    Ok(all(db, "SELECT * FROM profiles WHERE account = ?1", &[&account.0.0], profile)?.pop())
}

pub(crate) fn put(db: &Connection, profile: &Profile) -> Result<(), Fault> {
    db.prepare_cached(
        "INSERT OR REPLACE INTO profiles (account, email, chat, name, rewards, on_imua, applied_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        profile.account.0.0,
        profile.email,
        profile.chat,
        profile.name,
        profile.rewards.map(|rewards| rewards.0.0),
        profile.on_imua,
        profile.applied_at.map(|at| ordered(at.0))
    ])?;
    Ok(())
}

#[async_trait]
impl ProfileStore for SqliteStore {
    async fn profile(&self, account: Address) -> Result<Option<Profile>, StoreError> {
        self.read(move |db| profile_of(db, account)).await
    }

    async fn change_profile(&self, account: Address, change: ProfileChange) -> Result<Profile, StoreError> {
        self.write(1, move |db| {
            let mut profile = profile_of(db, account)?.unwrap_or_else(|| Profile::silent(account));
            profile.take(change.clone());
            put(db, &profile)?;
            Ok(profile)
        })
        .await
    }

    async fn applicants(&self, limit: u32) -> Result<Vec<Profile>, StoreError> {
        self.read(move |db| {
            let sql = "SELECT * FROM profiles WHERE applied_at IS NOT NULL ORDER BY account LIMIT ?1";
            all(db, sql, &[&limit], profile)
        })
        .await
    }
}

pub(crate) fn webhook(row: &Row<'_>) -> Result<Webhook, Fault> {
    let kinds: String = row.get("kinds")?;
    Ok(Webhook {
        id: row.get("id")?,
        owner: address(row, "owner")?,
        url: row.get("url")?,
        kinds: kinds.split_whitespace().map(str::to_owned).collect(),
        created_at: instant(row, "created_at")?,
        progress: Progress {
            position: row.get::<_, i64>("position")?.unsigned_abs(),
            failures: row.get("failures")?,
            next_at: instant(row, "next_at")?,
        },
        failure: match maybe_instant(row, "failed_at")? {
            Some(at) => Some(Failure { at, reason: row.get("failed_because")? }),
            None => None,
        },
    })
}

pub(crate) fn letter(row: &Row<'_>) -> Result<DeadLetter, Fault> {
    Ok(DeadLetter {
        event: row.get("event")?,
        kind: row.get("kind")?,
        task: task_id(row, "task")?,
        at: instant(row, "at")?,
        reason: row.get("reason")?,
    })
}

pub(crate) fn put_webhook(db: &Connection, webhook: &Webhook) -> Result<(), Fault> {
    let failure = webhook.failure.as_ref();
    db.prepare_cached(
        "INSERT OR REPLACE INTO webhooks
             (id, owner, url, kinds, created_at, position, failures, next_at, failed_at, failed_because)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?
    .execute(params![
        webhook.id,
        webhook.owner.0.0,
        webhook.url,
        webhook.kinds.join(" "),
        ordered(webhook.created_at.0),
        ordered(webhook.progress.position),
        webhook.progress.failures,
        ordered(webhook.progress.next_at.0),
        failure.map(|failure| ordered(failure.at.0)),
        failure.map(|failure| &failure.reason)
    ])?;
    Ok(())
}

pub(crate) fn put_letter(db: &Connection, webhook: &str, letter: &DeadLetter) -> Result<(), Fault> {
    db.prepare_cached(
        "INSERT INTO dead_letters (webhook, event, kind, task, at, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT DO NOTHING",
    )?
    .execute(params![
        webhook,
        letter.event,
        letter.kind,
        letter.task.0.0,
        ordered(letter.at.0),
        letter.reason
    ])?;
    Ok(())
}

#[async_trait]
impl WebhookStore for SqliteStore {
    async fn add_webhook(&self, webhook: Webhook, most: u32) -> Result<bool, StoreError> {
        self.write(1, move |db| {
            let known = "SELECT 1 FROM webhooks WHERE id = ?1";
            if db.query_row(known, [&webhook.id], |_| Ok(())).optional()?.is_some() {
                return Ok(true);
            }
            let owned = "SELECT count(*) FROM webhooks WHERE owner = ?1";
            if db.query_row(owned, [webhook.owner.0.0], |row| row.get::<_, u32>(0))? >= most {
                return Ok(false);
            }
            put_webhook(db, &webhook)?;
            Ok(true)
        })
        .await
    }

    async fn webhook(&self, id: &str) -> Result<Option<Webhook>, StoreError> {
        let id = id.to_owned();
        self.read(move |db| Ok(all(db, "SELECT * FROM webhooks WHERE id = ?1", &[&id], webhook)?.pop())).await
    }

    async fn webhooks_of(&self, owner: Address) -> Result<Vec<Webhook>, StoreError> {
        self.read(move |db| {
            let sql = "SELECT * FROM webhooks WHERE owner = ?1 ORDER BY created_at, id";
            all(db, sql, &[&owner.0.0], webhook)
        })
        .await
    }

    async fn webhooks(&self, after: Option<&str>, limit: u32) -> Result<Vec<Webhook>, StoreError> {
        let after = after.unwrap_or_default().to_owned();
        self.read(move |db| {
            let sql = "SELECT * FROM webhooks WHERE id > ?1 ORDER BY id LIMIT ?2";
            all(db, sql, &[&after, &limit], webhook)
        })
        .await
    }

    async fn change_webhook(
        &self,
        id: &str,
        url: Option<String>,
        kinds: Option<Vec<String>>,
        now: Timestamp,
    ) -> Result<Option<Webhook>, StoreError> {
        let (id, kinds) = (id.to_owned(), kinds.map(|kinds| kinds.join(" ")));
        self.write(1, move |db| {
            let sql =
                "UPDATE webhooks SET url = coalesce(?2, url), kinds = coalesce(?3, kinds), failures = 0,
                       next_at = ?4 WHERE id = ?1 RETURNING *";
            let now = ordered(now.0);
            Ok(all(db, sql, &[&id, &url, &kinds, &now], webhook)?.pop())
        })
        .await
    }

    async fn remove_webhook(&self, id: &str) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.write(1, move |db| {
            db.execute("DELETE FROM dead_letters WHERE webhook = ?1", [&id])?;
            db.execute("DELETE FROM webhooks WHERE id = ?1", [&id])?;
            Ok(())
        })
        .await
    }

    async fn take_webhook(&self, id: &str, seen: Progress, until: Timestamp) -> Result<bool, StoreError> {
        let id = id.to_owned();
        self.write(1, move |db| {
            let (position, next_at) = (ordered(seen.position), ordered(seen.next_at.0));
            let taken = db
                .prepare_cached(
                    "UPDATE webhooks SET next_at = ?5
                     WHERE id = ?1 AND position = ?2 AND failures = ?3 AND next_at = ?4",
                )?
                .execute(params![id, position, seen.failures, next_at, ordered(until.0)])?;
            Ok(taken > 0)
        })
        .await
    }

    async fn move_webhook(
        &self,
        id: &str,
        progress: Progress,
        (failure, dead): (Option<Failure>, Option<DeadLetter>),
        kept: u32,
    ) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.write(1, move |db| {
            let (position, next_at) = (ordered(progress.position), ordered(progress.next_at.0));
            let (failed_at, because) =
                failure.as_ref().map(|failure| (ordered(failure.at.0), &failure.reason)).unzip();
            let moved = db
                .prepare_cached(
                    "UPDATE webhooks SET position = ?2, failures = ?3, next_at = ?4,
                         failed_at = coalesce(?5, failed_at), failed_because = coalesce(?6, failed_because)
                     WHERE id = ?1 AND position <= ?2",
                )?
                .execute(params![id, position, progress.failures, next_at, failed_at, because])?;
            let Some(letter) = dead.as_ref().filter(|_| moved > 0) else { return Ok(()) };
            put_letter(db, &id, letter)?;
            db.execute(
                "DELETE FROM dead_letters WHERE webhook = ?1 AND row <= (
                     SELECT row FROM dead_letters WHERE webhook = ?1 ORDER BY row DESC LIMIT 1 OFFSET ?2)",
                params![id, kept],
            )?;
            Ok(())
        })
        .await
    }

    async fn dead_letters(&self, id: &str) -> Result<Vec<DeadLetter>, StoreError> {
        let id = id.to_owned();
        self.read(move |db| {
            let sql = "SELECT * FROM dead_letters WHERE webhook = ?1 ORDER BY row DESC";
            all(db, sql, &[&id], letter)
        })
        .await
    }
}

#[async_trait]
impl ClaimStore for SqliteStore {
    async fn claim(
        &self,
        who: Vec<String>,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Result<(), Timestamp>, StoreError> {
        self.write(who.len(), move |db| {
            db.prepare_cached("DELETE FROM claims WHERE until <= ?1")?.execute([ordered(now.0)])?;
            let mut had = db.prepare_cached("SELECT until FROM claims WHERE who = ?1")?;
            let mut last = None;
            for who in &who {
                last = last.max(had.query_row([who], |row| row.get::<_, i64>(0)).optional()?);
            }
            if let Some(last) = last {
                return Ok(Err(Timestamp(last.unsigned_abs())));
            }
            let mut note = db.prepare_cached("INSERT OR REPLACE INTO claims (who, until) VALUES (?1, ?2)")?;
            for who in &who {
                note.execute(params![who, ordered(until.0)])?;
            }
            Ok(Ok(()))
        })
        .await
    }

    async fn unclaim(&self, who: Vec<String>, until: Timestamp) -> Result<(), StoreError> {
        self.write(who.len(), move |db| {
            let mut forget = db.prepare_cached("DELETE FROM claims WHERE who = ?1 AND until = ?2")?;
            for who in &who {
                forget.execute(params![who, ordered(until.0)])?;
            }
            Ok(())
        })
        .await
    }

    async fn nonce_key(&self, fresh: [u8; 32]) -> Result<[u8; 32], StoreError> {
        self.write(1, move |db| {
            db.execute("INSERT OR IGNORE INTO nonce_key (one, key) VALUES (1, ?1)", [fresh])?;
            Ok(db.query_row("SELECT key FROM nonce_key", [], |row| row.get(0))?)
        })
        .await
    }
}
