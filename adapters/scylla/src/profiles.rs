//! Profiles.

use argus_domain::{
    Address,
    profile::{Profile, ProfileChange},
};
use argus_ports::{ProfileStore, StoreError};
use async_trait::async_trait;
use scylla::DeserializeRow;

use crate::{
    cell::{Cell, address, instant, values},
    jobs::crowded,
    session::{Cas, Statement, each, token},
    store::ScyllaStore,
};

/// How often a change is tried that others come before.
const TRIES: u32 = 64;
/// Profiles read at the same time.
const AT_ONCE: usize = 16;

macro_rules! profile {
    () => {
        "SELECT email, chat, name, rewards, on_imua, applied_at, stamp, writer FROM profiles WHERE account = ?"
    };
}

static READ: Statement = Statement::read(profile!());
static DECIDED: Statement = Statement::decided(profile!());
/// Conditional, because two changes of a profile each keep what the other says.
static FIRST: Statement = Statement::conditional(
    "INSERT INTO profiles (email, chat, name, rewards, on_imua, applied_at, stamp, writer, account)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) IF NOT EXISTS",
);
/// As [`FIRST`].
static CHANGE: Statement = Statement::conditional(
    "UPDATE profiles SET email = ?, chat = ?, name = ?, rewards = ?, on_imua = ?, applied_at = ?, stamp = ?, writer = ?
     WHERE account = ? IF stamp = ?",
);
static APPLY: Statement = Statement::write("INSERT INTO applicants (part, account) VALUES (0, ?)");
static APPLICANTS: Statement = Statement::read("SELECT account FROM applicants WHERE part = 0 LIMIT ?");

impl ScyllaStore {
    /// Keeps a profile that was made elsewhere, unless there is one.
    pub(crate) async fn first_profile(&self, profile: &Profile) -> Result<(), StoreError> {
        if profile.applied_at.is_some() {
            self.db().write(&APPLY, values![profile.account]).await?;
        }
        match self.db().cas(&FIRST, written(profile, 1, token()?)).await? {
            Cas::Applied | Cas::Refused => Ok(()),
            Cas::Unknown(why) => Err(why),
        }
    }
}

fn written(profile: &Profile, stamp: i64, token: i64) -> Vec<Cell> {
    values![
        profile.email.as_deref(),
        profile.chat,
        profile.name.as_deref(),
        profile.rewards,
        profile.on_imua,
        profile.applied_at,
        stamp,
        token,
        profile.account
    ]
}

#[derive(DeserializeRow)]
struct Cells {
    email: Option<String>,
    chat: Option<i64>,
    name: Option<String>,
    rewards: Option<Vec<u8>>,
    on_imua: bool,
    applied_at: Option<i64>,
    stamp: i64,
    writer: i64,
}

fn profile(account: Address, cells: Cells) -> Result<Profile, StoreError> {
    Ok(Profile {
        account,
        email: cells.email,
        chat: cells.chat,
        name: cells.name,
        rewards: cells.rewards.map(|rewards| address("rewards", &rewards)).transpose()?,
        on_imua: cells.on_imua,
        applied_at: cells.applied_at.map(instant),
    })
}

#[async_trait]
impl ProfileStore for ScyllaStore {
    async fn profile(&self, account: Address) -> Result<Option<Profile>, StoreError> {
        let cells: Option<Cells> = self.db().one(&READ, values![account]).await?;
        cells.map(|cells| profile(account, cells)).transpose()
    }

    async fn change_profile(&self, account: Address, change: ProfileChange) -> Result<Profile, StoreError> {
        for _ in 0..TRIES {
            let cells: Option<Cells> = self.db().one(&READ, values![account]).await?;
            let before = cells.as_ref().map(|cells| cells.stamp);
            let known = cells.map(|cells| profile(account, cells)).transpose()?;
            let mut profile = known.unwrap_or_else(|| Profile::silent(account));
            profile.take(change.clone());
            if profile.applied_at.is_some() {
                // Before the profile says so: who reads this looks at the profile.
                self.db().write(&APPLY, values![account]).await?;
            }
            let token = token()?;
            let mut cells = written(&profile, before.unwrap_or_default().saturating_add(1), token);
            let outcome = match before {
                Some(stamp) => {
                    cells.extend(values![stamp]);
                    self.db().cas(&CHANGE, cells).await?
                }
                None => self.db().cas(&FIRST, cells).await?,
            };
            let is_changed = match outcome {
                Cas::Applied => true,
                Cas::Refused => false,
                Cas::Unknown(_) => {
                    let found: Option<Cells> = self.db().one(&DECIDED, values![account]).await?;
                    found.is_some_and(|found| found.writer == token)
                }
            };
            if is_changed {
                return Ok(profile);
            }
        }
        Err(crowded("this profile"))
    }

    async fn applicants(&self, limit: u32) -> Result<Vec<Profile>, StoreError> {
        let rows: Vec<(Vec<u8>,)> = self.db().rows(&APPLICANTS, values![limit]).await?;
        let mut accounts = Vec::with_capacity(rows.len());
        for (account,) in rows {
            accounts.push(address("account", &account)?);
        }
        let profiles = accounts.into_iter().map(|account| self.profile(account));
        let profiles = each(AT_ONCE, profiles.collect()).await?;
        Ok(profiles.into_iter().flatten().filter(|profile| profile.applied_at.is_some()).collect())
    }
}
