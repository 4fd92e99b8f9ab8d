//! The replicas, their store, and what befalls them.

use std::collections::{BTreeMap, VecDeque};

use argus_domain::{
    Address, U256,
    ids::{ChainId, JobId, Serial, TaskNumber},
    job::{
        Action, Agreement, Args, Cursor, Job, Misfire, Mode, Policy, Position, Remarks, Trigger, TriggerKind,
    },
    lease::{Fence, ServiceKind, ShardSet},
    limits::Limits,
    schedule::Schedule,
    time::Timestamp,
};
use argus_machine::{
    invariant,
    lease::{Answer, Ask, Request},
    schedule::{self, Rules, Step},
};
use argus_memory::MemoryStore;
use argus_ports::{
    CursorOutcome, JobStore, LeaseStore, OpenOutcome, Opening, StoreError, TaskQuery, TaskStore,
};
use futures::FutureExt as _;

use super::{
    ReplicaPlant, ReplicaTally,
    replica::{Replica, Work},
};
use crate::{Broken, rng::Rng};

const REPLICAS: usize = 3;
const JOBS: u64 = 24;
const KIND: ServiceKind = ServiceKind::Scheduler;
const START: u64 = 1_700_000_000_000;
/// Until when faults come, and how long everything goes on after that.
const FAULTS_END: u64 = 150_000;
const END: u64 = FAULTS_END + 20_000;
/// Shards move within 5 s; a look and a write come on top.
const LATE_MAX: u64 = 6_000;
/// From the end of one fault to the next one.
const QUIET: u64 = 6_500;

/// What happens at an instant: to a replica in one of its lives, or at the store.
#[derive(Debug, Clone)]
pub enum Event {
    Tick(usize, u64),
    Asked(usize, u64, Request),
    Answered(usize, u64, u64, Answer),
    Look(usize, u64),
    Write(usize, u64, Work),
    Fault,
    Resume(usize, u64),
    Begin(usize),
}

impl Event {
    /// Whose it is, unless it happens elsewhere.
    fn owner(&self) -> Option<(usize, u64)> {
        match self {
            Self::Tick(r, life)
            | Self::Answered(r, life, ..)
            | Self::Look(r, life)
            | Self::Write(r, life, _) => Some((*r, *life)),
            Self::Asked(..) | Self::Fault | Self::Resume(..) | Self::Begin(_) => None,
        }
    }
}

pub struct World {
    rng: Rng,
    plant: Option<ReplicaPlant>,
    now: u64,
    queue: BTreeMap<(u64, u64), Event>,
    seq: u64,
    store: MemoryStore,
    replicas: Vec<Replica>,
    lives: u64,
    every: BTreeMap<JobId, u64>,
    pub tally: ReplicaTally,
    pub broken: Option<Broken>,
}

/// The store in memory never waits.
fn done<T>(call: impl Future<Output = Result<T, StoreError>>) -> T {
    call.now_or_never().expect("it is answered at once").expect("it does not fail")
}

impl World {
    pub fn new(seed: u64, plant: Option<ReplicaPlant>) -> Self {
        let mut world = Self {
            rng: Rng::new(seed),
            plant,
            now: 0,
            queue: BTreeMap::new(),
            seq: 0,
            store: MemoryStore::new(),
            replicas: Vec::new(),
            lives: 0,
            every: BTreeMap::new(),
            tally: ReplicaTally::default(),
            broken: None,
        };
        for n in 1..=JOBS {
            let every = world.rng.between(1, 5);
            let job = job(n, every);
            world.every.insert(job.id, every * 1000);
            let cursor = Cursor {
                job: job.id,
                revision: 0,
                next_due: Some(Timestamp(START + every * 1000)),
                opened: TaskNumber(0),
                position: Position::Time,
                finished: false,
            };
            done(world.store.create(vec![(job, cursor)]));
        }
        for r in 0..REPLICAS {
            let replica = world.replica(r);
            world.replicas.push(replica);
            world.begin(r);
        }
        world.after(QUIET, Event::Fault);
        world
    }

    fn replica(&mut self, r: usize) -> Replica {
        self.lives += 1;
        let rate = self.rng.between(960, 1040);
        Replica::new(u8::try_from(r).unwrap_or(0), self.lives, self.now, rate)
    }

    fn begin(&mut self, r: usize) {
        let life = self.replicas[r].life;
        let first = self.rng.between(1, 250);
        self.after(0, Event::Tick(r, life));
        self.after(first, Event::Look(r, life));
    }

    fn after(&mut self, ms: u64, event: Event) {
        self.seq += 1;
        self.queue.insert((self.now + ms, self.seq), event);
    }

    fn breaks(&mut self, name: &'static str, what: String) {
        let at_ms = self.now;
        self.broken.get_or_insert(Broken { name, what, at_ms });
    }

    pub fn run(&mut self) {
        while let Some(((at, _), event)) = self.queue.pop_first() {
            if at > END || self.broken.is_some() {
                break;
            }
            self.now = at;
            self.happen(event);
        }
        self.now = END;
        if self.broken.is_none() {
            self.check_all_opened();
        }
    }

    fn happen(&mut self, event: Event) {
        if let Some((r, life)) = event.owner() {
            let replica = &mut self.replicas[r];
            if !replica.is_there || replica.life != life {
                return;
            }
            if let Some(stopped) = &mut replica.stopped {
                stopped.push(event);
                return;
            }
        }
        match event {
            Event::Tick(r, _) => self.tick(r),
            Event::Asked(r, life, request) => {
                let answer = asked(&self.store, request.ask);
                let back = self.rng.between(1, 60);
                self.after(back, Event::Answered(r, life, request.no, answer));
            }
            Event::Answered(r, _, no, answer) => {
                let mut out = Vec::new();
                let clock = self.replicas[r].clock(self.now);
                self.replicas[r].machine.answer(clock, no, answer, &mut out);
                self.send(r, out);
            }
            Event::Look(r, _) => self.look(r),
            Event::Write(r, _, work) => self.write(r, work),
            Event::Fault => self.fault(),
            Event::Resume(r, life) => {
                let replica = &mut self.replicas[r];
                let stopped = if replica.life == life { replica.stopped.take() } else { None };
                for event in stopped.into_iter().flatten() {
                    self.after(0, event);
                }
            }
            Event::Begin(r) => {
                self.replicas[r] = self.replica(r);
                self.begin(r);
            }
        }
    }

    fn tick(&mut self, r: usize) {
        let out = self.replicas[r].tick(self.now);
        self.send(r, out);
    }

    fn send(&mut self, r: usize, requests: Vec<Request>) {
        let life = self.replicas[r].life;
        for request in requests {
            let there = self.rng.between(1, 60);
            self.after(there, Event::Asked(r, life, request));
        }
        if let Some(wake) = self.replicas[r].machine.next_wake() {
            let at = self.replicas[r].when(wake);
            self.after(at.saturating_sub(self.now), Event::Tick(r, life));
        }
    }

    /// Reads what is due in the shards that are held, and decides.
    fn look(&mut self, r: usize) {
        let life = self.replicas[r].life;
        let again = self.rng.between(200, 300);
        self.after(again, Event::Look(r, life));
        if self.replicas[r].writing > 0 {
            return;
        }
        let mut shards = self.replicas[r].shards(self.now);
        if self.plant == Some(ReplicaPlant::GainUnheard) && !shards.is_empty() {
            shards = *self.replicas[r].first_held.get_or_insert(shards);
        }
        if self.plant == Some(ReplicaPlant::ShardsIgnored) {
            shards = ShardSet::ALL;
        }
        let now = Timestamp(START + self.now);
        for record in done(self.store.due(TriggerKind::Time, shards, now, 100)) {
            let job = record.job.id;
            let fence = self.replicas[r].fence_of(job, self.now);
            if fence.is_none() && self.plant != Some(ReplicaPlant::ShardsIgnored) {
                continue;
            }
            let steps: VecDeque<Step> = schedule::time(&record, now, None, Rules::default()).into();
            self.replicas[r].writing += 1;
            let thinks = if self.rng.permille(20) { 400 } else { 40 };
            let wait = self.rng.between(1, thinks);
            self.after(wait, Event::Write(r, life, Work { fence, steps }));
        }
    }

    fn write(&mut self, r: usize, mut work: Work) {
        let life = self.replicas[r].life;
        let decided = work.fence;
        let sent = decided.filter(|_| self.plant != Some(ReplicaPlant::FenceForgotten));
        let is_taken = match work.steps.pop_front() {
            None => false,
            Some(Step::Open(open)) => {
                let (task, cursor) = *open;
                let due = task.due.0 - START;
                let outcome = done(self.store.open(vec![Opening { task, cursor, fence: sent }]));
                self.check_fence(decided, outcome == [OpenOutcome::Fenced]);
                match outcome[..] {
                    [OpenOutcome::Opened] => self.opened(due),
                    [OpenOutcome::Fenced] => self.tally.refused += 1,
                    _ => self.tally.stale += 1,
                }
                outcome == [OpenOutcome::Opened]
            }
            Some(Step::Move(cursor)) => {
                let outcome = done(self.store.move_cursor(*cursor, sent));
                self.check_fence(decided, outcome == CursorOutcome::Fenced);
                outcome == CursorOutcome::Moved
            }
        };
        if is_taken && !work.steps.is_empty() {
            let wait = self.rng.between(1, 20);
            self.after(wait, Event::Write(r, life, work));
        } else {
            self.replicas[r].writing -= 1;
        }
    }

    fn opened(&mut self, due: u64) {
        self.tally.opened += 1;
        let Some(late) = self.now.checked_sub(due) else {
            return self.breaks(invariant::NEVER_EARLY, format!("{due} at {}", self.now));
        };
        self.tally.late_max_ms = self.tally.late_max_ms.max(late);
        if late > LATE_MAX {
            self.breaks(invariant::SHARDS_MOVE, format!("what was due at {due} was opened {late} ms later"));
        }
    }

    /// What was decided under a lease that was taken again since, or under none, is refused.
    fn check_fence(&mut self, decided: Option<Fence>, was_refused: bool) {
        let stands = decided.is_some_and(|fence| done(self.store.stands(fence)));
        if stands == was_refused {
            let what = format!("a write decided under {decided:?}, refused: {was_refused}");
            self.breaks(invariant::LATE_WRITE_REFUSED, what);
        }
    }

    /// Something befalls one replica; the next one comes once it is over.
    fn fault(&mut self) {
        if self.now >= FAULTS_END {
            return;
        }
        let r = usize::try_from(self.rng.below(REPLICAS as u64)).unwrap_or(0);
        let life = self.replicas[r].life;
        let lasts = self.rng.between(200, 12_000);
        match self.rng.below(3) {
            0 => {
                self.tally.crashes += 1;
                self.replicas[r].is_there = false;
                self.after(lasts, Event::Begin(r));
            }
            1 => {
                self.tally.leaves += 1;
                let mut out = Vec::new();
                let clock = self.replicas[r].clock(self.now);
                self.replicas[r].machine.leave(clock, &mut out);
                self.send(r, out);
                self.after(lasts + 3_000, Event::Begin(r));
            }
            _ => {
                self.tally.pauses += 1;
                self.replicas[r].stopped = Some(Vec::new());
                self.after(lasts, Event::Resume(r, life));
            }
        }
        self.after(lasts + QUIET, Event::Fault);
    }

    /// Every instant of every job has its task, and one.
    fn check_all_opened(&mut self) {
        for (job, every) in self.every.clone() {
            let tasks = done(TaskStore::list(&self.store, TaskQuery::Job(job), None, 10_000));
            let mut due: Vec<u64> = tasks.iter().map(|record| record.task.due.0 - START).collect();
            due.sort_unstable();
            // What came due just now may not be open yet.
            let sure: Vec<u64> = (1..).map(|n| n * every).take_while(|at| *at + 2_000 <= END).collect();
            let is_all = due.starts_with(&sure) && due.len() <= sure.len() + 2;
            if !is_all {
                let missing = sure.iter().find(|at| !due.contains(at));
                let what = format!("job {}: {} of {}, without {missing:?}", job.0, due.len(), sure.len());
                self.breaks(invariant::ACKNOWLEDGED_NEVER_LOST, what);
            }
        }
    }
}

fn asked(store: &MemoryStore, ask: Ask) -> Answer {
    match ask {
        Ask::Join(live) => Answer::Alive(done(store.join(KIND, live))),
        Ask::Beat { session, beats } => Answer::Alive(done(store.beat(KIND, session, beats))),
        Ask::End { session, beats } => {
            done(store.end(KIND, session, beats));
            Answer::Done
        }
        Ask::Look => Answer::Seen(done(store.look(KIND))),
        Ask::Claim { session, leases } => Answer::Claimed(done(store.claim(session, leases))),
        Ask::Release { session, leases } => {
            done(store.release(session, leases));
            Answer::Done
        }
    }
}

fn job(n: u64, every_secs: u64) -> Job {
    Job {
        id: JobId(U256::from(n)),
        version: 1,
        serial: Serial(0),
        owner: Address::ZERO,
        title: format!("job {n}"),
        trigger: Trigger::Time(Schedule::Interval { every_secs }),
        args: Args::Fixed(Vec::new()),
        action: Action::Script { chain: ChainId(1) },
        policy: Policy {
            mode: Mode::Solo,
            agreement: Agreement::Exact,
            misfire: Misfire::CatchUp,
            fee_cap: U256::ZERO,
            gas_limit: 0,
        },
        limits: Limits::DEFAULT,
        accepted_at: Timestamp(START),
        expires_at: Timestamp(START + 100 * END),
        recurring: true,
        link: None,
        created_chain: ChainId(1),
        safe: None,
        remarks: Remarks::default(),
    }
}
