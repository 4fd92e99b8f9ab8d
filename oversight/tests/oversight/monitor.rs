//! What the chain says becomes facts, whatever the chain does.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use argus_domain::{
    Address, B256, U256,
    chain::{Block, Log},
    fees::LedgerReason,
    ids::{ChainId, TaskId},
    job::{Job, JobChange, Mode},
    status::TaskStatus,
    task::{Broadcast, Fact, Task, TriggerFact, Verdict},
    time::Timestamp,
};
use argus_memory::{ManualClock, MemoryStore};
use argus_oversight::{
    WatchedChain, WatchedChains,
    monitor::{Config, Ports, run},
};
use argus_ports::{
    ChainReader, Change, ChangeKind, Clock, EventBus, JobStore, Ledger, Room, StoreError, TaskStore,
};
use tokio::task::JoinSet;

use crate::fake::{
    BLOCK, CHAIN, CHARGED, CONTRACTS, FakeChain, FlakyBus, OWNER, START, Told, Tx, VALID_UNTIL, agreement,
    announced, executes, executes_for, job, keeper, open, plain, record, settle, settled, term,
};

const QUORUM: Mode = Mode::Quorum { keepers: 3, threshold: 2 };

struct World {
    store: MemoryStore,
    bus: FlakyBus,
    told: Told,
    clock: ManualClock,
    chain: FakeChain,
    chains: WatchedChains,
    watching: JoinSet<()>,
}

fn watched(chain: &FakeChain, confirmations: u64) -> (ChainId, WatchedChain) {
    let reader = Arc::new(chain.clone());
    (
        chain.chain(),
        WatchedChain {
            reader,
            contracts: Some(CONTRACTS),
            contracts_from: 0,
            confirmations,
            settle: Duration::ZERO,
        },
    )
}

/// One chain, whose head is block 1.
fn world(confirmations: u64) -> World {
    let chain = FakeChain::new(CHAIN);
    chain.grow(1);
    World {
        store: MemoryStore::new(),
        bus: FlakyBus::default(),
        told: Told::default(),
        clock: ManualClock::new(START),
        chains: [watched(&chain, confirmations)].into(),
        chain,
        watching: JoinSet::new(),
    }
}

impl World {
    /// Starts a monitor, in place of the one that ran; it looks at once.
    async fn start(&mut self) {
        self.watching.shutdown().await;
        let ports = Ports {
            tasks: Arc::new(self.store.clone()),
            jobs: Arc::new(self.store.clone()),
            ledger: Arc::new(self.store.clone()),
            bus: Arc::new(self.bus.clone()),
            dispatcher: Arc::new(self.told.clone()),
            chains: self.chains.clone(),
            clock: Arc::new(self.clock.clone()),
        };
        let term = term(&self.store).await;
        self.watching.spawn(run(Config::default(), ports, term));
        settle().await;
    }

    /// Turns the clock to the next look.
    async fn look(&self) {
        self.clock.set(self.clock.now() + Config::default().interval);
        settle().await;
    }

    /// A task that is agreed and announced, with what happened before `facts`.
    async fn agreed(&self, job: &Job, trigger: TriggerFact, facts: Vec<Fact>) -> Task {
        let task = open(&self.store, job, trigger).await;
        let pin = self.chain.block(argus_ports::chain::At::Number(1)).await.expect("up").expect("there");
        let before = [agreement(job, &task, &pin), vec![announced(&task)], facts].concat();
        self.store.record(before).await.expect("recorded");
        task
    }

    async fn one(&self) -> Task {
        self.agreed(&job(1, CHAIN, QUORUM), TriggerFact::Due, Vec::new()).await
    }

    /// What the monitor recorded of a task, as (name, sighting) where it has one.
    async fn said(&self, task: &Task) -> Vec<String> {
        let facts = record(&self.store, task.id).await.facts;
        let said = facts.iter().filter_map(|f| match f {
            Fact::Received(_)
            | Fact::Revoked { .. }
            | Fact::Confirmed { .. }
            | Fact::Lapsed { .. }
            | Fact::TriggerLost { .. } => Some(f.key().0),
            Fact::Attempted(_)
            | Fact::Observed(_)
            | Fact::Claimed(_)
            | Fact::Settled(_)
            | Fact::Announced { .. }
            | Fact::HandedOff(_)
            | Fact::Broadcast(_)
            | Fact::Challenged(_)
            | Fact::Disagreed(_) => None,
        });
        said.collect()
    }

    async fn kinds(&self, task: &Task) -> Vec<ChangeKind> {
        let kept = self.bus.since(Room::Job(task.job), 0, 100).await.expect("read");
        assert!(kept.iter().all(|(_, c)| c.owner == OWNER && c.public_id == task.public_id()));
        kept.into_iter().map(|(_, c)| c.kind).collect()
    }

    /// What is booked under a task.
    async fn booked(&self, task: &Task) -> Vec<(LedgerReason, Address, U256)> {
        let rows = self.store.of_key(B256::from(task.id.0)).await.expect("read");
        rows.into_iter().map(|e| (e.reason, e.account, e.amount)).collect()
    }

    /// Tells those who follow that a task was decided, as the dispatcher does.
    async fn tell(&self, task: &Task, kind: ChangeKind) {
        let (job, public_id) = (task.job, task.public_id());
        let change = Change { job, owner: OWNER, task: task.id, public_id, kind, seq: 0, at: START };
        self.bus.publish(vec![change]).await.expect("published");
        settle().await;
    }
}

fn execution(task: &Task) -> Tx {
    executes(task.id, task.job, keeper(1))
}

fn paid() -> Vec<(LedgerReason, Address, U256)> {
    let wei = U256::from(CHARGED);
    vec![
        (LedgerReason::Charged, OWNER, wei),
        (LedgerReason::Earned, keeper(1).0, wei),
        (LedgerReason::Attested, keeper(2).0, wei),
    ]
}

#[tokio::test]
async fn a_call_is_received_and_confirmed_when_it_is_deep() {
    // Confirmations asked for, blocks on top when first seen, what is then said, blocks more until it is final.
    let cases = [
        (0, 0, vec!["received/1", "confirmed"], 0),
        (2, 0, vec!["received/1"], 2),
        (2, 1, vec!["received/1"], 1),
        (2, 2, vec!["received/1", "confirmed"], 0),
    ];
    for (confirmations, on_top, first, more) in cases {
        let what = format!("{confirmations} confirmations, {on_top} on top");
        let mut w = world(confirmations);
        let task = w.one().await;
        let block = w.chain.mine(vec![plain(9), execution(&task)]);
        w.chain.grow(on_top);
        w.start().await;
        assert_eq!(w.said(&task).await, first, "{what}");
        for left in (0..more).rev() {
            w.chain.grow(1);
            w.look().await;
            assert_eq!(w.said(&task).await.len(), if left == 0 { 2 } else { 1 }, "{what}, {left} left");
        }
        let state = record(&w.store, task.id).await.state();
        let receipt = state.receipt.clone().expect("received");
        assert_eq!(
            (receipt.block_hash, receipt.block_number, receipt.block_time),
            (block.hash, 2, block.time)
        );
        assert_eq!((receipt.keeper, receipt.success, receipt.chain), (keeper(1), true, CHAIN), "{what}");
        assert_eq!((receipt.gas_used, receipt.charged), (70_000, U256::from(CHARGED)), "{what}");
        assert!(state.is_finished(), "{what}");
        let (touched, kinds) = (w.told.tasks(), w.kinds(&task).await);
        assert!(touched.contains(&task.id), "{what}");
        assert_eq!(kinds, [ChangeKind::Received, ChangeKind::Confirmed], "{what}");
        // Whatever comes then, it is over.
        for _ in 0..25 {
            w.look().await;
        }
        assert_eq!(w.said(&task).await, ["received/1", "confirmed"], "{what}");
        assert_eq!(w.booked(&task).await, paid(), "{what}");
        assert_eq!((w.told.tasks(), w.kinds(&task).await), (touched, kinds), "{what}");
    }
}

#[tokio::test]
async fn a_block_has_to_be_as_old_as_its_chain_asks() {
    let mut w = world(0);
    let task = w.one().await;
    let block = w.chain.mine(vec![execution(&task)]);
    w.clock.set(block.time + Duration::from_millis(500));
    w.chains.get_mut(&CHAIN).expect("watched").settle = Duration::from_secs(2);
    w.start().await;
    assert_eq!(w.said(&task).await, ["received/1"]);
    for _ in 0..2 {
        w.look().await;
        assert_eq!(w.said(&task).await, ["received/1"], "{:?} after {:?}", w.clock.now(), block.time);
    }
    w.look().await;
    assert_eq!(w.said(&task).await, ["received/1", "confirmed"]);
}

#[tokio::test]
async fn a_reorg_takes_a_receipt_back_and_may_bring_it_again() {
    let mut w = world(2);
    let task = w.one().await;
    let first = w.chain.mine(vec![execution(&task)]);
    w.start().await;
    w.chain.drop_newest(1);
    w.chain.grow(1);
    w.look().await;
    assert_eq!(w.said(&task).await, ["received/1", "revoked/1"]);
    let gone = record(&w.store, task.id).await;
    assert!(
        gone.facts.iter().any(|f| matches!(f, Fact::Revoked { block_hash, .. } if *block_hash == first.hash))
    );
    assert_eq!(gone.state().receipt, None);
    let second = w.chain.mine(vec![execution(&task)]);
    w.look().await;
    assert_eq!(w.said(&task).await, ["received/1", "revoked/1", "received/2"]);
    w.chain.grow(2);
    w.look().await;
    let state = record(&w.store, task.id).await.state();
    assert_eq!(state.receipt.map(|r| (r.sighting, r.block_hash)), Some((2, second.hash)));
    assert!(state.confirmed);
    use ChangeKind::{Confirmed, Received, Revoked};
    assert_eq!(w.kinds(&task).await, [Received, Revoked, Received, Confirmed]);
    assert_eq!(w.booked(&task).await, paid(), "booked once, whatever the chain does");
}

#[tokio::test]
async fn only_what_is_final_is_booked() {
    let mut w = world(2);
    let task = w.one().await;
    w.chain.mine(vec![execution(&task)]);
    w.start().await;
    assert_eq!((w.said(&task).await, w.booked(&task).await), (vec!["received/1".to_owned()], vec![]));
    // On the other fork another keeper was faster, and gas was dearer.
    w.chain.drop_newest(1);
    w.chain.mine(vec![executes_for(task.id, task.job, keeper(2), 2 * CHARGED)]);
    w.look().await;
    w.look().await;
    w.chain.grow(2);
    w.look().await;
    let said = w.said(&task).await;
    assert_eq!(said, ["received/1", "revoked/1", "received/2", "confirmed"]);
    let wei = U256::from(2 * CHARGED);
    let expected = [
        (LedgerReason::Charged, OWNER, wei),
        (LedgerReason::Earned, keeper(2).0, wei),
        (LedgerReason::Attested, keeper(1).0, wei),
    ];
    assert_eq!(w.booked(&task).await, expected);
}

#[tokio::test]
async fn a_call_that_stands_lower_on_a_chain_that_fell_back_is_found_without_more_blocks() {
    let mut w = world(2);
    let task = w.one().await;
    w.chain.grow(3);
    w.chain.mine(vec![execution(&task)]);
    w.start().await;
    assert_eq!(w.said(&task).await, ["received/1"]);
    w.chain.drop_newest(3);
    w.look().await;
    assert_eq!(w.said(&task).await, ["received/1"], "it may only lag behind");
    w.chain.mine(vec![execution(&task)]);
    w.look().await;
    w.look().await;
    assert_eq!(w.said(&task).await, ["received/1", "revoked/1", "received/2"]);
}

#[tokio::test]
async fn a_call_that_comes_back_below_what_was_read_is_found_at_the_next_look() {
    let mut w = world(1);
    let (task, other) = (w.one().await, w.agreed(&job(2, CHAIN, QUORUM), TriggerFact::Due, vec![]).await);
    w.chain.grow(2);
    w.chain.mine(vec![execution(&task)]);
    w.start().await;
    assert_eq!(w.said(&task).await, ["received/1"]);
    // The other fork had it earlier, and is longer.
    w.chain.drop_newest(3);
    w.chain.mine(vec![execution(&task)]);
    w.chain.grow(4);
    w.look().await;
    w.look().await;
    assert_eq!(w.said(&task).await, ["received/1", "revoked/1", "received/2", "confirmed"]);
    assert_eq!(w.said(&other).await, [""; 0]);
}

#[tokio::test]
async fn a_call_below_what_was_read_is_found_when_its_task_is_heard_of() {
    let mut w = world(0);
    let _other = w.one().await;
    let late = open(&w.store, &job(2, CHAIN, QUORUM), TriggerFact::Due).await;
    w.start().await;
    let pin = w.chain.mine(Vec::new());
    w.chain.mine(vec![execution(&late)]);
    w.chain.grow(5);
    w.look().await;
    // Decided and called while the monitor was reading: its notice comes after the block.
    let facts = [agreement(&job(2, CHAIN, QUORUM), &late, &pin), vec![announced(&late)]].concat();
    w.store.record(facts).await.expect("recorded");
    w.tell(&late, ChangeKind::Settled).await;
    w.look().await;
    assert_eq!(w.said(&late).await, ["received/1", "confirmed"]);
}

#[tokio::test]
async fn what_was_read_is_not_read_again() {
    let mut w = world(2);
    w.one().await;
    w.chain.grow(5);
    w.start().await;
    w.chain.grow(1);
    w.look().await;
    w.chain.grow(3);
    w.look().await;
    let ranges: Vec<_> = w.chain.queries().into_iter().map(|q| (q.from, q.to)).collect();
    // From the attempt's pin, then what may still be reorganised, then what is new.
    assert_eq!(ranges, [(1, 6), (5, 7), (8, 10)]);
}

#[tokio::test]
async fn an_unused_claim_lapses_by_the_chains_time() {
    // Confirmations, blocks mined (block 10 has the last good time), whether it lapses.
    for (confirmations, head, lapses) in [(0, 10, false), (0, 11, true), (2, 12, false), (2, 13, true)] {
        let mut w = world(confirmations);
        let task = w.one().await;
        w.start().await;
        w.chain.grow(head - 1);
        w.look().await;
        let expected: &[&str] = if lapses { &["lapsed"] } else { &[] };
        assert_eq!(w.said(&task).await, expected, "{confirmations} confirmations, head {head}");
        assert_eq!(w.told.tasks().contains(&task.id), lapses);
        let kinds: &[ChangeKind] = if lapses { &[ChangeKind::Lapsed] } else { &[] };
        assert_eq!(w.kinds(&task).await, kinds);
        assert_eq!(w.booked(&task).await, []);
    }
}

#[tokio::test]
async fn a_call_that_the_registry_rules_out_for_good_lapses_with_the_reason() {
    let deleted = "the job was deleted in the registry of chain 31337, so the executor refuses its calls";
    let others =
        "the registry of chain 31337 has the job under another owner, so the executor refuses its calls";
    let stranger = Address::repeat_byte(0x77);
    // Whether it is deleted here, whose it is there, the head, and why it lapses: it is deleted there in block 5.
    for (is_deleted, owner, head, because) in [
        (true, OWNER, 6, None),
        (true, OWNER, 7, Some(deleted)),
        (false, OWNER, 7, None),
        (true, stranger, 6, Some(others)),
    ] {
        let mut w = world(2);
        let task = w.one().await;
        w.chain.delete_job(task.job, owner, 5);
        if is_deleted {
            JobStore::change(&w.store, task.job, task.serial, JobChange::Deleted(START))
                .await
                .expect("deleted");
        }
        w.chain.grow(head - 1);
        w.start().await;
        let expected: &[&str] = if because.is_some() { &["lapsed"] } else { &[] };
        assert_eq!(w.said(&task).await, expected, "{is_deleted} {owner} {head}");
        let state = record(&w.store, task.id).await.state();
        assert_eq!(state.lapsed_because.as_deref(), because);
        assert_eq!(w.told.tasks().contains(&task.id), because.is_some());
    }
    // One that was called in time counts.
    let mut w = world(2);
    let task = w.one().await;
    w.chain.delete_job(task.job, OWNER, 5);
    JobStore::change(&w.store, task.job, task.serial, JobChange::Deleted(START)).await.expect("deleted");
    w.chain.grow(2);
    w.chain.mine(vec![execution(&task)]);
    w.chain.grow(3);
    w.start().await;
    assert_eq!(w.said(&task).await, ["received/1", "confirmed"]);
    // One that is deleted while it is followed is found at the next rescan.
    let mut w = world(2);
    let task = w.one().await;
    w.start().await;
    w.chain.grow(6);
    w.chain.delete_job(task.job, OWNER, 5);
    JobStore::change(&w.store, task.job, task.serial, JobChange::Deleted(START)).await.expect("deleted");
    w.look().await;
    assert_eq!(w.said(&task).await, [""; 0]);
    w.clock.set(w.clock.now() + Config::default().rescan);
    settle().await;
    assert_eq!(w.said(&task).await, ["lapsed"]);
}

#[tokio::test]
async fn a_call_in_the_last_block_that_allows_it_has_not_lapsed() {
    let mut w = world(0);
    let task = w.one().await;
    w.start().await;
    w.chain.grow(8);
    let last = w.chain.mine(vec![execution(&task)]);
    assert_eq!(last.time, VALID_UNTIL);
    w.chain.grow(3);
    w.look().await;
    assert_eq!(w.said(&task).await, ["received/1", "confirmed"]);
}

#[tokio::test]
async fn on_an_idle_chain_it_lapses_only_after_a_time_of_our_own() {
    let mut w = world(2);
    let task = w.one().await;
    w.start().await;
    let last = VALID_UNTIL + Config::default().idle_lapse;
    for (at, expected) in
        [(VALID_UNTIL + BLOCK, &[][..]), (last, &[]), (last + Duration::from_millis(1), &["lapsed"])]
    {
        // The monitor wakes when its pause is over, which it is at each of these.
        w.clock.set(at);
        settle().await;
        if at > last {
            w.look().await;
        }
        assert_eq!(w.said(&task).await, expected, "{at}");
    }
}

/// A task set off by a log, and that log.
async fn by_log(w: &World, facts: impl FnOnce(&Task, &Job) -> Vec<Fact>) -> (Task, Log) {
    let emitting = Tx { logs: vec![(OWNER, vec![B256::repeat_byte(1)], Default::default())], ..plain(0x77) };
    w.chain.grow(1);
    w.chain.mine(vec![emitting]);
    let log = w.chain.log_of(B256::repeat_byte(0x77));
    let job = job(1, CHAIN, QUORUM);
    let task = open(&w.store, &job, TriggerFact::Log(log.clone())).await;
    w.store.record(facts(&task, &job)).await.expect("recorded");
    (task, log)
}

fn emitting_again(data: &'static [u8]) -> Tx {
    let log = (OWNER, vec![B256::repeat_byte(1)], argus_domain::Bytes::from_static(data));
    Tx { logs: vec![log], ..plain(0x77) }
}

#[tokio::test]
async fn a_lost_trigger_is_told_from_a_moved_one_and_from_a_node_that_lags() {
    type Happens = fn(&FakeChain);
    let cases: [(&str, Happens, bool); 7] = [
        ("nothing", |c| c.grow(1), false),
        (
            "its block is replaced and its transaction gone",
            |c| {
                c.drop_newest(1);
                c.grow(1);
            },
            true,
        ),
        (
            "the same transaction in another block",
            |c| {
                c.drop_newest(1);
                c.grow(1);
                c.mine(vec![plain(5), emitting_again(b"")]);
            },
            false,
        ),
        (
            "the same transaction with another log",
            |c| {
                c.drop_newest(1);
                c.mine(vec![emitting_again(b"other")]);
            },
            true,
        ),
        ("a node below the log's block", |c| c.lag(1), false),
        ("a chain set back that has not grown again", |c| c.drop_newest(1), false),
        (
            "a node that lags on a chain that lost it",
            |c| {
                c.drop_newest(1);
                c.grow(1);
                c.lag(1);
            },
            false,
        ),
    ];
    for (what, happens, lost) in cases {
        let mut w = world(0);
        let (task, _) = by_log(&w, |_, _| Vec::new()).await;
        w.start().await;
        assert_eq!(w.said(&task).await, [""; 0], "{what}: before");
        happens(&w.chain);
        for _ in 0..25 {
            w.look().await;
        }
        let expected: &[&str] = if lost { &["trigger-lost"] } else { &[] };
        assert_eq!(w.said(&task).await, expected, "{what}");
        assert_eq!(w.told.tasks(), if lost { vec![task.id] } else { vec![] }, "{what}: told once");
        w.chain.lag(0);
        w.chain.grow(1);
        w.look().await;
        let late = lost || what.contains("has not grown") || what.contains("that lost it");
        let expected: &[&str] = if late { &["trigger-lost"] } else { &[] };
        assert_eq!(w.said(&task).await, expected, "{what}: once the chain has grown");
    }
}

#[tokio::test]
async fn a_trigger_that_is_lost_too_late_is_no_matter() {
    let pin = |w: &World| w.chain.log_of(B256::repeat_byte(0x77));
    type Before = fn(&Task, &Job, &Block) -> Vec<Fact>;
    let cases: [(&str, Before, bool); 3] = [
        ("agreed, nothing sent", |t, j, b| agreement(j, t, b), true),
        ("sent", |t, j, b| [agreement(j, t, b), vec![sent(t, 1)]].concat(), false),
        ("skipped", |t, _, _| vec![settled(t, Verdict::Skipped("no".to_owned()))], false),
    ];
    for (what, before, lost) in cases {
        let mut w = world(0);
        let block = Block { number: 1, hash: B256::ZERO, parent: B256::ZERO, time: START };
        let (task, log) = by_log(&w, |task, job| before(task, job, &block)).await;
        assert_eq!(log, pin(&w));
        w.start().await;
        w.chain.drop_newest(1);
        w.chain.grow(1);
        w.look().await;
        let expected: &[&str] = if lost { &["trigger-lost"] } else { &[] };
        assert_eq!(w.said(&task).await, expected, "{what}");
    }
}

#[tokio::test]
async fn a_lagging_node_takes_no_receipt_back() {
    let mut w = world(2);
    let task = w.one().await;
    w.chain.mine(vec![execution(&task)]);
    w.start().await;
    w.chain.lag(1);
    w.look().await;
    w.chain.lag(0);
    w.chain.grow(2);
    w.look().await;
    assert_eq!(w.said(&task).await, ["received/1", "confirmed"]);
}

#[tokio::test]
async fn a_restart_goes_on_from_the_store() {
    let mut w = world(2);
    let (task, missed) = (w.one().await, w.agreed(&job(2, CHAIN, QUORUM), TriggerFact::Due, vec![]).await);
    w.chain.mine(vec![execution(&task)]);
    w.start().await;
    assert_eq!(w.said(&task).await, ["received/1"]);
    w.watching.shutdown().await;
    // While nobody watches, one call becomes deep and another is made and becomes deep.
    w.chain.mine(vec![execution(&missed)]);
    w.chain.grow(6);
    w.clock.advance(Duration::from_secs(30));
    w.start().await;
    for task in [&task, &missed] {
        assert_eq!(w.said(task).await, ["received/1", "confirmed"]);
        assert_eq!(w.kinds(task).await, [ChangeKind::Received, ChangeKind::Confirmed]);
        assert_eq!(w.booked(task).await, paid());
    }
    // A third finds nothing to do, and asks the chain for no logs.
    let asked = w.chain.queries().len();
    w.start().await;
    w.look().await;
    assert_eq!(w.chain.queries().len(), asked);
}

#[tokio::test]
async fn a_call_that_failed_in_the_executor_failed_its_task() {
    let mut w = world(0);
    let task = w.one().await;
    let mut tx = execution(&task);
    // The first word of the event: whether the inner call ran through. The transaction itself did.
    let mut data = tx.logs[0].2.to_vec();
    data[31] = 0;
    tx.logs[0].2 = data.into();
    w.chain.mine(vec![tx]);
    w.start().await;
    assert_eq!(w.said(&task).await, ["received/1", "confirmed"]);
    let state = record(&w.store, task.id).await.state();
    assert_eq!(state.receipt.as_ref().map(|receipt| receipt.success), Some(false));
    assert_eq!(state.status(), TaskStatus::Failed);
}

fn sent(task: &Task, seed: u8) -> Fact {
    Fact::Broadcast(Broadcast {
        task: task.id,
        keeper: keeper(seed),
        transaction: B256::repeat_byte(seed),
        at: START,
    })
}

#[tokio::test]
async fn without_an_executor_receipts_go_by_the_transaction() {
    let mut w = world(1);
    for chain in w.chains.values_mut() {
        chain.contracts = None;
    }
    let solo = job(1, CHAIN, Mode::Solo);
    let task = w.agreed(&solo, TriggerFact::Due, Vec::new()).await;
    w.start().await;
    // A replacement was mined, and not what left first; the monitor hears of both by the bus.
    w.store.record(vec![sent(&task, 1), sent(&task, 2)]).await.expect("recorded");
    w.tell(&task, ChangeKind::Broadcast).await;
    w.look().await;
    assert_eq!(w.said(&task).await, [""; 0]);
    let block = w.chain.mine(vec![Tx { success: false, ..plain(2) }]);
    w.look().await;
    assert_eq!(w.said(&task).await, ["received/1"]);
    w.chain.drop_newest(1);
    w.chain.grow(1);
    w.look().await;
    let again = w.chain.mine(vec![plain(1)]);
    w.look().await;
    assert_eq!(w.said(&task).await, ["received/1", "revoked/1", "received/2"]);
    w.chain.grow(1);
    w.look().await;
    let record = record(&w.store, task.id).await;
    let receipts: Vec<_> =
        record.facts.iter().filter_map(|f| if let Fact::Received(r) = f { Some(r) } else { None }).collect();
    let seen: Vec<_> =
        receipts.iter().map(|r| (r.transaction, r.keeper, r.success, r.block_hash, r.gas_used)).collect();
    let (one, two) = (B256::repeat_byte(1), B256::repeat_byte(2));
    assert_eq!(
        seen,
        [(two, keeper(2), false, block.hash, 90_000), (one, keeper(1), true, again.hash, 90_000)]
    );
    assert!(record.state().is_finished());
    assert_eq!(w.chain.queries(), [], "nobody to log");
}

#[tokio::test]
async fn a_chain_that_does_not_answer_keeps_nothing_from_the_others() {
    let mut w = world(0);
    let task = w.one().await;
    // The chain that is asked first is down.
    let down = FakeChain::new(ChainId(1));
    down.down(true);
    w.chains.extend([watched(&down, 0)]);
    w.chain.mine(vec![execution(&task)]);
    w.start().await;
    assert_eq!(w.said(&task).await, ["received/1", "confirmed"]);
}

#[tokio::test]
async fn what_could_not_be_written_is_made_up_for_at_the_next_look() {
    for (what, store_fails) in [("the store refuses", true), ("the bus fails", false)] {
        let mut w = world(0);
        let (task, _other) =
            (w.one().await, w.agreed(&job(2, CHAIN, QUORUM), TriggerFact::Due, vec![]).await);
        w.start().await;
        w.chain.mine(vec![execution(&task)]);
        w.chain.grow(3);
        w.store.refuse_writes(store_fails.then(|| StoreError::ReadOnly("full".to_owned())));
        w.bus.fails.store(!store_fails, Ordering::Relaxed);
        w.look().await;
        assert_eq!(w.kinds(&task).await, [], "{what}");
        w.store.refuse_writes(None);
        w.bus.fails.store(false, Ordering::Relaxed);
        w.look().await;
        assert_eq!(w.said(&task).await, ["received/1", "confirmed"], "{what}");
        assert_eq!(w.booked(&task).await, paid(), "{what}");
        assert_eq!(w.kinds(&task).await, [ChangeKind::Received, ChangeKind::Confirmed], "{what}");
        assert!(w.told.tasks().contains(&task.id), "{what}");
    }
}

#[tokio::test]
async fn what_waits_to_be_announced_is_not_told_of_again() {
    for lapses in [false, true] {
        let mut w = world(0);
        let job = job(1, CHAIN, QUORUM);
        let task = open(&w.store, &job, TriggerFact::Due).await;
        let pin = w.chain.mine(Vec::new());
        w.store.record(agreement(&job, &task, &pin)).await.expect("recorded");
        w.chain.mine(if lapses { Vec::new() } else { vec![execution(&task)] });
        w.chain.grow(10);
        w.start().await;
        let told: Vec<TaskId> = w.told.tasks();
        assert!(told.contains(&task.id));
        for _ in 0..25 {
            w.look().await;
        }
        assert_eq!(w.told.tasks(), told, "lapses: {lapses}");
    }
}

#[tokio::test]
async fn a_task_of_which_no_notice_came_is_found_by_the_rescan() {
    let mut w = world(0);
    w.start().await;
    let task = w.one().await;
    w.chain.mine(vec![execution(&task)]);
    w.chain.grow(2);
    w.look().await;
    assert_eq!(w.said(&task).await, [""; 0]);
    let rescan: Timestamp = START + Config::default().rescan;
    w.clock.set(rescan);
    settle().await;
    assert_eq!(w.said(&task).await, ["received/1", "confirmed"]);
    assert!(w.store.job(task.job).await.expect("read").is_some());
}

#[tokio::test]
async fn one_whose_lease_is_anothers_says_nothing_more() {
    let mut w = world(2);
    let task = w.one().await;
    w.chain.mine(vec![execution(&task)]);
    w.start().await;
    assert_eq!(w.said(&task).await, ["received/1"]);
    let _taken = term(&w.store).await;
    w.chain.drop_newest(1);
    w.chain.grow(1);
    w.look().await;
    assert_eq!(w.said(&task).await, ["received/1"], "it is not taken back by one that is late");
    w.start().await;
    assert_eq!(w.said(&task).await, ["received/1", "revoked/1"], "the next one sees it, too");
}
