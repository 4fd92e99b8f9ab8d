//! The loop: takes messages in by the batch, asks the machines, carries out what they want.

use std::{collections::HashSet, sync::Arc};

use argus_domain::{
    act::AttemptOutcome,
    attempt::{Assignment, SignedAssignment},
    ids::KeeperId,
    keeper::{KeeperHello, KeeperRecord, LiveKeeper},
    seal::Seal,
    state::State,
};
use argus_machine::{
    Machine,
    liveness::{self, Liveness},
    quorum::{self, Aggregator, Effect, Input},
};
use argus_ports::{HandoffOrder, Step, ToKeeper};
use tokio::{
    sync::{Notify, mpsc, watch},
    time::{MissedTickBehavior, interval, timeout},
};

use crate::{
    AggregatorError,
    config::Config,
    courier::Errand,
    credits::Added,
    inbox::Message,
    metrics::Metrics,
    open::Open,
    ports::Ports,
    recorder::Recorder,
    roster::Roster,
    sealing::{Batch, Outgoing, Sealing},
    session::{Said, Serving, Stream},
};

/// Messages taken in at once.
pub(crate) const BATCH: usize = 512;
/// Errands that wait. The dispatcher asks again for what does not fit.
pub(crate) const ERRANDS: usize = 8192;

struct Service {
    config: Config,
    ports: Ports,
    machine: Aggregator,
    liveness: Liveness,
    live: watch::Sender<Vec<LiveKeeper>>,
    changed: Arc<Notify>,
    roster: Roster,
    open: Open,
    recorder: Recorder,
    errands: mpsc::Sender<Errand>,
    /// Passed to sessions, which put what keepers say into our inbox.
    inbox: mpsc::Sender<Message>,
    /// What is sealed and sent at the end of this turn.
    sealing: Sealing,
    /// As others were told.
    signer_away: bool,
    metrics: Arc<Metrics>,
}

/// What a term begins with.
pub(crate) struct Term {
    pub config: Config,
    pub ports: Ports,
    pub sender: mpsc::Sender<Message>,
    pub live: watch::Sender<Vec<LiveKeeper>>,
    pub changed: Arc<Notify>,
    pub errands: mpsc::Sender<Errand>,
    pub metrics: Arc<Metrics>,
}

/// One term: `messages` are those that came as it began. Dropping it ends all sessions and forgets all attempts: the
/// dispatcher asks again for what it still wants. A commit that is under way then may be made or not: what keepers
/// said has a key of its own, and says nothing but what they said.
pub(crate) async fn run(
    term: Term,
    inbox: &mut mpsc::Receiver<Message>,
    messages: &mut Vec<Message>,
) -> Result<(), AggregatorError> {
    let Term { config, ports, sender, live, changed, errands, metrics } = term;
    let mut refresh = interval(config.refresh);
    refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut service = Service {
        machine: Aggregator::new(quorum::Config {
            executors: config.executors.clone(),
            ..quorum::Config::default()
        }),
        liveness: Liveness::new(config.silent_after),
        live,
        changed,
        roster: Roster::default(),
        open: Open::default(),
        recorder: Recorder::new(&config, ports.tasks.clone()),
        errands,
        inbox: sender,
        sealing: Sealing::new(ports.signer.clone()),
        signer_away: false,
        metrics,
        config,
        ports,
    };
    let mut out = Vec::new();
    service.take(std::mem::take(messages), &mut out);
    loop {
        service.carry_out(std::mem::take(&mut out));
        service.send_waiting();
        if let Some(batch) = service.sealing.launch() {
            service.send(batch, &mut out);
            if !out.is_empty() {
                continue;
            }
        }
        service.metrics.errands.set(service.errands.max_capacity() - service.errands.capacity());
        let clock = service.ports.clock.clone();
        let wakes = [service.machine.next_wake(), service.liveness.next_wake()];
        let wake = wakes.into_iter().flatten().min();
        let has_room = service.recorder.has_room();
        tokio::select! {
            rested = service.recorder.next() => service.perform_all(rested?, &mut out),
            taken = inbox.recv_many(messages, BATCH), if has_room => {
                if taken == 0 {
                    return Ok(());
                }
                service.take(std::mem::take(messages), &mut out);
            }
            batch = service.sealing.next() => service.send(batch, &mut out),
            keeper = service.roster.next_gone() => service.gone(keeper, &mut out),
            _ = refresh.tick() => service.refresh(&mut out).await,
            () = async {
                match wake {
                    Some(wake) => clock.sleep_until(wake.at).await,
                    None => std::future::pending().await,
                }
            } => {
                service.machine.tick(clock.now(), &mut out);
                let mut changes = Vec::new();
                service.liveness.tick(clock.now(), &mut changes);
                service.note(&changes);
                service.cut_silent(&mut out);
            }
        }
    }
}

impl Service {
    fn take(&mut self, messages: Vec<Message>, out: &mut Vec<Effect>) {
        for message in messages {
            match message {
                Message::Begin { assignment, state } => self.begin(assignment, state, out),
                Message::Hopeless { task, attempt, why } => {
                    tracing::error!(%task, attempt = attempt.0, why, "an attempt is not begun");
                    let outcome = AttemptOutcome::Short { why, transient: false };
                    self.tell(Errand::Ended { task, attempt, outcome });
                }
                Message::HandOff(order) => self.hand_off(*order),
                Message::Admit { hello, row, stream } => self.admit(hello, row, stream, out),
                Message::Said { keeper, said } => self.said(keeper, said, out),
            }
        }
    }

    fn begin(&mut self, assignment: Arc<Assignment>, state: Option<Arc<State>>, out: &mut Vec<Effect>) {
        self.open.open(&assignment, state);
        self.machine.handle(self.ports.clock.now(), Input::Begin(assignment), out);
    }

    /// A performer that is not connected hears nothing; its patience runs out, and another is asked. It is not
    /// declined for it: it may have acted already.
    fn hand_off(&mut self, order: HandoffOrder) {
        let keeper = order.handoff.keeper;
        self.put(keeper, ToKeeper::Perform(Box::new(order)));
    }

    /// Sends to a keeper, where there is room.
    fn put(&self, keeper: KeeperId, message: ToKeeper) -> bool {
        let sent = self.roster.put(keeper, message);
        if !sent {
            self.metrics.dropped_to_keeper.add(1);
        }
        sent
    }

    fn admit(&mut self, hello: KeeperHello, row: Box<KeeperRecord>, stream: Stream, out: &mut Vec<Effect>) {
        let keeper = hello.keeper;
        tracing::info!(%keeper, capacity = hello.capacity, version = hello.version, "a keeper is in");
        let serving = Serving {
            ports: self.ports.clone(),
            open: self.open.clone(),
            keeper,
            box_key: hello.box_key,
            send_timeout: self.config.send_timeout,
            inbox: self.inbox.clone(),
        };
        self.roster.admit(&hello, stream, serving);
        self.hear_liveness(liveness::Input::Hello { hello, row });
        self.machine.handle(self.ports.clock.now(), Input::Back(keeper), out);
    }

    fn gone(&mut self, keeper: KeeperId, out: &mut Vec<Effect>) {
        self.hear_liveness(liveness::Input::Gone(keeper));
        self.machine.handle(self.ports.clock.now(), Input::Gone(keeper), out);
    }

    /// Ends the sessions of those who were silent for too long, so that they dial in anew: nobody who has a session
    /// is left out of what is asked for good.
    fn cut_silent(&mut self, out: &mut Vec<Effect>) {
        let live: HashSet<_> = self.liveness.live().into_iter().map(|k| k.hello.keeper).collect();
        let silent: Vec<_> = self.roster.connected().filter(|keeper| !live.contains(keeper)).collect();
        for keeper in silent {
            tracing::warn!(%keeper, "a keeper was silent for too long: its session ends");
            self.roster.remove(keeper);
            self.machine.handle(self.ports.clock.now(), Input::Gone(keeper), out);
        }
    }

    fn said(&mut self, keeper: KeeperId, said: Said, out: &mut Vec<Effect>) {
        let now = self.ports.clock.now();
        let input = match said {
            Said::Answer(answer) => {
                self.roster.release(keeper, (answer.observation.task, answer.observation.attempt));
                Input::Answer(answer)
            }
            Said::Late(answer) => {
                let key = (answer.observation.task, answer.observation.attempt);
                // Begun anew meanwhile: it was neither checked nor archived, and its keeper is asked for it again.
                if self.open.has(&key) {
                    return;
                }
                self.roster.release(keeper, key);
                Input::Answer(answer)
            }
            Said::Signed(claim) => Input::Signed(*claim),
            Said::Declined { task, attempt, reason, transient } => {
                self.roster.release(keeper, (task, attempt));
                Input::Declined { task, attempt, keeper, reason, transient }
            }
            Said::Refuted { task, attempt, accused, found } => {
                Input::Refuted { task, attempt, keeper, accused, found }
            }
            Said::Performed(event) => return self.tell(Errand::Performed(event)),
            Said::Beat { load } => {
                return self.hear_liveness(liveness::Input::Heartbeat { keeper, load });
            }
        };
        self.machine.handle(now, input, out);
    }

    /// Who is registered, and what they weigh. A keeper that has left the set is cut off.
    async fn refresh(&mut self, out: &mut Vec<Effect>) {
        let now = self.ports.clock.now();
        self.open.close_late(now);
        let rows = match timeout(self.config.refresh, self.ports.keepers.all()).await {
            Ok(Ok(rows)) => rows,
            Ok(Err(error)) => return tracing::warn!(%error, "the keeper set cannot be read"),
            Err(_) => return tracing::warn!("the keeper set was not read in time"),
        };
        let mut left: Vec<_> = self.roster.connected().collect();
        for row in rows {
            left.retain(|keeper| *keeper != row.keeper);
            self.hear_liveness(liveness::Input::Row(Box::new(row)));
        }
        for keeper in left {
            tracing::warn!(%keeper, "a keeper is not registered any more");
            self.roster.remove(keeper);
            self.hear_liveness(liveness::Input::Removed(keeper));
            self.machine.handle(now, Input::Gone(keeper), out);
        }
    }

    fn hear_liveness(&mut self, input: liveness::Input) {
        let mut changes = Vec::new();
        self.liveness.handle(self.ports.clock.now(), input, &mut changes);
        self.note(&changes);
        self.publish_live();
    }

    fn note(&mut self, changes: &[liveness::Effect]) {
        if !changes.is_empty() {
            self.publish_live();
            self.changed.notify_one();
        }
    }

    /// Who can be given work: nobody, while nothing can be sealed. Tasks wait for keepers longer than for attempts that
    /// come to nothing.
    fn publish_live(&self) {
        let live = if self.signer_away { Vec::new() } else { self.liveness.live() };
        self.live.send_replace(live);
    }

    fn tell(&self, errand: Errand) {
        if self.errands.try_send(errand).is_err() {
            self.metrics.dropped_to_dispatcher.add(1);
            tracing::warn!("too much is waiting for the dispatcher: it will have to ask again");
        }
    }

    /// Does what need not wait, at once; the rest follows the facts that it waits for.
    fn carry_out(&mut self, mut effects: Vec<Effect>) {
        while !effects.is_empty() {
            let free = self.recorder.pass(std::mem::take(&mut effects));
            self.perform_all(free, &mut effects);
        }
        self.recorder.launch();
    }

    fn perform_all(&mut self, effects: Vec<Effect>, out: &mut Vec<Effect>) {
        effects.into_iter().for_each(|effect| self.perform(effect, out));
    }

    fn perform(&mut self, effect: Effect, out: &mut Vec<Effect>) {
        match effect {
            // The recorder keeps it.
            Effect::Record(_) => {}
            Effect::Assign { keeper, assignment } => self.assign(keeper, assignment, out),
            Effect::Second { keeper, round } => {
                let Some(assignment) = self.open.get(&(round.task, round.attempt)) else { return };
                self.sealing.push([Outgoing { keeper, assignment, second: Some(round) }]);
            }
            Effect::Ended { task, attempt, outcome } => {
                self.open.close(&(task, attempt));
                self.tell(Errand::Ended { task, attempt, outcome });
            }
            Effect::Misbehaved { keeper, task, attempt, what } => {
                tracing::warn!(%keeper, %task, attempt = attempt.0, ?what, "a keeper broke a rule");
                self.metrics.faults.add(1);
                self.tell(Errand::Fault { keeper, task });
            }
        }
    }

    fn assign(&mut self, keeper: KeeperId, assignment: Arc<Assignment>, out: &mut Vec<Effect>) {
        let now = self.ports.clock.now();
        match self.roster.add(keeper, assignment.clone(), self.config.waiting_max) {
            None => self.machine.handle(now, Input::Gone(keeper), out),
            Some(Added::Waiting) => {}
            Some(Added::InHand) => self.sealing.push([Outgoing { keeper, assignment, second: None }]),
            Some(Added::Full) => {
                self.metrics.full.add(1);
                let (task, attempt) = (assignment.task.id, assignment.attempt.no);
                let reason = "too many assignments wait for this keeper".to_owned();
                let full = Input::Declined { task, attempt, keeper, reason, transient: true };
                self.machine.handle(now, full, out);
            }
        }
    }

    /// Takes up what has waited and has a credit now.
    fn send_waiting(&mut self) {
        let open = &self.open;
        let ready = self.roster.ready(self.ports.clock.now(), |key| open.has(key));
        let work =
            ready.into_iter().map(|(keeper, assignment)| Outgoing { keeper, assignment, second: None });
        self.sealing.push(work);
    }

    /// Sends what was sealed. What a signer that does not answer was given waits for it, as long as its attempt is open.
    fn send(&mut self, Batch { work, seals }: Batch, out: &mut Vec<Effect>) {
        let was_away = std::mem::replace(&mut self.signer_away, self.sealing.is_away());
        if self.signer_away != was_away {
            match self.signer_away {
                true => tracing::error!("nobody is given work until the platform's signer answers"),
                false => tracing::info!("the platform's signer answers again"),
            }
            self.publish_live();
            self.changed.notify_one();
        }
        match seals {
            Ok(seals) => work.into_iter().zip(seals).for_each(|(work, seal)| self.send_sealed(work, seal)),
            Err(error) if error.is_retryable() => {
                tracing::error!(%error, "assignments wait for the platform's signer");
                self.sealing.push(work.into_iter().filter(|one| self.open.has(&one.key())));
            }
            Err(error) => {
                tracing::error!(%error, "assignments cannot be sealed");
                let now = self.ports.clock.now();
                for one in work {
                    let (keeper, (task, attempt)) = (one.keeper, one.key());
                    let reason = format!("the platform could not seal its assignment: {error}");
                    self.roster.release(keeper, (task, attempt));
                    let unsealed = Input::Declined { task, attempt, keeper, reason, transient: true };
                    self.machine.handle(now, unsealed, out);
                }
            }
        }
    }

    fn send_sealed(&mut self, work: Outgoing, seal: Seal) {
        let key = work.key();
        let Outgoing { keeper, assignment, second } = work;
        self.open.sealed(&key, &seal);
        let state = self.open.state(&key);
        let assignment = SignedAssignment { assignment, seal, state };
        let message = match second {
            None => ToKeeper::Assign { assignment, secrets: None },
            Some(round) => ToKeeper::Second { assignment, round: Box::new(Arc::unwrap_or_clone(round)) },
        };
        let is_first_round = matches!(message, ToKeeper::Assign { .. });
        if self.put(keeper, message) && is_first_round {
            self.config.failpoint.reach(Step::Assigned);
        }
    }
}
