//! The loop: takes messages in by the batch, asks the machine, has its effects carried out.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use argus_domain::{
    ids::{ChainId, TaskId},
    lease::{Fence, Shard, ShardSet},
    task::{TaskRecord, TriggerFact},
};
use argus_lease::Handle;
use argus_machine::{
    Machine,
    dispatch::{Dispatcher, Effect, Input},
};
use argus_ports::TaskOf;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};

use crate::{
    DispatcherError, Metrics,
    config::Config,
    heads::{self, Heads},
    inbox::Message,
    intake::{self, Intake, Taken},
    perform::{Carried, Carrier, InHand, Named},
    ports::Ports,
    retry::Retry,
};

struct Service {
    config: Arc<Config>,
    ports: Ports,
    machine: Dispatcher,
    intake: Intake,
    in_hand: InHand,
    carrier: Carrier,
    heads: watch::Sender<Heads>,
    /// Which jobs' tasks are led here.
    lease: Handle,
    /// All that was led when that was last looked at.
    led: BTreeSet<Fence>,
    metrics: Arc<Metrics>,
    /// Tasks of jobs with storage that are over, by public id: the next one may have its turn.
    over: Vec<u64>,
    /// How far the rescan has come.
    scanned: Option<TaskId>,
}

pub(crate) async fn run(
    config: Config,
    ports: Ports,
    mut inbox: mpsc::Receiver<Message>,
    metrics: Arc<Metrics>,
) -> Result<(), DispatcherError> {
    let (heads, mut new_heads) = watch::channel(Heads::new());
    let mut followers = JoinSet::new();
    for reader in ports.readers.values() {
        followers.spawn(heads::follow(reader.clone(), config.head, config.call_timeout, heads.clone()));
    }
    let mut rescan = interval(config.rescan);
    let mut keepers = interval(config.keepers);
    for ticks in [&mut rescan, &mut keepers] {
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    }
    let batch = config.batch;
    let config = Arc::new(config);
    let mut service = Service {
        machine: Dispatcher::new(config.machine.clone()),
        intake: Intake::new(),
        in_hand: HashMap::new(),
        carrier: Carrier::new(config.clone(), ports.clone(), metrics.clone()),
        heads,
        lease: ports.lease.clone(),
        led: BTreeSet::new(),
        metrics,
        over: Vec::new(),
        scanned: None,
        config,
        ports,
    };
    service.look_at_heads(service.ports.readers.keys().copied().collect()).await;
    let mut out = Vec::new();
    service.hear_heads(&mut out);
    service.hear_keepers(&mut out).await;
    service.carry_out(out);
    service.share_anew().await?;
    let mut messages = Vec::with_capacity(batch);
    loop {
        let mut out = Vec::new();
        let wake = service.machine.next_wake();
        let clock = service.ports.clock.clone();
        let has_room = service.carrier.has_room();
        tokio::select! {
            ended = service.carrier.next() => {
                service.hear_ended(ended?, &mut out);
                service.give_turns(&mut out).await?;
            }
            true = service.lease.changed() => service.share_anew().await?,
            taken = inbox.recv_many(&mut messages, batch), if has_room => {
                if taken == 0 {
                    return Ok(());
                }
                service.take(std::mem::take(&mut messages), &mut out).await?;
            }
            () = async {
                match wake {
                    Some(wake) => clock.sleep_until(wake.at).await,
                    None => std::future::pending().await,
                }
            }, if has_room => service.machine.tick(clock.now(), &mut out),
            Ok(()) = new_heads.changed(), if has_room => {
                new_heads.mark_unchanged();
                service.hear_heads(&mut out);
            }
            _ = keepers.tick(), if has_room => service.hear_keepers(&mut out).await,
            _ = rescan.tick(), if has_room => {
                service.scanned = service.scan(service.scanned, ShardSet::ALL).await?;
                service.note_oldest();
            }
        }
        service.carry_out(out);
        service.note();
    }
}

impl Service {
    /// Takes a batch of messages in.
    async fn take(&mut self, messages: Vec<Message>, out: &mut Vec<Effect>) -> Result<(), DispatcherError> {
        let mut submitted = BTreeSet::new();
        let mut touched = BTreeSet::new();
        let mut said = Vec::new();
        let mut keepers_changed = false;
        for message in messages {
            match message {
                Message::Submit(ids) => submitted.extend(ids),
                Message::Touched(ids) => touched.extend(ids),
                Message::Ended { task, attempt, outcome } => {
                    said.push(Input::Ended { task, attempt, outcome })
                }
                Message::Performed(event) => said.push(Input::Performed(event)),
                Message::KeepersChanged => keepers_changed = true,
            }
        }
        if keepers_changed {
            self.hear_keepers(out).await;
        }
        // What is in hand already needs no second submission, and what was touched is read for that.
        submitted.retain(|of: &TaskOf| self.concerns(of) && !self.in_hand.contains_key(&of.task));
        touched.retain(|of: &TaskOf| self.concerns(of));
        let touched: BTreeSet<TaskId> = touched.into_iter().map(|of| of.task).collect();
        let submitted = submitted.into_iter().map(|of| of.task).filter(|task| !touched.contains(task));
        let (submitted, touched) = (Vec::from_iter(submitted), Vec::from_iter(touched));
        let mut taken = self.intake.read(&self.config, &self.ports, &submitted, false).await?;
        taken.extend(self.intake.read(&self.config, &self.ports, &touched, true).await?);
        self.hear_tasks(taken, out).await;
        let now = self.ports.clock.now();
        for input in said {
            self.machine.handle(now, input, out);
        }
        Ok(())
    }

    /// Whether this dispatcher may lead a task: also where its job is not said.
    fn concerns(&self, of: &TaskOf) -> bool {
        of.job.is_none_or(|job| self.lease.fence_of_job(job).is_some())
    }

    async fn hear_tasks(&mut self, taken: Vec<Taken>, out: &mut Vec<Effect>) {
        let behind = {
            let known = self.heads.borrow();
            taken.iter().filter_map(|t| log_above(&known, &t.record)).collect::<BTreeSet<_>>()
        };
        if !behind.is_empty() {
            self.look_at_heads(behind).await;
            self.hear_heads(out);
        }
        let now = self.ports.clock.now();
        for Taken { record, job, gone, free } in taken {
            let task = &record.task;
            if self.lease.fence_of_job(job.id).is_none() {
                continue;
            }
            let waits = free.is_none() && gone.is_none() && intake::takes_turns(&job, &record);
            if !self.in_hand.contains_key(&task.id) && (waits || record.state().is_finished()) {
                continue;
            }
            let (id, has_storage) = (task.id, job.has_storage());
            let (public_id, opened_at) = (task.public_id(), task.opened_at);
            let named = Named { job: job.id, owner: job.owner, public_id, opened_at, has_storage };
            let is_known = self.in_hand.insert(id, named).is_some();
            let record = Box::new(record);
            let input =
                if is_known { Input::Touched { record, gone } } else { Input::Submit { record, job, gone } };
            self.machine.handle(now, input, out);
            if let Some(state) = free {
                self.machine.handle(now, Input::Free { task: id, state }, out);
            }
        }
    }

    /// Reads these chains' heads now.
    async fn look_at_heads(&self, chains: BTreeSet<ChainId>) {
        let looks = chains.iter().filter_map(|chain| self.ports.readers.get(chain)).map(|reader| async {
            if let Some(head) = heads::look(reader.as_ref(), self.config.call_timeout).await {
                heads::note(&self.heads, reader.chain(), head);
            }
        });
        futures::future::join_all(looks).await;
    }

    fn hear_heads(&mut self, out: &mut Vec<Effect>) {
        let heads = self.heads.borrow().clone();
        self.machine.handle(self.ports.clock.now(), Input::Heads(heads), out);
    }

    async fn hear_keepers(&mut self, out: &mut Vec<Effect>) {
        match timeout(self.config.call_timeout, self.ports.aggregate.live()).await {
            Ok(Ok(live)) => self.machine.handle(self.ports.clock.now(), Input::Keepers(live), out),
            Ok(Err(error)) => tracing::warn!(%error, "the live keepers are not known"),
            Err(_) => tracing::warn!("the aggregator does not answer in time"),
        }
    }

    /// Takes in that this dispatcher leads other shards' tasks now: those that it leads no more it lets go of, and those
    /// that it leads anew it takes in as the store has them. A shard that was lost and won again is both.
    async fn share_anew(&mut self) -> Result<(), DispatcherError> {
        let held: BTreeSet<Fence> = self.lease.held().into_iter().collect();
        let lost = shards(self.led.difference(&held));
        let gained = shards(held.difference(&self.led));
        self.led = held;
        if !lost.is_empty() {
            let is_lost = |named: &Named| lost.contains(Shard::of_job(named.job).no);
            let gone: HashSet<TaskId> =
                self.in_hand.extract_if(|_, named| is_lost(named)).map(|(task, _)| task).collect();
            self.carrier.let_go(&gone);
            let (now, mut out) = (self.ports.clock.now(), Vec::new());
            for task in gone {
                self.machine.handle(now, Input::Elsewhere { task }, &mut out);
            }
            self.carry_out(out);
        }
        if gained.is_empty() {
            return Ok(());
        }
        let mut after = None;
        loop {
            self.make_room().await?;
            after = self.scan(after, gained).await?;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// One step through what is unfinished, and of some shards; where the next one begins, `None` once it has come to the
    /// end.
    async fn scan(
        &mut self,
        after: Option<TaskId>,
        shards: ShardSet,
    ) -> Result<Option<TaskId>, DispatcherError> {
        let page = self.config.rescan_page;
        let mut records =
            Retry::new(&self.config).run("unfinished", || self.ports.tasks.unfinished(after, page)).await?;
        let next = records.last().map(|r| r.task.id).filter(|_| records.len() >= page as usize);
        records.retain(|record| {
            let job = record.task.job;
            shards.contains(Shard::of_job(job).no) && self.lease.fence_of_job(job).is_some()
        });
        let taken = self.intake.join(&self.config, &self.ports, records, false).await?;
        let mut out = Vec::new();
        self.hear_tasks(taken, &mut out).await;
        self.carry_out(out);
        Ok(next)
    }

    /// Notes what is in hand, for those who ask.
    fn note(&self) {
        let (under_way, waiting) = self.machine.attempts();
        self.metrics.tasks.set(self.in_hand.len());
        self.metrics.attempts.set(under_way);
        self.metrics.waiting.set(waiting);
        self.metrics.effects.set(self.carrier.queued());
    }

    /// Notes which task in hand is the oldest: with each step of the rescan, because all of them are looked at.
    fn note_oldest(&self) {
        let oldest = self.in_hand.values().map(|named| named.opened_at.0).min();
        self.metrics.oldest_ms.set(usize::try_from(oldest.unwrap_or(0)).unwrap_or(0));
    }

    /// Has effects carried out; how they end is heard of later.
    fn carry_out(&mut self, effects: Vec<Effect>) {
        self.carrier.add(effects);
        self.carrier.launch(&self.in_hand);
    }

    /// Takes in how a wave ended: the machine hears what the store said otherwise.
    fn hear_ended(&mut self, wave: Vec<Carried>, out: &mut Vec<Effect>) {
        let now = self.ports.clock.now();
        for carried in wave {
            let named = self.in_hand.get(&carried.task).copied();
            if carried.is_last() {
                self.over.extend(named.filter(|named| named.has_storage).map(|named| named.public_id));
            }
            if let Some(input) = self.carrier.ended(carried, &mut self.in_hand) {
                self.machine.handle(now, input, out);
            }
        }
    }

    /// Takes in the tasks of jobs with storage that come after those that are over. What is lost with this process the
    /// rescan finds.
    async fn give_turns(&mut self, out: &mut Vec<Effect>) -> Result<(), DispatcherError> {
        let mut next = Vec::new();
        for id in std::mem::take(&mut self.over) {
            let read = Retry::new(&self.config).run("next", || self.ports.tasks.by_public_id(id + 1));
            next.extend(read.await?);
        }
        let taken = self.intake.join(&self.config, &self.ports, next, false).await?;
        self.hear_tasks(taken, out).await;
        Ok(())
    }

    /// Waits until the machine may be told more.
    async fn make_room(&mut self) -> Result<(), DispatcherError> {
        while !self.carrier.has_room() {
            let ended = self.carrier.next().await?;
            let mut out = Vec::new();
            self.hear_ended(ended, &mut out);
            self.carry_out(out);
        }
        Ok(())
    }
}

/// The shards of some fences.
fn shards<'a>(fences: impl IntoIterator<Item = &'a Fence>) -> ShardSet {
    fences.into_iter().map(|fence| fence.shard.no).collect()
}

/// The chain of a task's log, where its block is above the head that is known.
fn log_above(known: &BTreeMap<ChainId, argus_domain::chain::Pin>, record: &TaskRecord) -> Option<ChainId> {
    let TriggerFact::Log(log) = &record.task.trigger else { return None };
    known.get(&log.chain).is_none_or(|head| head.number < log.block_number).then_some(log.chain)
}
