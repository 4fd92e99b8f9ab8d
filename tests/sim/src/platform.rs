//! The shells of dispatcher and aggregator, as thin as the real ones: facts in, machine, effects out in order.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use argus_domain::{
    B256,
    attempt::{Answer, Assignment},
    call::ExecutorDomain,
    chain::{Log, Pin},
    difference::{CallDifference, Refutation},
    ids::{AttemptNo, KeeperId, TaskId},
    seal::Seal,
    state::{State, StateRef},
    task::{Fact, Task, TaskRecord},
    time::Timestamp,
};
use argus_machine::{
    Machine,
    backoff::Backoff,
    dispatch::{self, Dispatcher},
    invariant, liveness,
    quorum::{self, Aggregator},
};

use crate::{
    plant::Plant,
    scenario::{self, CHAIN},
    store::Recorded,
    world::{Event, Msg, Node, World},
};

impl World {
    pub fn dispatch_config(plant: Option<Plant>) -> dispatch::Config {
        let endless = plant == Some(Plant::NeverGiveUp);
        dispatch::Config {
            tries_max: if endless { u16::MAX } else { 4 },
            budget: Duration::from_secs(if endless { 1_000_000_000 } else { 120 }),
            grace: Duration::from_secs(30),
            agree: Duration::from_secs(6),
            patience: Duration::from_secs(8),
            landing: Duration::from_secs(20),
            remind: Duration::from_secs(2),
            backoff: Backoff::new(Duration::from_millis(500), Duration::from_secs(8)),
            flights_max: 30,
            attempts_open_max: 12,
            late_after: Duration::from_secs(20),
            engines: Vec::new(),
        }
    }

    pub fn new_aggregator() -> Aggregator {
        Aggregator::new(quorum::Config {
            executors: BTreeMap::from([(CHAIN, scenario::executor())]),
            ..quorum::Config::default()
        })
    }

    pub fn restart_dispatcher(&mut self) {
        self.dispatcher = Dispatcher::new(Self::dispatch_config(self.plant));
        self.recovered = true;
        self.tell_heads();
        self.rescan();
    }

    /// What the store calls unfinished is all that recovery, and a rescan, has.
    pub fn rescan(&mut self) {
        for id in self.store.unfinished.clone() {
            self.submit(id, false);
        }
    }

    pub fn tell_heads(&mut self) {
        if !self.down.contains(&Node::Dispatcher) {
            let head = self.chain.head();
            let pin = Pin { number: head.number, hash: head.hash };
            self.tell_dispatcher(dispatch::Input::Heads(BTreeMap::from([(CHAIN, pin)])));
        }
    }

    pub fn poll_dispatcher(&mut self) {
        let reachable = !self.down.contains(&Node::Aggregator) && self.cut.is_empty() && self.deaf.is_empty();
        if reachable {
            let live = self.liveness.live();
            self.tell_dispatcher(dispatch::Input::Keepers(live));
        }
        if self.rng.permille(200) {
            self.rescan();
        }
    }

    pub fn submit(&mut self, id: TaskId, touched: bool) {
        if self.down.contains(&Node::Dispatcher) {
            return;
        }
        let Some(mut record) = self.store.tasks.get(&id).cloned() else { return };
        if self.plant == Some(Plant::SettledForgotten) && self.recovered {
            record.facts.retain(|f| !matches!(f, Fact::Settled(_)));
        }
        let gone = self.store.is_deleted(record.task.job).then(|| "its job was deleted".to_owned());
        let Some(job) = self.store.versions.get(&record.task.job).cloned() else { return };
        let waits = job.has_storage() && record.state().verdict.is_none();
        let free = if waits { self.turn(&record.task) } else { None };
        if waits && free.is_none() && gone.is_none() && !touched {
            return;
        }
        let record = Box::new(record);
        self.tell_dispatcher(if touched {
            dispatch::Input::Touched { record, gone }
        } else {
            dispatch::Input::Submit { record, job, gone }
        });
        if let Some(state) = free {
            self.tell_dispatcher(dispatch::Input::Free { task: id, state });
        }
    }

    /// The state on which a task of a job with storage may run, if it is its turn.
    fn turn(&self, task: &Task) -> Option<StateRef> {
        let before = self.store.before(task);
        let mut states = before.iter().map(|(number, record)| (*number, record.state()));
        let ignored = self.plant == Some(Plant::TurnsIgnored);
        if !ignored && !states.clone().all(|(_, state)| state.is_over()) {
            return None;
        }
        let left = states.find_map(|(number, mut state)| {
            if self.plant == Some(Plant::FailedWritesKept)
                && let Some(receipt) = &mut state.receipt
            {
                receipt.success = true;
            }
            state.leaves(number)
        });
        Some(left.unwrap_or_else(StateRef::empty))
    }

    pub fn tell_dispatcher(&mut self, input: dispatch::Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let mut out = Vec::new();
            let now = self.clock();
            self.dispatcher.handle(now, input, &mut out);
            inputs.extend(self.perform_dispatch(out));
            if self.down.contains(&Node::Dispatcher) {
                return;
            }
        }
        self.set_wake(Node::Dispatcher);
    }

    pub fn tick_dispatcher(&mut self) {
        let mut out = Vec::new();
        let now = self.clock();
        self.dispatcher.tick(now, &mut out);
        for input in self.perform_dispatch(out) {
            self.tell_dispatcher(input);
        }
        self.set_wake(Node::Dispatcher);
    }

    /// Carries effects out in order. What a record met instead comes back as inputs, and drops its task's later effects.
    fn perform_dispatch(&mut self, mut out: Vec<dispatch::Effect>) -> Vec<dispatch::Input> {
        self.bend(&mut out);
        let (mut back, mut stopped) = (Vec::new(), BTreeMap::<TaskId, Vec<Fact>>::new());
        for effect in out {
            let task = effect.task();
            if let Some(dropped) = stopped.get_mut(&task) {
                if let dispatch::Effect::Record(fact) = effect {
                    dropped.push(fact);
                }
                continue;
            }
            if self.dies(Node::Dispatcher) {
                self.crashed_at = Some(self.now);
                return Vec::new();
            }
            if let Some(at) = self.crashed_at.take() {
                self.tally.recoveries += 1;
                self.tally.recovery_max_ms = self.tally.recovery_max_ms.max(self.now.0 - at.0);
            }
            match effect {
                dispatch::Effect::Record(fact) => match self.record(fact.clone()) {
                    Recorded::New => {}
                    Recorded::Already(known) if *known == fact => {}
                    Recorded::Already(known) => {
                        stopped.insert(task, Vec::new());
                        if self.plant != Some(Plant::SettledForgotten) {
                            back.push(dispatch::Input::RecordedAs { task, fact: known, dropped: Vec::new() });
                        }
                    }
                    Recorded::Refused => {
                        stopped.insert(task, Vec::new());
                        back.push(dispatch::Input::Refused {
                            task,
                            fact: Box::new(fact),
                            dropped: Vec::new(),
                        });
                    }
                },
                dispatch::Effect::Begin(assignment) => {
                    let fact = Fact::Attempted(Arc::clone(&assignment.attempt));
                    self.expect_recorded(&fact);
                    let state = self.store.tasks.get(&task).map(TaskRecord::state).unwrap_or_default();
                    self.expect(state.verdict.is_none(), invariant::VERDICT_ONCE, || {
                        format!("task {task} is tried again after its verdict")
                    });
                    self.send(Node::Dispatcher, Node::Aggregator, Msg::Begin(assignment));
                }
                dispatch::Effect::HandOff(order) => {
                    self.expect_recorded(&Fact::HandedOff(order.handoff.clone()));
                    self.tally.handoffs += 1;
                    self.send(Node::Dispatcher, Node::Aggregator, Msg::HandOff(order));
                }
                dispatch::Effect::Announce { settlement, .. } => {
                    self.expect_recorded(&Fact::Settled(*settlement));
                    self.store.announced.insert(task);
                }
                dispatch::Effect::Full(_) => self.tally.full += 1,
                dispatch::Effect::Forget(_) => {
                    if let Some(next) = self.store.next(task) {
                        self.after(1, Event::Deliver(Node::Dispatcher, Msg::Submit(next)));
                    }
                }
            }
        }
        for input in &mut back {
            if let dispatch::Input::RecordedAs { task, dropped, .. }
            | dispatch::Input::Refused { task, dropped, .. } = input
            {
                *dropped = stopped.remove(task).unwrap_or_default();
            }
        }
        back
    }

    fn expect_recorded(&mut self, fact: &Fact) {
        let holds = self.store.holds(fact);
        self.expect(holds, invariant::RECORD_BEFORE_ACT, || format!("{:?} is not in the store", fact.key()));
    }

    /// Planted bugs of the dispatcher.
    fn bend(&mut self, out: &mut Vec<dispatch::Effect>) {
        match self.plant {
            Some(Plant::ActBeforeRecord) => {
                out.sort_by_key(|e| matches!(e, dispatch::Effect::Record(_)));
            }
            Some(Plant::AnnounceBeforeRecord) => {
                out.sort_by_key(|e| !matches!(e, dispatch::Effect::Announce { .. }));
            }
            Some(Plant::NoHandoff) => out.retain(|e| match e {
                dispatch::Effect::HandOff(order) => order.handoff.number == 1,
                _ => true,
            }),
            Some(Plant::ForgottenAnnouncement) => {
                let forget = self.rng.permille(50);
                out.retain(|e| !(forget && matches!(e, dispatch::Effect::Announce { .. })));
            }
            _ => {}
        }
    }

    pub fn restart_aggregator(&mut self) {
        self.aggregator = Self::new_aggregator();
        self.liveness = liveness::Liveness::new(Duration::from_secs(6));
    }

    pub fn heartbeat(&mut self, keeper: KeeperId) {
        let now = self.clock();
        let mut out = Vec::new();
        let known = self.liveness.live().iter().any(|k| k.hello.keeper == keeper);
        let input = if known {
            liveness::Input::Heartbeat { keeper, load: 0 }
        } else {
            let row = Box::new(scenario::row(keeper));
            liveness::Input::Hello { hello: scenario::hello(keeper), row }
        };
        self.liveness.handle(now, input, &mut out);
        if !known {
            self.tell_aggregator(quorum::Input::Back(keeper));
        }
        self.set_wake(Node::Aggregator);
    }

    /// An answer off a keeper's stream: its signatures are checked before the machine hears of it.
    pub fn answer(&mut self, mut answer: Box<Answer>) {
        let observation = &answer.observation;
        let keeper = observation.keeper;
        let digest = scenario::fingerprint(observation.transcript_root, &observation.output);
        let genuine = observation.seal == Seal::alone(scenario::sign(keeper, digest))
            && answer.claim.as_ref().is_none_or(|c| c.signature == scenario::sign(keeper, c.digest));
        if !genuine {
            return;
        }
        if let Some(state) = &answer.state {
            self.store.states.insert(state.root(), State::clone(state));
        }
        let key = (observation.task, observation.attempt, keeper);
        let first = *self.answers.entry(key).or_insert(digest);
        let again = !self.answered.insert((key, digest)) || first != digest;
        let bent = match self.plant {
            Some(Plant::DuplicateClaims) => again && first == digest,
            Some(Plant::EquivocatorTwice) => again && first != digest,
            _ => false,
        };
        if bent {
            let others = self.store.tasks.get(&key.0).map(TaskRecord::state).unwrap_or_default();
            let attempt = others.attempts.into_iter().find(|a| a.no == key.1);
            let silent = attempt.into_iter().flat_map(|a| a.keepers.clone());
            let Some(other) = silent.into_iter().find(|k| !self.answers.contains_key(&(key.0, key.1, *k)))
            else {
                return;
            };
            Arc::make_mut(&mut answer.observation).keeper = other;
            if let Some(claim) = &mut answer.claim {
                claim.keeper = other;
            }
        }
        self.tell_aggregator(quorum::Input::Answer(answer));
    }

    /// A refutation off a keeper's stream.
    pub fn refuted(&mut self, task: TaskId, attempt: AttemptNo, keeper: KeeperId, accused: KeeperId) {
        if self.plant == Some(Plant::RefutedUnheard) {
            let reason = "another call".to_owned();
            let declined = quorum::Input::Declined { task, attempt, keeper, reason, transient: false };
            return self.tell_aggregator(declined);
        }
        let mut who = vec![keeper];
        if self.plant == Some(Plant::RefutedByOne) {
            who.extend(self.keepers.keys().filter(|k| **k != keeper && **k != accused));
        }
        for keeper in who {
            let found =
                Box::new(Refutation::diverged(CallDifference { sequence: 0, one: None, other: None }));
            self.tell_aggregator(quorum::Input::Refuted { task, attempt, keeper, accused, found });
        }
    }

    pub fn tell_aggregator(&mut self, input: quorum::Input) {
        let mut out = Vec::new();
        let now = self.clock();
        self.aggregator.handle(now, input, &mut out);
        self.perform_quorum(out);
    }

    pub fn tick_aggregator(&mut self) {
        let now = self.clock();
        let before: Vec<KeeperId> = self.liveness.live().iter().map(|k| k.hello.keeper).collect();
        let mut changed = Vec::new();
        self.liveness.tick(now, &mut changed);
        let live: Vec<KeeperId> = self.liveness.live().iter().map(|k| k.hello.keeper).collect();
        for gone in before.into_iter().filter(|k| !live.contains(k)) {
            self.tell_aggregator(quorum::Input::Gone(gone));
        }
        let mut out = Vec::new();
        self.aggregator.tick(now, &mut out);
        self.perform_quorum(out);
    }

    fn perform_quorum(&mut self, out: Vec<quorum::Effect>) {
        for effect in out {
            if self.down.contains(&Node::Aggregator) || self.dies(Node::Aggregator) {
                return;
            }
            match effect {
                quorum::Effect::Record(fact) => {
                    self.record(fact);
                }
                quorum::Effect::Assign { keeper, assignment } => {
                    self.expect_recorded(&Fact::Attempted(assignment.attempt.clone()));
                    self.send(Node::Aggregator, Node::Keeper(keeper), Msg::Assign(assignment));
                }
                quorum::Effect::Second { keeper, round } => {
                    self.tally.second_rounds += 1;
                    let Some(assignment) = self.assignment(round.task, round.attempt) else { continue };
                    self.send(Node::Aggregator, Node::Keeper(keeper), Msg::Second(assignment, round));
                }
                quorum::Effect::Ended { task, attempt, outcome } => {
                    self.send(Node::Aggregator, Node::Dispatcher, Msg::Ended(task, attempt, outcome));
                }
                quorum::Effect::Misbehaved { keeper, what, .. } => {
                    self.tally.misbehaved += 1;
                    self.tally.refuted += u64::from(what == quorum::Misbehaviour::Refuted);
                    let honest = self.natures.get(&keeper).is_some_and(|n| !n.lies());
                    let provable = what != quorum::Misbehaviour::TwoAnswers;
                    // Other planted bugs put words into honest mouths, and show elsewhere.
                    let planted = self.plant.is_some_and(|plant| plant != Plant::RefutedByOne);
                    self.expect(!(honest && provable) || planted, invariant::HONEST_CALL, || {
                        format!("honest keeper {keeper} is accused of {what:?}")
                    });
                }
            }
        }
        self.set_wake(Node::Aggregator);
    }

    /// What goes beside a second round: whoever signs it need not have been asked to run.
    fn assignment(&self, task: TaskId, no: AttemptNo) -> Option<Arc<Assignment>> {
        let record = self.store.tasks.get(&task)?;
        let job = self.store.versions.get(&record.task.job)?.clone();
        let attempt = record.state().attempts.into_iter().find(|attempt| attempt.no == no)?;
        Some(Arc::new(Assignment { job, task: record.task.clone().into(), attempt }))
    }

    /// Records a fact, and checks what must hold of it.
    pub fn record(&mut self, fact: Fact) -> Recorded {
        self.note(u64::from_be_bytes(fact.task().0[..8].try_into().unwrap_or_default()));
        let recorded = self.store.record(fact.clone());
        if matches!(recorded, Recorded::New) {
            self.check_fact(&fact);
        }
        recorded
    }

    /// A log that some event job waits for.
    pub fn trigger_log(&mut self) -> Log {
        let word = self.rng.word();
        Log {
            chain: CHAIN,
            address: argus_domain::Address::repeat_byte(0xcc),
            topics: vec![B256::ZERO],
            data: argus_domain::Bytes::new(),
            block_number: 0,
            block_hash: B256::ZERO,
            block_time: Timestamp(0),
            transaction: B256::left_padding_from(&word.to_be_bytes()),
            index_in_block: 0,
            index_in_transaction: 0,
        }
    }

    /// The digest that keepers sign.
    pub fn domain() -> ExecutorDomain {
        ExecutorDomain { chain: CHAIN, executor: scenario::executor() }
    }
}
