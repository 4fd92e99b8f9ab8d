//! What only one may have at a time. Several names that are claimed together are decided by one row of their own: each
//! name points there while the claim is made, and whoever wants a name of a claim that is not decided gives that one up.

use std::time::Duration;

use argus_domain::time::Timestamp;
use argus_ports::{ClaimStore, StoreError};
use async_trait::async_trait;

use crate::{
    cell::{array, instant, ordered, values},
    jobs::crowded,
    session::{Cas, Statement, fresh},
    store::ScyllaStore,
};

/// How often a claim begins anew that others came before.
const TRIES: u32 = 64;
/// Rows are kept for so long after what they say is over.
const KEPT_S: u64 = 86_400;

static READ: Statement = Statement::decided("SELECT until, claim FROM claims WHERE who = ?");
/// Conditional, because two may want the same name.
static TAKE_FREE: Statement = Statement::conditional(
    "INSERT INTO claims (who, until, claim) VALUES (?, ?, ?) IF NOT EXISTS USING TTL ?",
);
/// As [`TAKE_FREE`], where a claim is over or was given up.
static TAKE_LEFT: Statement = Statement::conditional(
    "UPDATE claims USING TTL ? SET until = ?, claim = ? WHERE who = ? IF until = ? AND claim = ?",
);
/// Conditional, because another may have it by then.
static LEAVE: Statement =
    Statement::conditional("DELETE FROM claims WHERE who = ? IF until = ? AND claim = ?");
static BEGIN: Statement = Statement::write("INSERT INTO claim_groups (id, until) VALUES (?, ?) USING TTL ?");
/// Conditional, because who claims and who is in its way decide differently.
static DECIDE: Statement = Statement::conditional(
    "UPDATE claim_groups USING TTL ? SET state = ? WHERE id = ? IF until = ? AND state = null",
);
static DECIDED: Statement = Statement::decided("SELECT until, state FROM claim_groups WHERE id = ?");
/// Conditional, because the first key stays for every process.
static FIRST_KEY: Statement =
    Statement::conditional("INSERT INTO settings (name, value) VALUES ('nonce key', ?) IF NOT EXISTS");
static KEY: Statement = Statement::decided("SELECT value FROM settings WHERE name = 'nonce key'");

/// One that is decided from the start: nobody else knows its name.
static BEGIN_HAD: Statement =
    Statement::write("INSERT INTO claim_groups (id, until, state) VALUES (?, ?, ?) USING TTL ?");

/// Seconds that the rows of a claim are kept for.
fn kept_for(until: Timestamp, now: Timestamp) -> i32 {
    let seconds = until.0.saturating_sub(now.0) / 1000 + KEPT_S;
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

const HAD: i32 = 1;
const GIVEN_UP: i32 = 2;

/// A claim that is being made.
struct Claim {
    id: Vec<u8>,
    now: i64,
    until: i64,
    ttl: i32,
}

/// What comes of one name.
enum Taken {
    Yes,
    HadUntil(i64),
}

#[async_trait]
impl ClaimStore for ScyllaStore {
    async fn claim(
        &self,
        who: Vec<String>,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Result<(), Timestamp>, StoreError> {
        let mut names = who;
        names.sort();
        names.dedup();
        let ttl = kept_for(until, now);
        for _ in 0..TRIES {
            let (now, until) = (ordered(now.0), ordered(until.0));
            let claim = Claim { id: fresh::<16>()?.to_vec(), now, until, ttl };
            if let Some(outcome) = self.try_claim(&names, &claim).await? {
                return Ok(outcome.map_err(instant));
            }
            // Two that give each other up must not do so in step.
            let [pause] = fresh::<1>()?;
            tokio::time::sleep(Duration::from_millis(u64::from(pause) / 8)).await;
        }
        Err(crowded("these claims"))
    }

    async fn unclaim(&self, who: Vec<String>, until: Timestamp) -> Result<(), StoreError> {
        let until = ordered(until.0);
        for name in who {
            let row: Option<(i64, Vec<u8>)> = self.db().one(&READ, values![&name]).await?;
            let Some((_, claim)) = row.filter(|(known, _)| *known == until) else { continue };
            if let Cas::Unknown(why) = self.db().cas(&LEAVE, values![&name, until, claim]).await? {
                return Err(why);
            }
        }
        Ok(())
    }

    async fn nonce_key(&self, fresh: [u8; 32]) -> Result<[u8; 32], StoreError> {
        if let Cas::Applied = self.db().cas(&FIRST_KEY, values![fresh]).await? {
            return Ok(fresh);
        }
        let row: Option<(Vec<u8>,)> = self.db().one(&KEY, vec![]).await?;
        let (key,) =
            row.ok_or_else(|| StoreError::Unavailable("the nonce key is not there yet".to_owned()))?;
        array("value", &key)
    }
}

impl ScyllaStore {
    /// Until when somebody has a name; nobody, or a claim that did not come to its end: `None`.
    pub(crate) async fn claimed_until(&self, name: &str) -> Result<Option<Timestamp>, StoreError> {
        let row: Option<(Option<i64>, Option<Vec<u8>>)> = self.db().one(&READ, values![name]).await?;
        let Some((Some(until), Some(claim))) = row else { return Ok(None) };
        let decided: Option<(i64, Option<i32>)> = self.db().one(&DECIDED, values![claim]).await?;
        Ok(decided.filter(|(_, state)| *state == Some(HAD)).map(|_| instant(until)))
    }

    /// Notes a claim that was made elsewhere, at or before `now`.
    pub(crate) async fn import_claim(
        &self,
        name: String,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let id = fresh::<16>()?.to_vec();
        let ttl = kept_for(until, now);
        self.db().write(&BEGIN_HAD, values![&id, until, HAD, ttl]).await?;
        match self.db().cas(&TAKE_FREE, values![&name, until, &id, ttl]).await? {
            Cas::Applied | Cas::Refused => Ok(()),
            Cas::Unknown(why) => Err(why),
        }
    }

    /// Once; `None` where another gave this claim up.
    async fn try_claim(
        &self,
        names: &[String],
        claim: &Claim,
    ) -> Result<Option<Result<(), i64>>, StoreError> {
        self.db().write(&BEGIN, values![&claim.id, claim.until, claim.ttl]).await?;
        let mut last = None;
        for name in names {
            match self.take(name, claim, last.is_none()).await? {
                Taken::Yes => {}
                Taken::HadUntil(until) => last = last.max(Some(until)),
            }
        }
        let state = if last.is_some() { GIVEN_UP } else { HAD };
        let decided = self.decide_claim(&claim.id, claim, state).await?;
        Ok(match (last, decided) {
            (Some(last), _) => Some(Err(last)),
            (None, Some(HAD)) => Some(Ok(())),
            (None, _) => None,
        })
    }

    /// Takes one name, if nobody has it; without `is_wanted` only looks.
    async fn take(&self, name: &str, claim: &Claim, is_wanted: bool) -> Result<Taken, StoreError> {
        for _ in 0..TRIES {
            let row: Option<(Option<i64>, Option<Vec<u8>>)> = self.db().one(&READ, values![name]).await?;
            let known = match &row {
                Some((Some(until), Some(other))) => Some((*until, other)),
                Some(_) | None => None,
            };
            if let Some((until, other)) = known {
                if *other == claim.id {
                    return Ok(Taken::Yes);
                }
                let theirs = Claim { id: other.clone(), until, ..*claim };
                if until > claim.now && self.decide_claim(other, &theirs, GIVEN_UP).await? == Some(HAD) {
                    return Ok(Taken::HadUntil(until));
                }
            }
            if !is_wanted {
                return Ok(Taken::Yes);
            }
            // Whatever becomes of it, the row tells.
            let taken = match known {
                Some((until, other)) => {
                    let cells = values![claim.ttl, claim.until, &claim.id, name, until, other];
                    self.db().cas(&TAKE_LEFT, cells).await?
                }
                None => self.db().cas(&TAKE_FREE, values![name, claim.until, &claim.id, claim.ttl]).await?,
            };
            if let Cas::Applied = taken {
                return Ok(Taken::Yes);
            }
        }
        Err(crowded("this claim"))
    }

    /// Decides about a claim, or learns how it was decided.
    async fn decide_claim(&self, id: &[u8], claim: &Claim, state: i32) -> Result<Option<i32>, StoreError> {
        let decided: Option<(i64, Option<i32>)> = match self.db().one(&DECIDED, values![id]).await? {
            Some((until, Some(state))) => Some((until, Some(state))),
            _ => {
                let cells = values![claim.ttl, state, id, claim.until];
                if let Cas::Applied = self.db().cas(&DECIDE, cells).await? {
                    return Ok(Some(state));
                }
                self.db().one(&DECIDED, values![id]).await?
            }
        };
        match decided {
            Some((_, Some(state))) => Ok(Some(state)),
            Some((_, None)) => Err(StoreError::Unavailable("nobody says what became of a claim".to_owned())),
            // It is so old that it is not kept any more.
            None => Ok(None),
        }
    }
}
