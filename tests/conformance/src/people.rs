//! The contracts of the stores of people and of what they come to.

use std::collections::BTreeMap;

use argus_domain::{
    Address, B256, U256,
    access::{ApiKey, Role},
    fees::{Board, LedgerEntry, LedgerReason, POINT, Standing},
    ids::TaskId,
    keeper::KeeperRecord,
    module::{Cid, Language, ModuleRecord, ModuleRef, Shape, WasmHash},
    profile::{Profile, ProfileChange},
    webhook::{DeadLetter, Failure, Progress, Webhook},
};
use argus_ports::{ClaimStore, KeeperStore, KeyStore, Ledger, ModuleStore, ProfileStore, WebhookStore};

use crate::samples::{NOW, at, keeper, keeper_record, owner};

/// The keeper set.
pub async fn keepers<S: KeeperStore>(fresh: impl Fn() -> S) {
    let store = &fresh() as &dyn KeeperStore;
    assert_eq!(store.all().await, Ok(vec![]));
    store.put(vec![keeper_record(2), KeeperRecord { faults: 7, ..keeper_record(1) }]).await.expect("put");
    assert_eq!(
        store.all().await,
        Ok(vec![keeper_record(1), keeper_record(2)]),
        "by address, and faults given are ignored"
    );
    for task in [1, 1, 2] {
        store.fault(keeper(1), TaskId(B256::repeat_byte(task))).await.expect("fault");
    }
    let faulty = KeeperRecord { faults: 2, ..keeper_record(1) };
    assert_eq!(store.all().await.expect("all")[0], faulty, "a fault counts once per task");
    let renamed = KeeperRecord { name: "new".to_owned(), ..faulty };
    store.put(vec![KeeperRecord { faults: 0, ..renamed.clone() }]).await.expect("put");
    assert_eq!(store.all().await.expect("all")[0], renamed, "a row is replaced, its faults stay");
    for _ in 0..2 {
        store.remove(keeper(1)).await.expect("remove");
    }
    assert_eq!(store.all().await, Ok(vec![keeper_record(2)]));
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

/// What a ledger's accounts come to: for any entries, booked in any order and again, the sums of what is there once, in
/// the one order of their ranks.
pub async fn standings<S: Ledger>(fresh: impl Fn() -> S) {
    for seed in 1..=20 {
        let (store, mut draw) = (fresh(), Draw(seed));
        let mut first: BTreeMap<(B256, LedgerReason, Address), U256> = BTreeMap::new();
        for _ in 0..draw.below(6) {
            let batch: Vec<LedgerEntry> = (0..draw.below(30)).map(|_| draw.entry()).collect();
            for entry in &batch {
                first.entry((entry.key, entry.reason, entry.account)).or_insert(entry.amount);
            }
            store.book(batch).await.expect("book");
        }
        for board in [Board::Users, Board::Keepers] {
            let mut expected: BTreeMap<Address, Standing> = BTreeMap::new();
            for ((_, reason, account), amount) in &first {
                if reason.board() == board {
                    let standing = expected.entry(*account).or_insert_with(|| Standing::none(*account));
                    standing.count(*reason, *amount);
                }
            }
            for n in 0..8 {
                let account = owner(n);
                let one = store.standing(board, account).await.expect("standing");
                assert_eq!(one, expected.get(&account).cloned().unwrap_or_else(|| Standing::none(account)));
            }
            let mut expected: Vec<Standing> = expected.into_values().collect();
            expected.sort_by_cached_key(Standing::rank);
            assert_eq!(store.standings(board, 100).await.expect("standings"), expected, "seed {seed}");
            expected.truncate(3);
            assert_eq!(store.standings(board, 3).await.expect("standings"), expected, "seed {seed}");
        }
    }
}

/// Numbers that look random and are the same each time (SplitMix64).
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    /// Few keys, accounts and amounts, so that repeats and ties are many.
    fn entry(&mut self) -> LedgerEntry {
        let reasons =
            [LedgerReason::Charged, LedgerReason::Earned, LedgerReason::JobCreated, LedgerReason::Attested];
        let reason = reasons[self.below(4) as usize];
        let amounts = [U256::ZERO, U256::from(9), U256::from(10), POINT, U256::MAX - U256::from(5)];
        let (key, account) = (self.below(6) as u8, self.below(8) as u8);
        let amount = amounts[self.below(5) as usize];
        LedgerEntry { key: B256::repeat_byte(key), reason, account: owner(account), amount }
    }
}

/// Profiles.
pub async fn profiles<S: ProfileStore>(fresh: impl Fn() -> S) {
    let store = &fresh() as &dyn ProfileStore;
    assert_eq!(store.profile(owner(1)).await, Ok(None), "absent is none");
    let mail = ProfileChange { email: Some("a@b.example".to_owned()), ..ProfileChange::default() };
    let mut expected = Profile { email: Some("a@b.example".to_owned()), ..Profile::silent(owner(1)) };
    for _ in 0..2 {
        assert_eq!(store.change_profile(owner(1), mail.clone()).await, Ok(expected.clone()));
    }
    assert_eq!(store.applicants(9).await, Ok(vec![]), "who gives an address does not apply");
    let form = ProfileChange {
        chat: Some(-7),
        name: Some("one".to_owned()),
        rewards: Some(owner(9)),
        on_imua: Some(true),
        applied_at: Some(at(5)),
        ..ProfileChange::default()
    };
    expected = Profile {
        chat: Some(-7),
        name: Some("one".to_owned()),
        rewards: Some(owner(9)),
        on_imua: true,
        applied_at: Some(at(5)),
        ..expected
    };
    assert_eq!(store.change_profile(owner(1), form.clone()).await, Ok(expected.clone()), "the rest stays");
    let again =
        ProfileChange { email: Some(String::new()), applied_at: Some(at(9)), ..ProfileChange::default() };
    expected.email = None;
    assert_eq!(
        store.change_profile(owner(1), again).await,
        Ok(expected.clone()),
        "the first application stays"
    );
    assert_eq!(store.profile(owner(1)).await, Ok(Some(expected.clone())));
    let other = store.change_profile(owner(0), form).await.expect("change");
    assert_eq!(store.applicants(9).await, Ok(vec![other.clone(), expected]), "by address");
    assert_eq!(store.applicants(1).await, Ok(vec![other]));
}

/// Webhooks.
pub async fn webhooks<S: WebhookStore>(fresh: impl Fn() -> S) {
    let store = &fresh() as &dyn WebhookStore;
    let hook = |id: &str, account: u8, ms: u64| Webhook {
        id: id.to_owned(),
        owner: owner(account),
        url: "https://a.example/hook".to_owned(),
        kinds: vec!["task.confirmed".to_owned(), "task.lapsed".to_owned()],
        created_at: at(ms),
        progress: Progress { position: 3, failures: 0, next_at: at(ms) },
        failure: None,
    };
    for (id, account, ms, is_added) in
        [("b", 1, 2, true), ("a", 1, 3, true), ("c", 1, 4, false), ("d", 2, 1, true)]
    {
        assert_eq!(store.add_webhook(hook(id, account, ms), 2).await, Ok(is_added), "{id}");
    }
    assert_eq!(store.add_webhook(Webhook { url: String::new(), ..hook("a", 1, 3) }, 2).await, Ok(true));
    assert_eq!(store.webhook("a").await, Ok(Some(hook("a", 1, 3))), "an id is there once");
    assert_eq!(store.webhook("c").await, Ok(None), "absent is none");
    assert_eq!(store.webhooks_of(owner(1)).await, Ok(vec![hook("b", 1, 2), hook("a", 1, 3)]), "oldest first");
    assert_eq!(store.webhooks(None, 2).await, Ok(vec![hook("a", 1, 3), hook("b", 1, 2)]), "by id");
    assert_eq!(store.webhooks(Some("b"), 2).await, Ok(vec![hook("d", 2, 1)]));

    let letter = |n: u8| DeadLetter {
        event: format!("event-{n}"),
        kind: "task.confirmed".to_owned(),
        task: TaskId(B256::repeat_byte(n)),
        at: at(u64::from(n)),
        reason: "status 500".to_owned(),
    };
    let to = |position, failures| Progress { position, failures, next_at: at(position) };
    let failure = Failure { at: at(8), reason: "status 500".to_owned() };
    store.move_webhook("a", to(3, 2), (Some(failure.clone()), None), 2).await.expect("move");
    assert_eq!(store.webhook("a").await.expect("webhook").expect("there").progress, to(3, 2));
    let taken = Progress { next_at: at(90), ..to(3, 2) };
    for (seen, is_first) in [(to(3, 1), false), (to(3, 2), true), (to(3, 2), false)] {
        assert_eq!(store.take_webhook("a", seen, at(90)).await, Ok(is_first), "one takes it: {seen:?}");
    }
    assert_eq!(store.webhook("a").await.expect("webhook").expect("there").progress, taken);
    assert_eq!(store.take_webhook("z", to(3, 2), at(90)).await, Ok(false), "absent is no");
    for n in [5, 5, 6, 7] {
        store.move_webhook("a", to(n.into(), 0), (None, Some(letter(n))), 2).await.expect("move");
    }
    let late = Failure { at: at(9), reason: "late".to_owned() };
    store.move_webhook("a", to(6, 9), (Some(late), Some(letter(8))), 2).await.expect("move");
    assert_eq!(store.webhook("a").await.expect("webhook").expect("there").failure, Some(failure.clone()));
    assert_eq!(store.webhook("a").await.expect("webhook").expect("there").progress, to(7, 0), "never back");
    assert_eq!(store.dead_letters("a").await, Ok(vec![letter(7), letter(6)]), "newest first, and no more");
    assert_eq!(store.dead_letters("b").await, Ok(vec![]));
    store.move_webhook("z", to(9, 0), (None, Some(letter(9))), 2).await.expect("move");
    assert_eq!(store.dead_letters("z").await, Ok(vec![]), "of one that is absent nothing is kept");
    store.move_webhook("a", to(7, 4), (None, None), 2).await.expect("move");
    let kinds = vec!["task.created".to_owned()];
    let changed = store.change_webhook("a", Some("https://b.example".to_owned()), None, at(50)).await;
    let expected = Webhook {
        url: "https://b.example".to_owned(),
        progress: Progress { next_at: at(50), ..to(7, 0) },
        failure: Some(failure),
        ..hook("a", 1, 3)
    };
    assert_eq!(changed, Ok(Some(expected.clone())), "tried as if for the first time");
    let changed = store.change_webhook("a", None, Some(kinds.clone()), at(50)).await;
    assert_eq!(changed, Ok(Some(Webhook { kinds, ..expected })));
    assert_eq!(store.change_webhook("z", None, None, at(50)).await, Ok(None), "absent is none");
    for _ in 0..2 {
        store.remove_webhook("a").await.expect("remove");
    }
    assert_eq!((store.webhook("a").await, store.dead_letters("a").await), (Ok(None), Ok(vec![])));
    assert_eq!(store.add_webhook(hook("c", 1, 4), 2).await, Ok(true), "there is room again");
}

/// What only one has at a time.
pub async fn claims<S: ClaimStore>(fresh: impl Fn() -> S) {
    let store = &fresh() as &dyn ClaimStore;
    let claim_for = async |who: [&str; 2], ms: u64, length: u64| {
        let who = who.map(str::to_owned).to_vec();
        store.claim(who, at(ms), at(ms + length)).await.expect("claim")
    };
    let claim = async |who, ms| claim_for(who, ms, 100).await;
    assert_eq!(claim(["a", "1"], 0).await, Ok(()));
    assert_eq!(claim(["a", "2"], 10).await, Err(at(100)), "one of them had it");
    assert_eq!(claim(["b", "2"], 20).await, Ok(()), "a refusal notes nothing");
    assert_eq!(claim(["a", "2"], 99).await, Err(at(120)), "from when all of them may");
    assert_eq!(claim(["a", "1"], 100).await, Ok(()), "its time is over");
    for _ in 0..2 {
        store.unclaim(vec!["b".to_owned(), "2".to_owned()], at(120)).await.expect("unclaim");
        store.unclaim(vec!["a".to_owned()], at(120)).await.expect("unclaim");
    }
    assert_eq!(claim(["b", "2"], 101).await, Ok(()), "as if it had not been");
    assert_eq!(claim(["a", "3"], 102).await, Err(at(200)), "another instant's stays");
    assert_eq!(claim_for(["c", "3"], 103, 5).await, Ok(()), "a short one");
    assert_eq!(claim_for(["c", "4"], 108, 5).await, Ok(()), "is over soon");
    assert_eq!(claim(["a", "4"], 109).await, Err(at(200)), "and ends no other");
    for fresh in [[1; 32], [2; 32]] {
        assert_eq!(store.nonce_key(fresh).await, Ok([1; 32]), "the first one's");
    }
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
        expires_at: None,
        last_used: None,
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
    let key_2 = key(2, 1, 30);
    for (ms, latest) in [(70, 70), (60, 70), (80, 80)] {
        store.used("key-2", at(ms)).await.expect("used");
        let found = store.by_hash(B256::repeat_byte(2)).await.expect("by_hash").expect("there");
        assert_eq!(found, ApiKey { last_used: Some(at(latest)), ..key_2.clone() });
    }
    store.used("key-9", at(1)).await.expect("absent: nothing to do");
    for (n, end) in [(4, 100), (5, 101)] {
        store.put(ApiKey { expires_at: Some(at(end)), ..key(n, 3, 0) }).await.expect("put");
    }
    store.remove_expired(at(100)).await.expect("remove_expired");
    let left: Vec<String> = store.list(None).await.expect("list").into_iter().map(|key| key.id).collect();
    assert_eq!(left, ["key-2", "key-3", "key-1", "key-5"], "those without an end stay");
}
