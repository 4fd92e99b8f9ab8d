//! What jobs were charged. Each number is written with the count of facts that it follows from as its timestamp: of two
//! that are written at the same time, the one that knows more stays, whichever comes last. Of two who record facts of
//! one task, or charges of one job, at least one sees what both wrote.

use argus_domain::{
    U256,
    ids::{Serial, TaskId},
    status::TaskState,
    task::Fact,
};
use argus_ports::StoreError;

use crate::{
    cell::{body, values, wide},
    session::Statement,
    store::ScyllaStore,
};

/// Tasks whose charges are one sum.
const BUCKET: u32 = 512;

static OF_RECEIPTS: Statement =
    Statement::read("SELECT body FROM tasks WHERE id = ? AND key >= 'received/' AND key < 'revoked0'");
static PUT: Statement = Statement::write(
    "INSERT INTO charges (serial, bucket, number, amount, facts) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?",
);
static OF_BUCKET: Statement =
    Statement::read("SELECT amount, facts FROM charges WHERE serial = ? AND bucket = ?");
static SUM: Statement =
    Statement::write("INSERT INTO charged (serial, bucket, amount) VALUES (?, ?, ?) USING TIMESTAMP ?");

impl ScyllaStore {
    /// Brings a job's sum up to date, after facts about a receipt of one of its tasks were written.
    pub(crate) async fn count_charges(
        &self,
        task: TaskId,
        serial: Serial,
        number: u32,
    ) -> Result<(), StoreError> {
        let rows: Vec<(Vec<u8>,)> = self.db().rows(&OF_RECEIPTS, values![task]).await?;
        let mut state = TaskState::default();
        for (bytes,) in &rows {
            state.take_in(&body::<Fact>("body", bytes)?);
        }
        let facts = i32::try_from(rows.len()).unwrap_or(i32::MAX);
        let bucket = number / BUCKET;
        let cells = values![serial.0, bucket, number, state.charged(), facts, i64::from(facts)];
        self.db().write(&PUT, cells).await?;
        let rows: Vec<(Vec<u8>, i32)> = self.db().rows(&OF_BUCKET, values![serial.0, bucket]).await?;
        let (mut sum, mut facts) = (U256::ZERO, 0i64);
        for (amount, of) in &rows {
            sum = sum.saturating_add(wide("amount", amount)?);
            facts = facts.saturating_add(i64::from(*of));
        }
        self.db().write(&SUM, values![serial.0, bucket, sum, facts]).await
    }
}
