//! Who is alive: what the aggregator hears of keepers against who is registered.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use argus_domain::{
    ids::KeeperId,
    keeper::{KeeperRecord, LiveKeeper},
    time::Timestamp,
};
use argus_ports::{Aggregate, Clock, KeeperStore};
use tokio::sync::watch;

/// Settings of the watch over keepers.
#[derive(Debug, Clone)]
pub struct Config {
    /// Between two looks.
    pub interval: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { interval: Duration::from_secs(1) }
    }
}

/// What the watch needs.
#[derive(Clone)]
pub struct Ports {
    /// Who is registered.
    pub keepers: Arc<dyn KeeperStore>,
    /// Who is heard.
    pub aggregator: Arc<dyn Aggregate>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// Where a registered keeper stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeeperHealth {
    /// Its row in the keeper set.
    pub record: KeeperRecord,
    /// What it said last, where it is connected.
    pub live: Option<LiveKeeper>,
}

/// All registered keepers, as last seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// By address.
    pub keepers: BTreeMap<KeeperId, KeeperHealth>,
    /// When that was.
    pub at: Timestamp,
}

impl Report {
    /// How many registered keepers are connected.
    pub fn live(&self) -> usize {
        self.keepers.values().filter(|k| k.live.is_some()).count()
    }
}

/// Makes reports until it is dropped.
pub async fn run(config: Config, ports: Ports, sender: watch::Sender<Report>) {
    loop {
        if let (Ok(records), Ok(live)) = (ports.keepers.all().await, ports.aggregator.live().await) {
            let mut live: BTreeMap<_, _> = live.into_iter().map(|l| (l.hello.keeper, l)).collect();
            let keepers: BTreeMap<_, _> = records
                .into_iter()
                .map(|record| (record.keeper, KeeperHealth { live: live.remove(&record.keeper), record }))
                .collect();
            let report = Report { keepers, at: ports.clock.now() };
            note_changes(&sender.borrow(), &report);
            sender.send_replace(report);
        }
        ports.clock.sleep_until(ports.clock.now() + config.interval).await;
    }
}

/// Says in the log who came and who went silent.
fn note_changes(before: &Report, after: &Report) {
    for (keeper, health) in &after.keepers {
        let was = before.keepers.get(keeper).is_some_and(|k| k.live.is_some());
        match (was, health.live.is_some()) {
            (false, true) => tracing::info!(%keeper, "keeper is heard"),
            (true, false) => tracing::warn!(%keeper, "keeper has gone silent"),
            (true, true) | (false, false) => {}
        }
    }
}
