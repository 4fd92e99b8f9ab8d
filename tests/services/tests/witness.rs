//! That the witness notices: what really happened to a task is said again to one that knows of all of it but one thing.

use std::{sync::Arc, time::Duration};

use argus_domain::{
    Bytes,
    act::{AttemptOutcome, HandoffOrder},
    attempt::Assignment,
    chain::SignedTx,
    job::Job,
    keccak256,
    status::TaskState,
    task::{Fact, Task, Verdict},
    time::Timestamp,
};
use argus_machine::invariant::{RECORD_BEFORE_ACT, SETTLED_ANNOUNCED};
use argus_memory::{MemoryBus, MemoryStore};
use argus_ports::{
    Aggregate, ChainWriter, Change, ChangeKind, ContentStore, EventBus, FromKeeper, Outcomes, Recorded,
    TaskStore,
};
use argus_services_tests::{
    chain::TestChain,
    checks::{INTENT_BEFORE_BROADCAST, ONE_CLAIM_PER_ROUND},
    jobs::{job, open, with_script},
    links::{Heard, Spoken, Switch},
    runner::TestRunner,
    store::{Stores, WitnessedTasks},
    witness::{Witness, Writer},
    world::{World, now},
};
use serde_json::json;

/// What became of a task whose keepers met in the middle.
struct Life {
    job: Job,
    task: Task,
    facts: Vec<Fact>,
}

async fn life() -> Life {
    let keepers = [(1, 100), (2, 103), (3, 101)].map(|(key, n)| (key, TestRunner::printing(json!([n]))));
    let mut world = World::start(&keepers).await;
    let source = ContentStore::put(&world.content, bytes::Bytes::from_static(b"script")).await.expect("put");
    let job = with_script(job(1, Timestamp(now().0 - 60_000)), source);
    let id = open(&world.store, &job, 1, now()).await[0];
    let is_over = |s: &TaskState| s.announced && !s.broadcasts.is_empty();
    world.until(id, Duration::from_secs(20), "announced and broadcast", is_over).await;
    let record = world.store.tasks(&[id]).await.expect("read").remove(0);
    Life { job, task: record.task, facts: record.facts }
}

impl Life {
    fn find<T>(&self, pick: impl Fn(&Fact) -> Option<T>) -> T {
        self.facts.iter().find_map(pick).expect("it happened")
    }

    /// One that knows of all but these.
    fn witness(&self, without: fn(&Fact) -> bool) -> Witness {
        let known: Vec<_> = self.facts.iter().filter(|fact| !without(fact)).cloned().collect();
        let witness = Witness::default();
        witness.recorded(&known, &vec![Recorded::New; known.len()]);
        witness
    }

    fn order(&self) -> HandoffOrder {
        let handoff = self.find(|f| if let Fact::HandedOff(h) = f { Some(h.clone()) } else { None });
        let agreed = self.find(|f| match f {
            Fact::Settled(s) => match &s.verdict {
                Verdict::Agreed(agreed) => Some(agreed.clone()),
                _ => None,
            },
            _ => None,
        });
        HandoffOrder { handoff, job: Arc::new(self.job.clone()), task: Arc::new(self.task.clone()), agreed }
    }

    fn change(&self, kind: ChangeKind, at: Timestamp) -> Change {
        let (task, public_id) = (self.task.id, self.task.public_id());
        Change { job: self.job.id, owner: self.job.owner, task, public_id, kind, seq: 0, at }
    }
}

/// What is said again.
#[derive(Debug, Clone, Copy)]
enum Said {
    Begin,
    HandOff,
    Settled,
    Broadcast,
    Agreed,
    Announced,
    Signed,
    Sent,
}

/// Says it over links that lead nowhere.
async fn say(life: &Life, witness: &Witness, said: Said) {
    let order = life.order();
    let nowhere = Heard { link: Switch::<argus_aggregator::Handle>::default(), witness: witness.clone() };
    let back = Heard { link: Switch::<argus_dispatcher::Handle>::default(), witness: witness.clone() };
    let bus = Heard { link: MemoryBus::new(), witness: witness.clone() };
    let chain = Spoken { link: TestChain::default(), witness: witness.clone(), keeper: order.handoff.keeper };
    let heard = match said {
        Said::Begin => {
            let attempt = life.find(|f| if let Fact::Attempted(a) = f { Some(a.clone()) } else { None });
            let (job, task) = (order.job, order.task);
            nowhere.begin(Arc::new(Assignment { job, task, attempt })).await.is_ok()
        }
        Said::HandOff => nowhere.hand_off(order).await.is_ok(),
        Said::Agreed => {
            let (no, outcome) = (order.agreed.attempt, AttemptOutcome::Agreed(order.agreed));
            back.attempt_ended(life.task.id, no, outcome).await.is_ok()
        }
        Said::Settled => {
            let at = life.find(|f| if let Fact::Settled(s) = f { Some(s.at) } else { None });
            bus.publish(vec![life.change(ChangeKind::Settled, at)]).await.is_ok()
        }
        Said::Broadcast => {
            let at = life.find(|f| if let Fact::Broadcast(b) = f { Some(b.at) } else { None });
            bus.publish(vec![life.change(ChangeKind::Broadcast, at)]).await.is_ok()
        }
        Said::Announced => {
            let store = Arc::new(MemoryStore::new());
            let tasks = WitnessedTasks::new(store, witness.clone(), Writer::Dispatcher, &Stores::default());
            tasks.record(vec![Fact::Announced { task: life.task.id, at: now() }]).await.is_ok()
        }
        Said::Signed => {
            let claim = life.find(|f| if let Fact::Claimed(c) = f { Some(c.clone()) } else { None });
            witness.says(claim.keeper, &FromKeeper::Signed(Box::new(claim)));
            true
        }
        Said::Sent => {
            let raw = Bytes::from_static(b"bytes");
            let hash = keccak256(&raw);
            chain.send(&SignedTx { hash, raw }).await.is_ok()
        }
    };
    let leads_nowhere = matches!(said, Said::Begin | Said::HandOff | Said::Agreed | Said::Sent);
    assert_eq!(heard, !leads_nowhere, "{said:?}");
}

fn nothing(_: &Fact) -> bool {
    false
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_too_early_is_noticed_by_its_name() {
    type Without = fn(&Fact) -> bool;
    let attempted: Without = |f| matches!(f, Fact::Attempted(_));
    let observed: Without = |f| matches!(f, Fact::Observed(_));
    let claimed: Without = |f| matches!(f, Fact::Claimed(_));
    let settled: Without = |f| matches!(f, Fact::Settled(_));
    let handed_off: Without = |f| matches!(f, Fact::HandedOff(_));
    let broadcast: Without = |f| matches!(f, Fact::Broadcast(_));
    let cases: [(&[Said], Without, Option<&str>); 15] = [
        (&[Said::Begin], nothing, None),
        (&[Said::Begin], attempted, Some(RECORD_BEFORE_ACT)),
        (&[Said::HandOff], nothing, None),
        (&[Said::HandOff], settled, Some(RECORD_BEFORE_ACT)),
        (&[Said::HandOff], handed_off, Some(RECORD_BEFORE_ACT)),
        (&[Said::Agreed], nothing, None),
        (&[Said::Agreed], observed, Some(RECORD_BEFORE_ACT)),
        (&[Said::Agreed], claimed, Some(RECORD_BEFORE_ACT)),
        (&[Said::Settled], settled, Some(RECORD_BEFORE_ACT)),
        (&[Said::Broadcast], nothing, None),
        (&[Said::Broadcast], broadcast, Some(RECORD_BEFORE_ACT)),
        (&[Said::Settled, Said::Announced], nothing, None),
        (&[Said::Announced], nothing, Some(SETTLED_ANNOUNCED)),
        (&[Said::Signed], nothing, Some(ONE_CLAIM_PER_ROUND)),
        (&[Said::Sent], nothing, Some(INTENT_BEFORE_BROADCAST)),
    ];
    let life = life().await;
    for (messages, without, invariant) in cases {
        let witness = life.witness(without);
        for said in messages {
            say(&life, &witness, *said).await;
        }
        match (witness.broken().as_slice(), invariant) {
            ([], None) => {}
            ([broken, ..], Some(name)) => assert!(broken.starts_with(name), "{messages:?}: {broken}"),
            (broken, wanted) => panic!("{messages:?}: {broken:?}, not {wanted:?}"),
        }
    }
}
