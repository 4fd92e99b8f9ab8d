//! Encrypted secrets of jobs. A row is its job's: one that was put for a job whose place another has taken counts for
//! nothing.

use argus_domain::{
    ids::JobId,
    secret::{BadSecretName, Grants, SealedSecret, SecretName},
};
use argus_ports::{SecretStore, StoreError, StoredSecret};
use async_trait::async_trait;

use crate::{
    cell::{array, corrupt, instant, job_id, of_job, values},
    jobs::crowded,
    session::{Cas, Statement, token},
    store::ScyllaStore,
};

/// How often a write is tried that others come before.
const TRIES: u32 = 64;
/// Partitions of the jobs that have secrets: the first byte of a job's id.
const SHARDS: i32 = 256;
/// Jobs of a partition that are read at a time.
const PAGE: i32 = 1000;

static OF_JOB: Statement =
    Statement::read("SELECT name, first, key, sealed, set_at FROM secrets WHERE job = ?");
static DECIDED: Statement =
    Statement::decided("SELECT first, key, sealed, set_at, writer FROM secrets WHERE job = ? AND name = ?");
/// Conditional, because whoever seals anew with another key must not undo what the owner has put meanwhile.
static FIRST: Statement = Statement::conditional(
    "INSERT INTO secrets (first, key, sealed, set_at, writer, job, name) VALUES (?, ?, ?, ?, ?, ?, ?) IF NOT EXISTS",
);
/// As [`FIRST`].
static CHANGE: Statement = Statement::conditional(
    "UPDATE secrets SET first = ?, key = ?, sealed = ?, set_at = ?, writer = ? WHERE job = ? AND name = ? IF writer = ?",
);
/// As [`FIRST`].
static REMOVE: Statement =
    Statement::conditional("DELETE FROM secrets WHERE job = ? AND name = ? IF writer = ?");
static PUT_JOB: Statement = Statement::write("INSERT INTO secret_jobs (shard, job) VALUES (?, ?)");
static JOBS: Statement = Statement::read("SELECT job FROM secret_jobs WHERE shard = ? AND job > ? LIMIT ?");

type Row = (i32, Vec<u8>, Vec<u8>, i64, i64);

/// A secret as it is kept, with who wrote it.
struct Kept {
    first: u32,
    sealed: SealedSecret,
    token: i64,
}

fn shard(job: JobId) -> i32 {
    of_job(job).first().map_or(0, |byte| i32::from(*byte))
}

#[async_trait]
impl SecretStore for ScyllaStore {
    async fn put(&self, job: JobId, name: SecretName, sealed: SealedSecret) -> Result<(), StoreError> {
        // Before the secret itself: whoever reads this looks at that.
        self.db().write(&PUT_JOB, values![shard(job), job]).await?;
        let first = self.first_of(job).await?;
        for _ in 0..TRIES {
            let before = self.kept_secret(job, &name).await?;
            if self.write_secret((job, &name), before.as_ref(), &sealed, first).await? {
                return Ok(());
            }
        }
        Err(crowded("this secret"))
    }

    async fn of_job(&self, job: JobId) -> Result<Vec<(SecretName, SealedSecret)>, StoreError> {
        let rows: Vec<(String, i32, Vec<u8>, Vec<u8>, i64)> = self.db().rows(&OF_JOB, values![job]).await?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let first = self.first_of(job).await?;
        let mut found = Vec::with_capacity(rows.len());
        for (name, of, key, bytes, set_at) in rows {
            if u32::try_from(of) == Ok(first) {
                let name = name.parse().map_err(|e: BadSecretName| corrupt("name", &e.to_string()))?;
                let key = array("key", &key)?;
                found.push((name, SealedSecret { key, bytes, set_at: instant(set_at) }));
            }
        }
        Ok(found)
    }

    async fn sealed_otherwise(
        &self,
        key: [u8; 8],
        after: Option<(JobId, SecretName)>,
        limit: u32,
    ) -> Result<Vec<StoredSecret>, StoreError> {
        let mut found = Vec::new();
        let start = after.as_ref().map_or(0, |(job, _)| shard(*job));
        if let Some((job, last)) = &after {
            let rest = SecretStore::of_job(self, *job).await?.into_iter().filter(|(name, _)| name > last);
            found.extend(rest.map(|(name, sealed)| (*job, name, sealed)));
        }
        for part in start..SHARDS {
            let of_part = after.as_ref().filter(|_| part == start);
            let mut last = of_part.map_or_else(Vec::new, |(job, _)| of_job(*job).to_vec());
            loop {
                found.retain(|(_, _, sealed): &StoredSecret| sealed.key != key);
                if found.len() >= limit as usize {
                    found.truncate(limit as usize);
                    return Ok(found);
                }
                let jobs: Vec<(Vec<u8>,)> = self.db().rows(&JOBS, values![part, &last, PAGE]).await?;
                let Some((newest,)) = jobs.last() else { break };
                last.clone_from(newest);
                for (job,) in jobs {
                    let job = job_id("job", &job)?;
                    let all = SecretStore::of_job(self, job).await?.into_iter();
                    found.extend(all.map(|(name, sealed)| (job, name, sealed)));
                }
            }
        }
        Ok(found)
    }

    async fn replace(&self, (job, name, old): StoredSecret, new: SealedSecret) -> Result<bool, StoreError> {
        let first = self.first_of(job).await?;
        let before = self.kept_secret(job, &name).await?;
        let is_it = |known: &Kept| {
            known.first == first && known.sealed.key == old.key && known.sealed.bytes == old.bytes
        };
        match before.filter(is_it) {
            Some(before) => self.write_secret((job, &name), Some(&before), &new, first).await,
            None => Ok(false),
        }
    }

    async fn remove(&self, job: JobId, names: Grants) -> Result<u32, StoreError> {
        let first = self.first_of(job).await?;
        let mut removed = 0;
        for name in &names {
            removed += u32::from(self.remove_secret(job, name, first).await?);
        }
        Ok(removed)
    }
}

impl ScyllaStore {
    /// Removes one; whether it was there, and of the job that has the place now.
    async fn remove_secret(&self, job: JobId, name: &SecretName, first: u32) -> Result<bool, StoreError> {
        let mut was_ours = false;
        for _ in 0..TRIES {
            let Some(known) = self.kept_secret(job, name).await? else { return Ok(was_ours) };
            match self.db().cas(&REMOVE, values![job, name.as_str(), known.token]).await? {
                Cas::Applied => return Ok(known.first == first),
                Cas::Refused => {}
                // If the row is gone then, this was it.
                Cas::Unknown(_) => was_ours = known.first == first,
            }
        }
        Err(crowded("this secret"))
    }

    /// By what secrets are told apart from those of a job that had the place before.
    async fn first_of(&self, job: JobId) -> Result<u32, StoreError> {
        Ok(self.head(job).await?.map_or(1, |head| head.first_version))
    }

    async fn kept_secret(&self, job: JobId, name: &SecretName) -> Result<Option<Kept>, StoreError> {
        let row: Option<Row> = self.db().one(&DECIDED, values![job, name.as_str()]).await?;
        let Some((first, key, bytes, set_at, token)) = row else { return Ok(None) };
        let sealed = SealedSecret { key: array("key", &key)?, bytes, set_at: instant(set_at) };
        Ok(Some(Kept { first: u32::try_from(first).unwrap_or_default(), sealed, token }))
    }

    /// Writes a secret in the place of just what was there before; whether it was.
    async fn write_secret(
        &self,
        (job, name): (JobId, &SecretName),
        before: Option<&Kept>,
        sealed: &SealedSecret,
        first: u32,
    ) -> Result<bool, StoreError> {
        let token = token()?;
        let SealedSecret { key, bytes, set_at } = sealed;
        let mut cells = values![first, *key, bytes, *set_at, token, job, name.as_str()];
        let outcome = match before {
            Some(before) => {
                cells.extend(values![before.token]);
                self.db().cas(&CHANGE, cells).await?
            }
            None => self.db().cas(&FIRST, cells).await?,
        };
        match outcome {
            Cas::Applied => Ok(true),
            Cas::Refused => Ok(false),
            Cas::Unknown(_) => Ok(self.kept_secret(job, name).await?.is_some_and(|now| now.token == token)),
        }
    }
}
