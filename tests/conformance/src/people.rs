//! The contracts of [`KeeperStore`], [`Ledger`], [`ModuleStore`] and [`KeyStore`].

use argus_domain::{
    B256, U256,
    access::{ApiKey, Role},
    fees::{LedgerEntry, LedgerReason},
    ids::{ChainId, TaskId},
    keeper::KeeperRecord,
    module::{Cid, Language, ModuleRecord, ModuleRef, Shape, WasmHash},
};
use argus_ports::{KeeperStore, KeyStore, Ledger, ModuleStore};

use crate::samples::{NOW, at, keeper, owner};

/// The keeper set.
pub async fn keepers<S: KeeperStore>(fresh: impl Fn() -> S) {
    let store = &fresh() as &dyn KeeperStore;
    let record = |n: u8| KeeperRecord {
        keeper: keeper(n),
        name: format!("keeper {n}"),
        stake: u128::MAX,
        chains: [ChainId(1), ChainId(u64::MAX)].into(),
        faults: 0,
        registered_at: NOW,
    };
    assert_eq!(store.all().await, Ok(vec![]));
    store.put(vec![record(2), KeeperRecord { faults: 7, ..record(1) }]).await.expect("put");
    assert_eq!(store.all().await, Ok(vec![record(1), record(2)]), "by address, and faults given are ignored");
    for task in [1, 1, 2] {
        store.fault(keeper(1), TaskId(B256::repeat_byte(task))).await.expect("fault");
    }
    let faulty = KeeperRecord { faults: 2, ..record(1) };
    assert_eq!(store.all().await.expect("all")[0], faulty, "a fault counts once per task");
    let renamed = KeeperRecord { name: "new".to_owned(), ..faulty };
    store.put(vec![KeeperRecord { faults: 0, ..renamed.clone() }]).await.expect("put");
    assert_eq!(store.all().await.expect("all")[0], renamed, "a row is replaced, its faults stay");
    for _ in 0..2 {
        store.remove(keeper(1)).await.expect("remove");
    }
    assert_eq!(store.all().await, Ok(vec![record(2)]));
}

/// The ledger.
pub async fn ledger<S: Ledger>(fresh: impl Fn() -> S) {
    let store = &fresh() as &dyn Ledger;
    let entry = |key: u8, reason, account: u8, amount: u64| LedgerEntry {
        key: B256::repeat_byte(key),
        reason,
        account: owner(account),
        amount: U256::MAX - U256::from(amount),
    };
    use LedgerReason::{Charged, Earned, JobCreated};
    let entries =
        [entry(1, Charged, 1, 5), entry(1, Earned, 1, 4), entry(1, Earned, 2, 3), entry(2, JobCreated, 1, 2)];
    store.book(entries.to_vec()).await.expect("book");
    store.book(vec![entry(1, Charged, 1, 999), entries[2].clone()]).await.expect("book");
    let of_key = store.of_key(B256::repeat_byte(1)).await.expect("of_key");
    assert_eq!(of_key.len(), 3, "a repeat adds nothing");
    assert!(entries[..3].iter().all(|entry| of_key.contains(entry)));
    let newest = [entries[3].clone(), entries[1].clone(), entries[0].clone()];
    assert_eq!(store.of_account(owner(1), 9).await.expect("of_account"), newest, "newest first");
    assert_eq!(store.of_account(owner(1), 2).await.expect("of_account"), newest[..2]);
    assert_eq!(store.of_account(owner(8), 2).await, Ok(vec![]));
}

/// Published scripts.
pub async fn modules<S: ModuleStore>(fresh: impl Fn() -> S) {
    let store = &fresh() as &dyn ModuleStore;
    let record = |cid: &str, language| ModuleRecord {
        module: ModuleRef { source: Cid(cid.to_owned()), language },
        wasm_hash: WasmHash(B256::repeat_byte(1)),
        source_bytes: 10,
        module_bytes: 20,
        shape: Shape::Script,
        published_at: NOW,
    };
    let (js, ts) = (record("bafka", Language::JavaScript), record("bafka", Language::TypeScript));
    store.put(js.clone(), owner(1)).await.expect("put");
    store.put(ModuleRecord { source_bytes: 99, ..js.clone() }, owner(1)).await.expect("put");
    store.put(js.clone(), owner(2)).await.expect("put");
    store.put(ts.clone(), owner(1)).await.expect("put");
    store.put(record("bafkb", Language::Go), owner(1)).await.expect("put");
    let known = store.by_cid(&Cid("bafka".to_owned())).await.expect("by_cid");
    assert_eq!(known, [(js.clone(), owner(1)), (js, owner(2)), (ts, owner(1))]);
    assert_eq!(store.by_cid(&Cid("bafkz".to_owned())).await, Ok(vec![]), "absent is empty");
}

/// API keys.
pub async fn keys<S: KeyStore>(fresh: impl Fn() -> S) {
    let store = &fresh() as &dyn KeyStore;
    let key = |n: u8, account: u8, ms: u64| ApiKey {
        id: format!("key-{n}"),
        hash: B256::repeat_byte(n),
        masked: "TGRX…".to_owned(),
        owner: owner(account),
        role: Role::User,
        rate_limit: 60,
        created_at: at(ms),
        revoked_at: None,
    };
    for made in [key(1, 1, 10), key(2, 1, 30), key(3, 2, 20)] {
        store.put(made).await.expect("put");
    }
    store.put(ApiKey { role: Role::Admin, ..key(1, 1, 10) }).await.expect("put");
    assert_eq!(store.by_hash(B256::repeat_byte(1)).await, Ok(Some(key(1, 1, 10))), "a hash is there once");
    assert_eq!(store.by_hash(B256::ZERO).await, Ok(None), "absent is none");
    assert_eq!(store.list(Some(owner(1))).await, Ok(vec![key(2, 1, 30), key(1, 1, 10)]), "newest first");
    assert_eq!(store.list(None).await, Ok(vec![key(2, 1, 30), key(3, 2, 20), key(1, 1, 10)]));
    assert_eq!(store.update("key-9", Some(1), None).await, Ok(None), "absent is none");
    let slower = ApiKey { rate_limit: 5, ..key(1, 1, 10) };
    assert_eq!(store.update("key-1", Some(5), None).await, Ok(Some(slower.clone())));
    let revoked = ApiKey { revoked_at: Some(at(50)), ..slower };
    assert_eq!(store.update("key-1", None, Some(at(50))).await, Ok(Some(revoked.clone())));
    assert_eq!(
        store.update("key-1", None, Some(at(60))).await,
        Ok(Some(revoked.clone())),
        "once is for good"
    );
    assert_eq!(store.by_hash(B256::repeat_byte(1)).await, Ok(Some(revoked)), "revoked or not");
}
