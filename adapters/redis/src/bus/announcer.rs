//! Announces what this process published.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use argus_ports::Change;
use redis::Script;
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};

use super::{entry, teller::Teller};
use crate::link::{Redis, Use, run_script};

const ANNOUNCE: &str = include_str!("announce.lua");
/// Publications that wait to be announced; those that find no room are owed.
const WAITING_MAX: usize = 4096;
/// Changes in one script, so that nobody else waits long for Redis.
const AT_ONCE: usize = 256;
/// Between two looks at what is owed.
const OWED_EVERY: Duration = Duration::from_secs(1);

/// What the publishing side leaves to the announcer.
pub(crate) struct Desk {
    waiting: mpsc::Sender<Vec<Change>>,
    debts: Arc<Debts>,
}

/// What others have to be told besides.
#[derive(Default)]
pub(crate) struct Debts {
    /// Changes were published that are not in the stream.
    owed: AtomicBool,
    /// Changes may have been published of which nothing is known here.
    unsure: AtomicBool,
}

/// Notes, where a publication ends without an answer, that it may have been made.
pub(crate) struct Doubt<'a>(Option<&'a Debts>);

impl Desk {
    /// These were published.
    pub(crate) fn hand_in(&self, changes: Vec<Change>) {
        if self.waiting.try_send(changes).is_err() {
            self.debts.owed.store(true, Ordering::Release);
        }
    }

    /// In doubt until it is cleared.
    pub(crate) fn doubt(&self) -> Doubt<'_> {
        Doubt(Some(&self.debts))
    }
}

impl Doubt<'_> {
    /// There was an answer.
    pub(crate) fn clear(mut self) {
        self.0 = None;
    }
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        if let Some(debts) = self.0 {
            debts.unsure.store(true, Ordering::Release);
        }
    }
}

pub(crate) struct Announcer {
    redis: Redis,
    teller: Arc<Teller>,
    stream: [String; 1],
    origin: String,
    kept: u32,
    script: Script,
    debts: Arc<Debts>,
    waiting: mpsc::Receiver<Vec<Change>>,
}

impl Announcer {
    /// One that begins with the word that something may have been missed: what a process published just before its
    /// end was perhaps never announced, and this one may have taken its place.
    pub(crate) fn new(
        redis: Redis,
        teller: Arc<Teller>,
        (stream, origin): (String, String),
        kept: u32,
    ) -> (Desk, Self) {
        let (sender, waiting) = mpsc::channel(WAITING_MAX);
        let debts = Arc::new(Debts { owed: AtomicBool::new(true), unsure: AtomicBool::new(false) });
        let desk = Desk { waiting: sender, debts: Arc::clone(&debts) };
        let script = Script::new(ANNOUNCE);
        (desk, Self { redis, teller, stream: [stream], origin, kept, script, debts, waiting })
    }

    /// Announces until dropped.
    pub(crate) async fn run(mut self) {
        let mut looks = interval(OWED_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                taken = self.waiting.recv_many(&mut batch, AT_ONCE) => {
                    if taken == 0 {
                        return;
                    }
                    let changes: Vec<_> = batch.drain(..).flatten().collect();
                    for part in changes.chunks(AT_ONCE) {
                        self.announce(part).await;
                    }
                }
                _ = looks.tick() => self.pay().await,
            }
        }
    }

    async fn pay(&self) {
        if self.debts.unsure.swap(false, Ordering::AcqRel) {
            self.teller.lagged();
            self.debts.owed.store(true, Ordering::Release);
        }
        if self.debts.owed.swap(false, Ordering::AcqRel) {
            self.announce(&[]).await;
        }
    }

    /// What is not announced is owed.
    async fn announce(&self, changes: &[Change]) {
        let mut arguments = vec![self.kept.to_string().into_bytes(), self.origin.clone().into_bytes()];
        arguments.extend(changes.iter().map(entry::write));
        let question = |connection| async {
            run_script::<u64>(connection, (&self.script, ANNOUNCE), &self.stream, &arguments).await
        };
        if self.redis.ask(Use::Bus, question).await.is_none() {
            self.debts.owed.store(true, Ordering::Release);
        }
    }
}
