//! Statements and what becomes of them.

use std::{collections::HashMap, sync::Arc, time::Duration};

use argus_ports::StoreError;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, future::BoxFuture, stream};
use scylla::{
    client::{
        execution_profile::{ExecutionProfile, ExecutionProfileHandle},
        session::Session,
    },
    deserialize::row::DeserializeRow,
    errors::{DbError, ExecutionError, PrepareError, RequestAttemptError},
    policies::{
        retry::{DefaultRetryPolicy, FallthroughRetryPolicy},
        speculative_execution::SimpleSpeculativeExecutionPolicy,
    },
    response::query_result::{QueryResult, QueryRowsResult},
    statement::{
        Consistency, SerialConsistency,
        batch::{Batch, BatchType},
        prepared::PreparedStatement,
    },
    value::Row,
};
use tokio::sync::RwLock;

use crate::cell::Cell;

/// A read that has not come back after that is asked of another node, too.
const SPECULATE_AFTER: Duration = Duration::from_millis(150);

/// What a statement does, from which follow its consistency, and whether the driver may send it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Reads: may be sent again and to several nodes.
    Read,
    /// Reads what lightweight transactions wrote, and brings one that was left half done to its end.
    Decided,
    /// Writes rows that are the same however often they are written: may be sent again.
    Write,
    /// A lightweight transaction: sent once.
    Conditional,
}

/// A statement, prepared when it is first needed.
#[derive(Debug)]
pub(crate) struct Statement {
    cql: &'static str,
    kind: Kind,
}

impl Statement {
    pub(crate) const fn read(cql: &'static str) -> Self {
        Self { cql, kind: Kind::Read }
    }
    pub(crate) const fn decided(cql: &'static str) -> Self {
        Self { cql, kind: Kind::Decided }
    }
    pub(crate) const fn write(cql: &'static str) -> Self {
        Self { cql, kind: Kind::Write }
    }
    pub(crate) const fn conditional(cql: &'static str) -> Self {
        Self { cql, kind: Kind::Conditional }
    }
}

/// A batch, and the values of its statements.
type Bundle = (Batch, Vec<Vec<Cell>>);

/// A statement with its values, for a batch.
pub(crate) type Bound = (&'static Statement, Vec<Cell>);

/// What became of a lightweight transaction.
#[derive(Debug)]
pub(crate) enum Cas {
    /// It was written.
    Applied,
    /// Its condition did not hold; nothing was written.
    Refused,
    /// Nobody answered in time, or not enough did: only reading tells.
    Unknown(StoreError),
}

/// The session, with the statements that were prepared.
pub(crate) struct Db {
    session: Session,
    prepared: RwLock<HashMap<&'static str, PreparedStatement>>,
    reads: ExecutionProfileHandle,
    writes: ExecutionProfileHandle,
    once: ExecutionProfileHandle,
    #[cfg(test)]
    pub(crate) faults: crate::tests::Faults,
}

impl Db {
    pub(crate) fn new(session: Session, deadline: Duration) -> Self {
        let profile = || {
            ExecutionProfile::builder()
                .consistency(Consistency::Quorum)
                .serial_consistency(Some(SerialConsistency::Serial))
                .request_timeout(Some(deadline))
                .retry_policy(Arc::new(DefaultRetryPolicy::new()))
        };
        let speculative =
            SimpleSpeculativeExecutionPolicy { max_retry_count: 1, retry_interval: SPECULATE_AFTER };
        Self {
            session,
            prepared: RwLock::default(),
            reads: profile().speculative_execution_policy(Some(Arc::new(speculative))).build().into_handle(),
            writes: profile().build().into_handle(),
            once: profile().retry_policy(Arc::new(FallthroughRetryPolicy::new())).build().into_handle(),
            #[cfg(test)]
            faults: crate::tests::Faults::default(),
        }
    }

    async fn prepared(&self, statement: &Statement) -> Result<PreparedStatement, StoreError> {
        if let Some(known) = self.prepared.read().await.get(statement.cql) {
            return Ok(known.clone());
        }
        let mut made = self.session.prepare(statement.cql).boxed().await.map_err(|e| unprepared(&e))?;
        let (idempotent, profile) = match statement.kind {
            Kind::Read | Kind::Decided => (true, &self.reads),
            Kind::Write => (true, &self.writes),
            Kind::Conditional => (false, &self.once),
        };
        made.set_is_idempotent(idempotent);
        made.set_execution_profile_handle(Some(profile.clone()));
        if statement.kind == Kind::Decided {
            made.set_consistency(Consistency::Serial);
        }
        self.prepared.write().await.insert(statement.cql, made.clone());
        Ok(made)
    }

    async fn execute(&self, statement: &Statement, values: Vec<Cell>) -> Result<QueryResult, StoreError> {
        let prepared = self.prepared(statement).await?;
        self.execute_prepared(&prepared, values).await.map_err(|e| failed(&e))
    }

    fn execute_prepared<'a>(
        &'a self,
        prepared: &'a PreparedStatement,
        values: Vec<Cell>,
    ) -> BoxFuture<'a, Result<QueryResult, ExecutionError>> {
        self.session.execute_unpaged(prepared, values).boxed()
    }

    /// All rows of a read.
    pub(crate) async fn rows<R>(&self, statement: &Statement, values: Vec<Cell>) -> Result<Vec<R>, StoreError>
    where
        R: for<'frame> DeserializeRow<'frame, 'frame>,
    {
        #[cfg(test)]
        self.faults.alive()?;
        let result = self.execute(statement, values).await?;
        let rows = result.into_rows_result().map_err(|e| StoreError::Corrupt(e.to_string()))?;
        let rows = rows.rows::<R>().map_err(|e| StoreError::Corrupt(format!("{}: {e}", statement.cql)))?;
        rows.collect::<Result<_, _>>().map_err(|e| StoreError::Corrupt(format!("{}: {e}", statement.cql)))
    }

    /// The first row of a read.
    pub(crate) async fn one<R>(
        &self,
        statement: &Statement,
        values: Vec<Cell>,
    ) -> Result<Option<R>, StoreError>
    where
        R: for<'frame> DeserializeRow<'frame, 'frame>,
    {
        Ok(self.rows(statement, values).await?.into_iter().next())
    }

    /// Writes.
    pub(crate) async fn write(&self, statement: &Statement, values: Vec<Cell>) -> Result<(), StoreError> {
        #[cfg(test)]
        self.faults.before()?;
        self.execute(statement, values).await?;
        #[cfg(test)]
        self.faults.after()?;
        Ok(())
    }

    /// Writes several rows of one partition in one step.
    pub(crate) async fn write_all(&self, rows: Vec<Bound>) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        #[cfg(test)]
        self.faults.before()?;
        let batch = self.batch(BatchType::Unlogged, rows, true).await?;
        self.execute_batch(batch).await.map_err(|e| failed(&e))?;
        #[cfg(test)]
        self.faults.after()?;
        Ok(())
    }

    /// Writes rows of several partitions, all in the end.
    pub(crate) async fn write_logged(&self, rows: Vec<Bound>) -> Result<(), StoreError> {
        #[cfg(test)]
        self.faults.before()?;
        let batch = self.batch(BatchType::Logged, rows, true).await?;
        self.execute_batch(batch).await.map_err(|e| failed(&e))?;
        #[cfg(test)]
        self.faults.after()?;
        Ok(())
    }

    /// A batch of prepared statements. What cannot be prepared is told as it is: it may be that no node answers.
    async fn batch(&self, kind: BatchType, rows: Vec<Bound>, idempotent: bool) -> Result<Bundle, StoreError> {
        let mut batch = Batch::new(kind);
        let mut values = Vec::with_capacity(rows.len());
        for (statement, bound) in rows {
            batch.append_statement(self.prepared(statement).await?);
            values.push(bound);
        }
        batch.set_is_idempotent(idempotent);
        let profile = if idempotent { &self.writes } else { &self.once };
        batch.set_execution_profile_handle(Some(profile.clone()));
        Ok((batch, values))
    }

    async fn execute_batch(&self, (batch, values): Bundle) -> Result<QueryResult, ExecutionError> {
        self.session.batch(&batch, values).boxed().await
    }

    /// Carries a lightweight transaction out.
    pub(crate) async fn cas(&self, statement: &Statement, values: Vec<Cell>) -> Result<Cas, StoreError> {
        let prepared = self.prepared(statement).await?;
        #[cfg(test)]
        self.faults.before()?;
        let result = self.execute_prepared(&prepared, values).await;
        #[cfg(test)]
        if let Err(lost) = self.faults.after() {
            return self.faults.alive().map(|()| Cas::Unknown(lost));
        }
        decided(result)
    }

    /// Carries a lightweight transaction of several rows of one partition out: all or none.
    pub(crate) async fn cas_all(&self, rows: Vec<Bound>) -> Result<Cas, StoreError> {
        #[cfg(test)]
        self.faults.before()?;
        let batch = self.batch(BatchType::Unlogged, rows, false).await?;
        let result = self.execute_batch(batch).await;
        #[cfg(test)]
        if let Err(lost) = self.faults.after() {
            return self.faults.alive().map(|()| Cas::Unknown(lost));
        }
        decided(result)
    }
}

fn decided(result: Result<QueryResult, ExecutionError>) -> Result<Cas, StoreError> {
    let result = match result {
        Ok(result) => result,
        Err(e) => {
            return match failed(&e) {
                StoreError::Unavailable(why) => Ok(Cas::Unknown(StoreError::Unavailable(why))),
                other => Err(other),
            };
        }
    };
    let rows = result.into_rows_result().map_err(|e| StoreError::Corrupt(e.to_string()))?;
    Ok(if is_applied(&rows) { Cas::Applied } else { Cas::Refused })
}

/// The first column says so.
fn is_applied(rows: &QueryRowsResult) -> bool {
    let first = rows.maybe_first_row::<Row>().ok().flatten();
    let applied = first.and_then(|row| row.columns.into_iter().next().flatten());
    applied.and_then(|value| value.as_boolean()).unwrap_or_default()
}

fn unprepared(e: &PrepareError) -> StoreError {
    match e {
        PrepareError::AllAttemptsFailed {
            first_attempt: RequestAttemptError::DbError(DbError::Invalid | DbError::SyntaxError, why),
        } => StoreError::Corrupt(format!("the schema is another one: {why}; run `argus migrate verify`")),
        other => StoreError::Unavailable(other.to_string()),
    }
}

fn failed(e: &ExecutionError) -> StoreError {
    use RequestAttemptError as A;
    match e {
        ExecutionError::LastAttemptError(A::DbError(DbError::Invalid | DbError::SyntaxError, why)) => {
            StoreError::Corrupt(format!("the store refuses a statement: {why}"))
        }
        ExecutionError::LastAttemptError(A::DbError(DbError::Unauthorized, why)) => {
            StoreError::ReadOnly(format!("the store's user may not do that: {why}"))
        }
        ExecutionError::BadQuery(bad) => StoreError::Corrupt(bad.to_string()),
        other => StoreError::Unavailable(other.to_string()),
    }
}

/// Carries several things out, so many at the same time, and gives what they come to in their order.
pub(crate) async fn each<T>(
    at_once: usize,
    all: Vec<BoxFuture<'_, Result<T, StoreError>>>,
) -> Result<Vec<T>, StoreError> {
    stream::iter(all).buffered(at_once).try_collect().await
}

/// A number that nobody else draws.
pub(crate) fn token() -> Result<i64, StoreError> {
    fresh().map(i64::from_ne_bytes)
}

/// Bytes that nobody else draws.
pub(crate) fn fresh<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|e| StoreError::Unavailable(format!("the system gives no randomness: {e}")))?;
    Ok(bytes)
}
