//! The world of one seed: processes, messages between them, faults, and time.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use argus_domain::{
    B256, Bytes,
    act::{AttemptOutcome, HandoffOrder, PerformEvent},
    attempt::{Answer, Assignment, SecondRound, SignedClaim},
    ids::{AttemptNo, JobId, KeeperId, TaskId},
    time::Timestamp,
};
use argus_machine::{Machine, dispatch::Dispatcher, liveness::Liveness, quorum::Aggregator};

use crate::{
    chain::{BLOCK_MS, Chain},
    keeper::Keeper,
    plant::Plant,
    report::Tally,
    rng::Rng,
    scenario::{self, END_MS, Kind, Nature, OPEN_MS, QUIET_MS, START, Scenario},
    store::Store,
};

/// A process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Node {
    Scheduler,
    Dispatcher,
    Aggregator,
    Monitor,
    Keeper(KeeperId),
}

/// What processes say to each other.
#[derive(Debug, Clone)]
pub enum Msg {
    Submit(TaskId),
    Touched(TaskId),
    Ended(TaskId, AttemptNo, AttemptOutcome),
    Performed(PerformEvent),
    Begin(Arc<Assignment>),
    HandOff(Box<HandoffOrder>),
    Assign(Arc<Assignment>),
    Second(Arc<Assignment>, Arc<SecondRound>),
    Perform(Box<HandoffOrder>),
    Answer(Box<Answer>),
    Signed(SignedClaim),
    Declined(TaskId, AttemptNo, KeeperId, String, bool),
    /// By the first one's replay the second one's run comes to something else.
    Refuted(TaskId, AttemptNo, KeeperId, KeeperId),
    Heartbeat(KeeperId),
}

/// What happens next.
#[derive(Debug, Clone)]
pub enum Event {
    Deliver(Node, Msg),
    /// A keeper's run is done, unless the keeper restarted meanwhile.
    RunDone(KeeperId, u64, Arc<Assignment>),
    /// A keeper's signer has answered, unless the keeper restarted meanwhile.
    SignerAnswered(KeeperId, u64, Box<argus_machine::transaction::Input>),
    Poll(Node),
    Restart(Node),
    Block,
    Trouble,
}

/// A broken invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    pub name: &'static str,
    pub what: String,
    pub at_ms: u64,
}

pub struct World {
    pub rng: Rng,
    pub plant: Option<Plant>,
    pub now: Timestamp,
    pub queue: BTreeMap<(Timestamp, u64), Event>,
    pub seq: u64,
    pub store: Store,
    pub chain: Chain,
    pub kinds: BTreeMap<JobId, Kind>,
    pub natures: BTreeMap<KeeperId, Nature>,
    pub threshold: u8,
    pub keepers: BTreeMap<KeeperId, Keeper>,
    pub dispatcher: Dispatcher,
    pub aggregator: Aggregator,
    pub liveness: Liveness,
    pub down: BTreeSet<Node>,
    /// Messages into these, or out of these, are lost.
    pub deaf: BTreeSet<Node>,
    pub cut: BTreeSet<Node>,
    /// How wrong the platform's clock is, milliseconds.
    pub skew_ms: i64,
    pub wakes: BTreeMap<Node, Timestamp>,
    pub tally: Tally,
    pub broken: Option<Broken>,
    /// Tasks that were tried while there were faults, or soon after.
    pub troubled: BTreeSet<TaskId>,
    /// Crossings that the scheduler saw and noted durably.
    pub condition_high: bool,
    /// The dispatcher has been restarted: what it reads is recovery.
    pub recovered: bool,
    pub crashed_at: Option<Timestamp>,
    /// Each keeper's first answer, and all that came, as the aggregator's shell saw them.
    pub answers: BTreeMap<(TaskId, AttemptNo, KeeperId), B256>,
    /// Claim digests, by what was claimed.
    pub digests: BTreeMap<(TaskId, AttemptNo, Bytes), B256>,
    pub answered: BTreeSet<((TaskId, AttemptNo, KeeperId), B256)>,
    pub history: u64,
}

impl World {
    pub fn new(seed: u64, plant: Option<Plant>) -> Self {
        let mut rng = Rng::new(seed);
        let Scenario { keepers, jobs, threshold } = Scenario::new(&mut rng, plant);
        let mut store = Store::default();
        let mut kinds = BTreeMap::new();
        for (job, kind) in jobs {
            kinds.insert(job.id, kind);
            let cursor = scenario::cursor(&job);
            store.create(job, cursor);
        }
        let alive = keepers.iter().filter(|(_, nature)| **nature != Nature::Dead);
        let mut world = Self {
            rng,
            plant,
            now: START,
            queue: BTreeMap::new(),
            seq: 0,
            store,
            chain: Chain::new(usize::from(threshold), START),
            kinds,
            keepers: alive.map(|(id, nature)| (*id, Keeper::new(*id, *nature))).collect(),
            natures: keepers,
            threshold,
            dispatcher: Dispatcher::new(Self::dispatch_config(plant)),
            aggregator: Self::new_aggregator(),
            liveness: Liveness::new(Duration::from_secs(6)),
            down: BTreeSet::new(),
            deaf: BTreeSet::new(),
            cut: BTreeSet::new(),
            skew_ms: 0,
            wakes: BTreeMap::new(),
            tally: Tally::default(),
            broken: None,
            troubled: BTreeSet::new(),
            condition_high: false,
            recovered: false,
            crashed_at: None,
            answers: BTreeMap::new(),
            digests: BTreeMap::new(),
            answered: BTreeSet::new(),
            history: 0xcbf2_9ce4_8422_2325,
        };
        let ids: Vec<KeeperId> = world.keepers.keys().copied().collect();
        for id in &ids {
            world.recover_keeper(*id);
        }
        let nodes = [Node::Scheduler, Node::Dispatcher, Node::Aggregator, Node::Monitor];
        for node in nodes.into_iter().chain(ids.into_iter().map(Node::Keeper)) {
            world.after(1, Event::Poll(node));
        }
        world.after(BLOCK_MS, Event::Block);
        world.after(1_000, Event::Trouble);
        world
    }

    /// Runs until all is over, or an invariant is broken.
    pub fn run(&mut self) {
        while self.broken.is_none() && self.now.0 < START.0 + END_MS {
            if self.since_ms() > OPEN_MS + 30_000 && self.store.unfinished.is_empty() {
                break;
            }
            self.step();
            self.tally.steps += 1;
        }
        self.tally.simulated_ms = self.since_ms();
        if self.broken.is_none() {
            self.check_end();
        }
    }

    pub fn since_ms(&self) -> u64 {
        self.now.0 - START.0
    }

    pub fn quiet(&self) -> bool {
        self.since_ms() >= QUIET_MS
    }

    /// The platform's clock.
    pub fn clock(&self) -> Timestamp {
        Timestamp(self.now.0.saturating_add_signed(self.skew_ms))
    }

    pub fn fail(&mut self, name: &'static str, what: String) {
        let at_ms = self.since_ms();
        self.broken.get_or_insert(Broken { name, what, at_ms });
    }

    pub fn expect(&mut self, holds: bool, name: &'static str, what: impl FnOnce() -> String) {
        if !holds {
            self.fail(name, what());
        }
    }

    pub fn note(&mut self, word: u64) {
        self.history = (self.history ^ word).wrapping_mul(0x0100_0000_01b3);
    }

    pub fn after(&mut self, ms: u64, event: Event) {
        self.seq += 1;
        self.queue.insert((Timestamp(self.now.0 + ms), self.seq), event);
    }

    /// Sends a message over a network that loses, repeats, delays and reorders until the faults stop.
    pub fn send(&mut self, from: Node, to: Node, msg: Msg) {
        let quiet = self.quiet();
        if self.cut.contains(&from) || self.deaf.contains(&to) || (!quiet && self.rng.permille(60)) {
            self.tally.messages_lost += 1;
            return;
        }
        if !quiet && self.rng.permille(50) {
            self.tally.messages_repeated += 1;
            let ms = self.rng.between(1, 4_000);
            self.after(ms, Event::Deliver(to, msg.clone()));
        }
        let slow = !quiet && self.rng.permille(50);
        let ms = if slow { self.rng.between(500, 6_000) } else { self.rng.between(1, 60) };
        self.after(ms, Event::Deliver(to, msg));
    }

    /// Whether the process dies here, between two effects.
    pub fn dies(&mut self, node: Node) -> bool {
        let dies = !self.quiet() && self.rng.permille(4);
        if dies {
            self.crash(node);
        }
        dies
    }

    pub fn crash(&mut self, node: Node) {
        if self.down.insert(node) {
            self.tally.crashes += 1;
            self.wakes.remove(&node);
            let ms = self.rng.between(200, 5_000);
            self.after(ms, Event::Restart(node));
        }
    }

    fn step(&mut self) {
        let wake = self.wakes.iter().min_by_key(|(node, at)| (**at, **node)).map(|(n, at)| (*at, *n));
        let next = self.queue.keys().next().copied();
        match (next, wake) {
            (Some((at, _)), Some((wake, node))) if wake < at => self.wake(wake, node),
            (None, Some((wake, node))) => self.wake(wake, node),
            (Some(key), _) => {
                let Some(event) = self.queue.remove(&key) else { return };
                self.now = self.now.max(key.0);
                self.happen(event);
            }
            (None, None) => self.now = Timestamp(START.0 + END_MS),
        }
    }

    fn wake(&mut self, at: Timestamp, node: Node) {
        // A machine that asks to be woken in the past is woken once a millisecond.
        self.now = self.now.max(at);
        self.wakes.remove(&node);
        self.note(self.now.0);
        self.tick(node);
    }

    pub fn set_wake(&mut self, node: Node) {
        let (wake, skew) = match node {
            Node::Dispatcher => (self.dispatcher.next_wake(), self.skew_ms),
            Node::Aggregator => {
                (self.aggregator.next_wake().min_some(self.liveness.next_wake()), self.skew_ms)
            }
            Node::Keeper(id) => (self.keepers.get(&id).and_then(|k| k.account.next_wake()), 0),
            Node::Scheduler | Node::Monitor => (None, 0),
        };
        match wake.filter(|_| !self.down.contains(&node)) {
            Some(wake) => {
                let at = Timestamp(wake.at.0.saturating_add_signed(-skew)).max(Timestamp(self.now.0 + 1));
                self.wakes.insert(node, at);
            }
            None => {
                self.wakes.remove(&node);
            }
        }
    }

    fn happen(&mut self, event: Event) {
        self.note(self.now.0 ^ self.queue.len() as u64);
        match event {
            Event::Deliver(node, msg) => {
                if !self.down.contains(&node) {
                    self.deliver(node, msg);
                }
            }
            Event::RunDone(id, epoch, assignment) => self.run_done(id, epoch, &assignment),
            Event::SignerAnswered(id, epoch, answer) => self.signer_answered(id, epoch, *answer),
            Event::Poll(node) => {
                let ms = match node {
                    Node::Scheduler => 500,
                    Node::Dispatcher | Node::Monitor | Node::Aggregator | Node::Keeper(_) => 2_000,
                };
                self.after(ms, Event::Poll(node));
                if !self.down.contains(&node) {
                    self.poll(node);
                }
            }
            Event::Restart(node) => {
                self.down.remove(&node);
                self.restart(node);
            }
            Event::Block => {
                self.after(BLOCK_MS, Event::Block);
                self.next_block();
            }
            Event::Trouble => {
                self.after(1_000, Event::Trouble);
                self.trouble();
            }
        }
    }

    fn next_block(&mut self) {
        if self.quiet() {
            self.chain.base_fee = 100;
        } else {
            let factor = self.rng.between(70, 145);
            self.chain.base_fee = (self.chain.base_fee * u128::from(factor) / 100).clamp(10, 5_000);
        }
        if self.since_ms() < OPEN_MS && self.rng.permille(120) {
            let log = self.trigger_log();
            self.chain.pending_logs.push(log);
        }
        self.chain.mine(self.now);
        if !self.quiet() && self.rng.permille(80) {
            self.tally.reorgs += 1;
            self.chain.reorg(&mut self.rng, self.now);
        }
        self.check_calls();
        self.tell_heads();
    }

    /// A second's worth of bad luck.
    fn trouble(&mut self) {
        self.condition_high = self.rng.permille(400);
        if self.quiet() {
            self.deaf.clear();
            self.cut.clear();
            for keeper in self.keepers.values_mut() {
                keeper.funded = true;
            }
            if self.skew_ms != 0 {
                self.skew_ms = 0;
                self.set_wake(Node::Dispatcher);
                self.set_wake(Node::Aggregator);
            }
            return;
        }
        let ids: Vec<KeeperId> = self.keepers.keys().copied().collect();
        let some = ids[self.rng.below(ids.len() as u64) as usize];
        let nodes = [Node::Scheduler, Node::Dispatcher, Node::Aggregator, Node::Monitor, Node::Keeper(some)];
        let node = nodes[self.rng.below(5) as usize];
        match self.rng.below(24) {
            0 => self.crash(node),
            1 => {
                self.tally.partitions += 1;
                self.deaf.insert(node);
            }
            2 => {
                self.tally.partitions += 1;
                self.cut.insert(node);
            }
            3..=6 => {
                self.deaf.clear();
                self.cut.clear();
            }
            7 => {
                self.tally.clock_jumps += 1;
                self.skew_ms = self.rng.between(0, 120_000) as i64 - 60_000;
                self.set_wake(Node::Dispatcher);
                self.set_wake(Node::Aggregator);
            }
            8 => {
                let funded = self.rng.permille(700);
                if let Some(keeper) = self.keepers.get_mut(&some) {
                    keeper.funded = funded;
                }
            }
            9 if self.since_ms() > 60_000 && self.rng.permille(100) => {
                let jobs: Vec<JobId> = self.store.jobs.keys().copied().collect();
                let job = jobs[self.rng.below(jobs.len() as u64) as usize];
                let at = self.clock();
                self.store.delete(job, at);
            }
            _ => {}
        }
    }
}

/// The earlier of two, where there are any.
pub trait MinSome {
    fn min_some(self, other: Self) -> Self;
}

impl<T: Ord> MinSome for Option<T> {
    fn min_some(self, other: Self) -> Self {
        match (self, other) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
}
