//! Who is registered and who is heard.

use std::sync::{Arc, Mutex};

use argus_domain::{
    attempt::Assignment,
    ids::KeeperId,
    keeper::{KeeperHello, KeeperRecord, LiveKeeper},
};
use argus_memory::{ManualClock, MemoryStore};
use argus_oversight::health::{Config, Ports, Report, run};
use argus_ports::{Aggregate, Clock, HandoffOrder, KeeperStore, LinkError};
use async_trait::async_trait;
use tokio::{sync::watch, task::JoinSet};

use crate::fake::{START, keeper, settle};

/// An aggregator that hears whom the test says; `None`: it is not there.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Option<Vec<KeeperId>>>>);

#[async_trait]
impl Aggregate for Heard {
    async fn begin(&self, _assignment: Arc<Assignment>) -> Result<(), LinkError> {
        Err(LinkError::Refused("a watcher begins nothing".to_owned()))
    }

    async fn hand_off(&self, _order: HandoffOrder) -> Result<(), LinkError> {
        Err(LinkError::Refused("a watcher hands nothing off".to_owned()))
    }

    async fn live(&self) -> Result<Vec<LiveKeeper>, LinkError> {
        let heard = self.0.lock().expect("no test panics while it holds this").clone();
        let heard = heard.ok_or_else(|| LinkError::Gone("the aggregator is down".to_owned()))?;
        Ok(heard.into_iter().map(live).collect())
    }
}

fn live(keeper: KeeperId) -> LiveKeeper {
    let hello = KeeperHello {
        keeper,
        engines: [].into(),
        chains: [].into(),
        capacity: 4,
        version: "1".to_owned(),
        box_key: None,
    };
    LiveKeeper { hello, load: 0, heard_at: START, stake: 1, faults: 0 }
}

#[tokio::test]
async fn the_report_says_who_is_live_and_who_is_silent() {
    let (store, clock, heard) = (MemoryStore::new(), ManualClock::new(START), Heard::default());
    let row = |n| KeeperRecord {
        keeper: keeper(n),
        name: format!("keeper {n}"),
        stake: 1,
        chains: [].into(),
        faults: 0,
        registered_at: START,
    };
    KeeperStore::put(&store, vec![row(1), row(2)]).await.expect("stored");
    let config = Config::default();
    let ports = Ports {
        keepers: Arc::new(store.clone()),
        aggregator: Arc::new(heard.clone()),
        clock: Arc::new(clock.clone()),
    };
    let (sender, report) = watch::channel(Report::default());
    let mut tasks = JoinSet::new();
    tasks.spawn(run(config.clone(), ports, sender));
    // Whom the aggregator hears, and who is then live; the report's time tells a stale one.
    let (one, two, stranger) = (keeper(1), keeper(2), keeper(9));
    let steps = [
        ("one is silent", Some(vec![one]), vec![(one, true), (two, false)], true),
        ("both are heard", Some(vec![two, one]), vec![(one, true), (two, true)], true),
        ("nobody answers: as it was", None, vec![(one, true), (two, true)], false),
        ("who is not registered is not listed", Some(vec![stranger]), vec![(one, false), (two, false)], true),
    ];
    for (what, hears, expected, fresh) in steps {
        *heard.0.lock().expect("no test panics while it holds this") = hears;
        clock.set(clock.now() + config.interval);
        settle().await;
        let report = report.borrow().clone();
        let seen: Vec<_> = report.keepers.iter().map(|(k, h)| (*k, h.live.is_some())).collect();
        assert_eq!(seen, expected, "{what}");
        assert_eq!(report.live(), expected.iter().filter(|(_, live)| *live).count(), "{what}");
        assert_eq!(report.at == clock.now(), fresh, "{what}");
    }
}
