//! Keepers and modules.

use argus_domain::{
    Address,
    ids::{KeeperId, TaskId},
    keeper::KeeperRecord,
    module::{Cid, ModuleRecord},
};
use argus_ports::{KeeperStore, ModuleStore, StoreError};
use argus_proto::encode;
use async_trait::async_trait;
use futures::FutureExt as _;

use crate::{
    cell::{address, body, values},
    session::{Cas, Statement, each},
    store::ScyllaStore,
};

/// Keepers whose faults are counted at the same time.
const AT_ONCE: usize = 16;

static PUT_KEEPER: Statement =
    Statement::write("INSERT INTO keepers (part, keeper, name, body) VALUES (0, ?, ?, ?)");
static REMOVE_KEEPER: Statement = Statement::write("DELETE FROM keepers WHERE part = 0 AND keeper = ?");
static KEEPERS: Statement = Statement::read("SELECT keeper, body FROM keepers WHERE part = 0");
static FAULT: Statement = Statement::write("INSERT INTO faults (keeper, task) VALUES (?, ?)");
static FAULTS: Statement = Statement::read("SELECT count(*) FROM faults WHERE keeper = ?");
/// Conditional, because a script may be published by two requests at once; the first record stays.
static PUT_MODULE: Statement = Statement::conditional(
    "INSERT INTO modules (source, language, publisher, body) VALUES (?, ?, ?, ?) IF NOT EXISTS",
);
static MODULES: Statement = Statement::read("SELECT publisher, body FROM modules WHERE source = ?");

#[async_trait]
impl KeeperStore for ScyllaStore {
    async fn put(&self, keepers: Vec<KeeperRecord>) -> Result<(), StoreError> {
        let rows = keepers.iter().map(|keeper| {
            let keeper = KeeperRecord { faults: 0, ..keeper.clone() };
            (&PUT_KEEPER, values![keeper.keeper.0, &keeper.name, encode(&keeper)])
        });
        self.db().write_all(rows.collect()).await
    }

    async fn remove(&self, keeper: KeeperId) -> Result<(), StoreError> {
        self.db().write(&REMOVE_KEEPER, values![keeper.0]).await
    }

    async fn all(&self) -> Result<Vec<KeeperRecord>, StoreError> {
        let rows: Vec<(Vec<u8>, Vec<u8>)> = self.db().rows(&KEEPERS, vec![]).await?;
        let counts = rows.iter().map(|(keeper, _)| self.db().one::<(i64,)>(&FAULTS, values![keeper]).boxed());
        let counts = each(AT_ONCE, counts.collect()).await?;
        let counted = rows.iter().zip(counts).map(|((_, bytes), count)| {
            let faults = count.map_or(0, |(count,)| u32::try_from(count).unwrap_or(u32::MAX));
            Ok(KeeperRecord { faults, ..body("body", bytes)? })
        });
        counted.collect()
    }

    async fn fault(&self, keeper: KeeperId, task: TaskId) -> Result<(), StoreError> {
        self.db().write(&FAULT, values![keeper.0, task]).await
    }
}

#[async_trait]
impl ModuleStore for ScyllaStore {
    async fn put(&self, record: ModuleRecord, publisher: Address) -> Result<(), StoreError> {
        let (source, language) = (&record.module.source.0, record.module.language.to_string());
        let cells = values![source, language, publisher, encode(&record)];
        match self.db().cas(&PUT_MODULE, cells).await? {
            // Whatever stands there stays.
            Cas::Applied | Cas::Refused => Ok(()),
            Cas::Unknown(why) => Err(why),
        }
    }

    async fn by_cid(&self, cid: &Cid) -> Result<Vec<(ModuleRecord, Address)>, StoreError> {
        let rows: Vec<(Vec<u8>, Vec<u8>)> = self.db().rows(&MODULES, values![&cid.0]).await?;
        rows.iter()
            .map(|(publisher, bytes)| Ok((body("body", bytes)?, address("publisher", publisher)?)))
            .collect()
    }
}
