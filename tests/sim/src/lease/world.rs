//! The world of one seed: members, the store, the network between them, and time in microseconds.

use std::{collections::BTreeMap, num::NonZeroU16, time::Duration};

use argus_domain::lease::{Fence, Lease, Live, MemberId, View};
use argus_machine::lease::{Answer, Ask, Config, Request, Shards};

use super::{
    LeaseTally,
    check::Ledger,
    member::{Clock, Member, Stop, fence},
    plant::LeasePlant,
    store::Store,
};
use crate::{Broken, rng::Rng};

pub const SECOND: u64 = 1_000_000;
const MS: u64 = 1_000;

/// What happens next. A member is named by its place and its life.
#[derive(Debug, Clone)]
pub enum Event {
    Wake(usize, u64),
    /// A request reaches the store.
    Ask(usize, u64, Request),
    /// The second half of a look.
    Look(usize, u64, u64, Seen),
    Answer(usize, u64, u64, Answer),
    /// A member's service looks for something to write.
    Decide(usize, u64),
    /// What it decided leaves the process.
    Send(usize, u64, Fence),
    /// A write reaches the store.
    Write(Fence),
    Resume(usize, u64),
    Start(usize),
    Mend(Mend),
    Trouble,
    Stage(super::stage::Stage),
}

/// The half of a view that was read first.
#[derive(Debug, Clone)]
pub enum Seen {
    Leases(Vec<Lease>),
    Members(Vec<Live>),
}

/// What heals by itself after a while.
#[derive(Debug, Clone, Copy)]
pub enum Mend {
    Store,
    Link(usize),
}

pub struct World {
    pub rng: Rng,
    pub plant: Option<LeasePlant>,
    pub now: u64,
    queue: BTreeMap<(u64, u64), Event>,
    seq: u64,
    pub store: Store,
    pub store_down: bool,
    pub members: Vec<Member>,
    pub config: Config,
    pub ledger: Ledger,
    pub quiet: bool,
    pub over: bool,
    pub tally: LeaseTally,
    pub broken: Option<Broken>,
    pub history: u64,
}

impl World {
    pub fn new(seed: u64, plant: Option<LeasePlant>) -> Self {
        let mut rng = Rng::new(seed);
        let shards = u16::try_from(rng.between(1, 24)).unwrap_or(u16::MAX);
        let count = rng.between(2, 5);
        let config = Config {
            shards: NonZeroU16::new(shards).unwrap_or(NonZeroU16::MIN),
            batch: usize::try_from(rng.between(1, 12)).unwrap_or(1),
            ..Config::default()
        };
        let mut world = Self {
            rng,
            plant,
            now: 0,
            queue: BTreeMap::new(),
            seq: 0,
            store: Store { plant, ..Store::default() },
            store_down: false,
            members: Vec::new(),
            config,
            ledger: Ledger::default(),
            quiet: false,
            over: false,
            tally: LeaseTally::default(),
            broken: None,
            history: 0xcbf2_9ce4_8422_2325,
        };
        for place in 0..usize::try_from(count).unwrap_or(2) {
            world.members.push(Member::new(MemberId([0; 16]), Clock::new(0, 0, 0)));
            let at = world.rng.below(3 * SECOND);
            world.at(at, Event::Start(place));
        }
        world.at(SECOND, Event::Trouble);
        world.begin_stages();
        world
    }

    pub fn run(&mut self) {
        while let Some(((at, _), event)) = self.queue.pop_first() {
            self.now = at;
            self.tally.steps += 1;
            self.note(at);
            self.happen(event);
            self.check();
            if self.broken.is_some() || self.over {
                break;
            }
        }
        self.tally.simulated_ms = self.now / MS;
    }

    pub fn at(&mut self, at: u64, event: Event) {
        self.seq += 1;
        self.queue.insert((at, self.seq), event);
    }

    pub fn note(&mut self, word: u64) {
        self.history = (self.history ^ word).wrapping_mul(0x0100_0000_01b3);
    }

    fn happen(&mut self, event: Event) {
        if let Some(place) = stoppable(&event)
            && self.members[place].stopped.is_some()
        {
            self.members[place].inbox.push(event);
            return;
        }
        match event {
            Event::Wake(place, life) => self.wake(place, life),
            Event::Ask(place, life, request) => self.serve(place, life, request),
            Event::Look(place, life, no, seen) => {
                let view = match seen {
                    Seen::Leases(leases) => View { leases, members: self.store.members() },
                    Seen::Members(members) => View { leases: self.store.leases(), members },
                };
                self.reply(place, life, no, Answer::Seen(view));
            }
            Event::Answer(place, life, no, answer) => self.hear(place, life, no, answer),
            Event::Decide(place, life) => self.decide(place, life),
            Event::Send(place, life, fence) => {
                if self.members[place].life == life && !self.is_lost(self.members[place].cut_out) {
                    let delay = self.delay();
                    self.at(self.now + delay, Event::Write(fence));
                }
            }
            Event::Write(fence) => self.write(fence),
            Event::Resume(place, life) => self.resume(place, life),
            Event::Start(place) => self.start(place),
            Event::Mend(Mend::Store) => self.store_down = false,
            Event::Mend(Mend::Link(place)) => {
                (self.members[place].cut_in, self.members[place].cut_out) = (false, false);
            }
            Event::Trouble => self.trouble(),
            Event::Stage(stage) => self.stage(stage),
        }
    }

    fn wake(&mut self, place: usize, life: u64) {
        let member = &mut self.members[place];
        if member.life == life && member.wake == Some(self.now) {
            member.wake = None;
            self.turn(place, |machine, now, out| machine.tick(now, out));
        }
    }

    fn hear(&mut self, place: usize, life: u64, no: u64, answer: Answer) {
        if self.members[place].life != life {
            return;
        }
        let answer = match answer {
            Answer::Seen(mut view) if self.plant == Some(LeasePlant::EndBeforeExpiry) => {
                view.members.iter_mut().for_each(|live| live.ttl /= 3);
                Answer::Seen(view)
            }
            answer => answer,
        };
        let now = self.now;
        let member = &mut self.members[place];
        if answer == Answer::Alive(true) {
            member.bent.until =
                member.clock.shows(now) + u64::try_from(self.config.ttl.as_micros()).unwrap_or(0);
        }
        member.bent.releasing.remove(&no);
        self.turn(place, |machine, now, out| machine.answer(now, no, answer, out));
    }

    /// Lets a machine act, and carries out what it asks.
    pub fn turn(
        &mut self,
        place: usize,
        act: impl FnOnce(&mut Shards, argus_machine::lease::Moment, &mut Vec<Request>),
    ) {
        let now = self.now;
        let member = &mut self.members[place];
        let Some(machine) = &mut member.machine else { return };
        let mut out = Vec::new();
        act(machine, member.clock.moment(now), &mut out);
        if let Some((_, held)) = machine.held() {
            member.bent.held.clone_from(held);
        }
        let (life, is_gone, wake) = (member.life, machine.is_gone(), machine.next_wake());
        let wake = wake.map(|wake| member.clock.when(wake).max(now + 1));
        let is_new = wake != member.wake;
        member.wake = wake;
        if is_gone {
            member.machine = None;
        } else if let Some(wake) = wake.filter(|_| is_new) {
            self.at(wake, Event::Wake(place, life));
        }
        for request in out {
            self.send(place, life, request);
        }
    }

    fn send(&mut self, place: usize, life: u64, request: Request) {
        let now = self.now;
        let config = Config { shards: self.config.shards, ..Config::default() };
        let member = &mut self.members[place];
        let is_too_many = member.asks(now, &config);
        if let Ask::Release { leases, .. } = &request.ask {
            member.bent.releasing.insert(request.no, leases.clone());
        }
        let (is_cut, count) = (member.cut_out, member.asked.len());
        self.tally.requests += 1;
        self.tally.requests_max = self.tally.requests_max.max(count as u64);
        self.expect(!is_too_many, argus_machine::invariant::REQUESTS_BOUNDED, || {
            format!("member {place} asked {count} times within a second")
        });
        let is_dropped = match (self.plant, &request.ask) {
            (Some(LeasePlant::NobodyEnds), Ask::End { beats: Some(_), .. })
            | (Some(LeasePlant::LeaveUnsaid), Ask::End { beats: None, .. })
            | (Some(LeasePlant::ReleaseUnsaid), Ask::Release { .. }) => true,
            _ => self.is_lost(is_cut),
        };
        if is_dropped {
            self.tally.lost += 1;
            return;
        }
        let delay = self.delay();
        if !self.quiet && self.rng.permille(30) {
            self.tally.repeated += 1;
            let later = self.rng.below(6 * SECOND);
            self.at(self.now + later, Event::Ask(place, life, request.clone()));
        }
        self.at(self.now + delay, Event::Ask(place, life, request));
    }

    fn serve(&mut self, place: usize, life: u64, request: Request) {
        if self.store_down {
            if self.rng.permille(500) {
                self.reply(place, life, request.no, Answer::Failed);
            }
            return;
        }
        if request.ask == Ask::Look {
            let seen = match self.plant {
                Some(LeasePlant::MembersFirst) => Seen::Members(self.store.members()),
                _ => Seen::Leases(self.store.leases()),
            };
            let between = self.delay();
            return self.at(self.now + between, Event::Look(place, life, request.no, seen));
        }
        let answer = self.store.apply(&request.ask);
        self.check_tokens();
        self.reply(place, life, request.no, answer);
    }

    fn reply(&mut self, place: usize, life: u64, no: u64, answer: Answer) {
        if self.is_lost(self.members[place].cut_in) {
            self.tally.lost += 1;
            return;
        }
        let delay = self.delay();
        self.at(self.now + delay, Event::Answer(place, life, no, answer));
    }

    /// A member's service acts for a shard that it believes it holds.
    fn decide(&mut self, place: usize, life: u64) {
        let member = &self.members[place];
        if member.life != life || !member.is_up() {
            return;
        }
        let held = member.believes(self.now, self.plant);
        let chosen = self.rng.below(held.len() as u64);
        if let Some((no, token)) = held.into_iter().nth(usize::try_from(chosen).unwrap_or(0)) {
            let takes = self.rng.below(30 * MS);
            self.at(self.now + takes, Event::Send(place, life, fence(no, token)));
        }
        let next = self.rng.between(40 * MS, 200 * MS);
        self.at(self.now + next, Event::Decide(place, life));
    }

    pub fn start(&mut self, place: usize) {
        let ppm = i64::try_from(self.rng.below(80_001)).unwrap_or(0) - 40_000;
        let base = self.rng.below(1_000_000 * SECOND);
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.rng.word().to_be_bytes());
        let config = match self.plant {
            Some(LeasePlant::Herd) => {
                Config { pause: Duration::from_micros(10), look_soon: Duration::ZERO, ..self.config }
            }
            _ => self.config,
        };
        let life = self.members[place].life + 1;
        let mut member = Member::new(MemberId(id), Clock::new(self.now, base, ppm));
        member.life = life;
        member.machine = Some(Shards::new(config, super::store::KIND, member.id));
        (member.cut_in, member.cut_out) = (self.members[place].cut_in, self.members[place].cut_out);
        self.members[place] = member;
        self.turn(place, |machine, now, out| machine.tick(now, out));
        self.at(self.now + 50 * MS, Event::Decide(place, life));
    }

    pub fn stop(&mut self, place: usize, clock_too: bool, length: u64) {
        let life = self.members[place].life;
        self.members[place].stopped = Some(Stop { since: self.now, clock_too });
        self.at(self.now + length, Event::Resume(place, life));
    }

    fn resume(&mut self, place: usize, life: u64) {
        let now = self.now;
        let member = &mut self.members[place];
        let Some(stop) = member.stopped.take_if(|_| member.life == life) else { return };
        if stop.clock_too {
            member.clock.stood_still(stop.since, now);
            member.exempt_until = now + 8 * SECOND;
        }
        // Its clock, not an alarm that was set before, says when it wakes.
        member.wake = Some(now);
        // What was decided before it stopped leaves first: nothing looks at the clock once more.
        let (mut late, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut member.inbox).into_iter().partition(|event| matches!(event, Event::Send(..)));
        late.extend(others);
        for event in late {
            self.at(now, event);
        }
        self.at(now, Event::Wake(place, life));
    }

    fn delay(&mut self) -> u64 {
        if self.quiet {
            return self.rng.between(MS / 5, 12 * MS);
        }
        if self.rng.permille(40) { self.rng.below(2_500 * MS) } else { self.rng.between(MS / 5, 60 * MS) }
    }

    fn is_lost(&mut self, is_cut: bool) -> bool {
        is_cut || (!self.quiet && self.rng.permille(40))
    }
}

/// Whom an event needs to be running.
fn stoppable(event: &Event) -> Option<usize> {
    match event {
        Event::Wake(place, _)
        | Event::Answer(place, ..)
        | Event::Decide(place, _)
        | Event::Send(place, ..) => Some(*place),
        Event::Ask(..)
        | Event::Look(..)
        | Event::Write(_)
        | Event::Resume(..)
        | Event::Start(_)
        | Event::Mend(_)
        | Event::Trouble
        | Event::Stage(_) => None,
    }
}
