//! The account of this keeper on one chain: one actor, so that a nonce is given out by one hand.

use std::{collections::BTreeSet, future::Future, sync::Arc, time::Duration};

use argus_domain::{
    B256,
    act::{HandoffOrder, Intent, PerformEvent},
    chain::{SignedTx, TxDraft},
    ids::{ChainId, TaskId},
};
use argus_machine::{
    Machine,
    transaction::{self, Account, Effect, Input, SendOutcome, Work},
};
use argus_ports::{ChainError, ChainReader, ChainWriter, FromKeeper, Step, StoreError, chain::At};
use futures::{
    FutureExt, StreamExt, TryFutureExt,
    future::{BoxFuture, try_join, try_join_all},
    stream::FuturesUnordered,
};
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval, sleep, timeout},
};

use crate::{
    Inner, KeeperError,
    metrics::TAKEN,
    order::{self, Refusal},
};

/// Orders prepared at once: hides the latency of node and journal. Each waits for the journal twice, and as many as
/// this share a commit.
const PREPARED_AT_ONCE: usize = 128;

/// What has come back is taken in so many at a time: their intents share a commit.
const HEARD_AT_ONCE: usize = 256;

/// Waits between calls to a journal that fails.
const JOURNAL_WAIT: Duration = Duration::from_millis(200);

/// What comes back from something that was begun.
enum Done {
    Prepared(TaskId, Result<(Work, Vec<Intent>), Refusal>),
    Heard(Option<Input>),
}

type Writing = BoxFuture<'static, Result<Vec<Effect>, KeeperError>>;

struct Performer {
    keeper: Arc<Inner>,
    chain: ChainId,
    writer: Arc<dyn ChainWriter>,
    reader: Arc<dyn ChainReader>,
    machine: Account,
    preparing: BTreeSet<TaskId>,
    begun: FuturesUnordered<BoxFuture<'static, Done>>,
    /// What waits until the journal has taken what it is writing.
    held: Vec<Effect>,
    /// The journal at work; gives what waited for it.
    writing: Option<Writing>,
}

/// Acts on a chain until dropped; ends only where the journal cannot be read.
pub async fn run(
    keeper: Arc<Inner>,
    chain: ChainId,
    mut orders: mpsc::Receiver<HandoffOrder>,
) -> Result<(), KeeperError> {
    let (Some(writer), Some(reader)) = (keeper.ports.writers.get(&chain), keeper.ports.readers.get(&chain))
    else {
        return Err(KeeperError::Unread(chain));
    };
    let fees = keeper.config.fees;
    let machine = Account::new(transaction::Config {
        chain,
        keeper: keeper.id,
        executor: keeper.config.executors.get(&chain).copied(),
        resend: fees.resend_after,
        stuck: fees.replace_after,
        confirmations: fees.confirmations,
        cancel_fee_max: fees.per_gas_max,
        slots_max: fees.slots_max,
    });
    let (writer, reader) = (writer.clone(), reader.clone());
    let (preparing, begun) = (BTreeSet::new(), FuturesUnordered::new());
    let (held, writing) = (Vec::new(), None);
    let mut performer = Performer { keeper, chain, writer, reader, machine, preparing, begun, held, writing };
    performer.recover().await?;
    let mut looks = interval(fees.look);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let clock = performer.keeper.ports.clock.clone();
        let wake = performer.machine.next_wake();
        let mut inputs = Vec::new();
        tokio::select! {
            Some(order) = orders.recv(), if performer.preparing.len() < PREPARED_AT_ONCE => {
                performer.prepare(order);
            }
            Some(done) = performer.begun.next() => inputs.extend(performer.done(done)),
            written = journal(&mut performer.writing) => performer.leave(written?),
            _ = looks.tick() => performer.look(),
            () = async {
                match wake {
                    Some(wake) => clock.sleep_until(wake.at).await,
                    None => std::future::pending().await,
                }
            } => {
                let mut out = Vec::new();
                performer.machine.tick(clock.now(), &mut out);
                let inputs = performer.carry_out(out);
                performer.hear(inputs);
            }
        }
        while performer.preparing.len() < PREPARED_AT_ONCE
            && let Ok(order) = orders.try_recv()
        {
            performer.prepare(order);
        }
        while inputs.len() < HEARD_AT_ONCE
            && let Some(Some(done)) = performer.begun.next().now_or_never()
        {
            inputs.extend(performer.done(done));
        }
        performer.hear(inputs);
    }
}

impl Performer {
    async fn recover(&mut self) -> Result<(), KeeperError> {
        let (journal, chain) = (self.keeper.ports.journal.clone(), self.chain);
        let mut intents = persist(|| journal.pending()).await?;
        intents.retain(|intent| intent.draft.chain == chain);
        let highest_nonce = persist(|| journal.highest_nonce(chain)).await?;
        self.hear(vec![Input::Recovered { intents, highest_nonce }]);
        Ok(())
    }

    fn prepare(&mut self, order: HandoffOrder) {
        let task = order.task.id;
        if !self.preparing.insert(task) {
            return;
        }
        let keeper = self.keeper.clone();
        self.begun.push(
            async move {
                let prepared = order::prepare(&keeper, &order).await;
                Done::Prepared(task, prepared)
            }
            .boxed(),
        );
    }

    /// What the machine is to hear of it, if anything.
    fn done(&mut self, done: Done) -> Option<Input> {
        match done {
            Done::Heard(input) => input,
            Done::Prepared(task, prepared) => {
                self.preparing.remove(&task);
                let outcome = prepared.as_ref().map_or_else(Refusal::name, |_| TAKEN);
                self.keeper.metrics.orders.add(outcome);
                match prepared {
                    Ok((work, known)) => Some(Input::Perform { work: Box::new(work), known }),
                    Err(refusal) => {
                        let reason = refusal.to_string();
                        self.report(PerformEvent::Declined { task, keeper: self.keeper.id, reason });
                        None
                    }
                }
            }
        }
    }

    /// A look at the chain. One that fails says nothing; the next tick brings another.
    fn look(&mut self) {
        let (writer, reader) = (self.writer.clone(), self.reader.clone());
        let (account, deadline) = (self.keeper.id.0, self.keeper.config.check_timeout);
        let looked = async move {
            let (head, nonce, price) =
                tokio::try_join!(reader.block(At::Head), writer.nonce(account), writer.gas_price())?;
            Ok::<_, ChainError>(head.map(|head| Input::Chain { head: head.number, nonce, price }))
        };
        self.begun.push(
            async move {
                Done::Heard(match timeout(deadline, looked).await {
                    Ok(Ok(input)) => input,
                    Ok(Err(error)) => {
                        tracing::warn!(%error, "the chain cannot be read");
                        None
                    }
                    Err(_) => None,
                })
            }
            .boxed(),
        );
    }

    fn hear(&mut self, mut inputs: Vec<Input>) {
        while !inputs.is_empty() {
            let now = self.keeper.ports.clock.now();
            let mut out = Vec::new();
            for input in inputs {
                self.machine.handle(now, input, &mut out);
            }
            inputs = self.carry_out(out);
        }
    }

    /// Intents first; what leaves is in the journal. One commit is under way at a time, and what comes meanwhile shares
    /// the next one: recording early what was going to be recorded harms nothing. A signature leaves nobody.
    fn carry_out(&mut self, effects: Vec<Effect>) -> Vec<Input> {
        let mut inputs = Vec::new();
        for effect in effects {
            match effect {
                Effect::Sign { task, number, draft } => inputs.extend(self.sign(task, number, draft)),
                other => self.held.push(other),
            }
        }
        self.advance();
        inputs
    }

    /// Has the journal write what is held, or lets it leave where nothing has to be written.
    fn advance(&mut self) {
        if self.writing.is_some() || self.held.is_empty() {
            return;
        }
        let (mut intents, mut ended, mut leaving) = (Vec::new(), Vec::new(), Vec::new());
        for effect in std::mem::take(&mut self.held) {
            match effect {
                Effect::Record(intent) => intents.push(*intent),
                Effect::End(task) => ended.push(task),
                Effect::Sign { .. } | Effect::Send(_) | Effect::Look(_) | Effect::Report(_) => {
                    leaving.push(effect);
                }
            }
        }
        if intents.is_empty() && ended.is_empty() {
            return self.leave(leaving);
        }
        let keeper = self.keeper.clone();
        self.writing = Some(Box::pin(async move {
            let journal = &keeper.ports.journal;
            // Until an end is noted, a restart only looks once more.
            let ends = try_join_all(ended.into_iter().map(|task| persist(move || journal.end(task))));
            try_join(record(&keeper, intents), ends.map_err(KeeperError::from)).await?;
            Ok(leaving)
        }));
    }

    /// Gives what a signer says at once, as one with the key in this process does, so that what is signed together
    /// shares a commit. Others are waited for beside everything else.
    fn sign(&mut self, task: TaskId, number: u16, draft: TxDraft) -> Option<Input> {
        let keeper = self.keeper.clone();
        let mut signing = async move {
            let nonce = draft.nonce;
            match keeper.ports.signer.sign_transaction(&draft).await {
                Ok(signed) => Input::Signed { task, nonce, number, signed },
                Err(error) => {
                    keeper.not_signed(&error);
                    Input::SignFailed { task, nonce, number, reason: error.to_string() }
                }
            }
        }
        .boxed();
        let signed = (&mut signing).now_or_never();
        if signed.is_none() {
            self.begin(signing.map(Some));
        }
        signed
    }

    /// Lets effects leave, and the journal go on.
    fn leave(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Send(signed) => self.send(signed),
                Effect::Look(transaction) => self.look_for(transaction),
                Effect::Report(event) => self.report(event),
                // Done before.
                Effect::Sign { .. } | Effect::Record(_) | Effect::End(_) => {}
            }
        }
        self.advance();
    }

    fn look_for(&mut self, transaction: B256) {
        let (reader, deadline) = (self.reader.clone(), self.keeper.config.check_timeout);
        self.begin(async move {
            let receipt = timeout(deadline, reader.receipt(transaction)).await.ok()?.ok()?;
            Some(Input::Receipt { transaction, block: receipt.map(|r| r.block_number) })
        });
    }

    fn send(&mut self, signed: SignedTx) {
        let (writer, deadline) = (self.writer.clone(), self.keeper.config.check_timeout);
        let failpoint = self.keeper.config.failpoint;
        self.begin(async move {
            let outcome = match timeout(deadline, writer.send(&signed)).await {
                Ok(answer) => outcome(answer),
                Err(_) => SendOutcome::Unreachable,
            };
            if outcome == SendOutcome::Taken {
                failpoint.reach(Step::Broadcast);
            }
            Some(Input::Sent { transaction: signed.hash, outcome })
        });
    }

    fn begin(&mut self, work: impl Future<Output = Option<Input>> + Send + 'static) {
        self.begun.push(work.map(Done::Heard).boxed());
    }

    /// Never waits: what does not fit is said again when the platform asks again.
    fn report(&self, event: PerformEvent) {
        tracing::info!(keeper = %self.keeper.id, ?event, "performed");
        if self.keeper.outbox.try_send(FromKeeper::Performed(event)).is_err() {
            self.keeper.metrics.dropped.add(1);
            tracing::warn!(keeper = %self.keeper.id, "a report was dropped: the outbox is full");
        }
    }
}

/// What waited for the journal. Waits for ever where it is not at work.
async fn journal(writing: &mut Option<Writing>) -> Result<Vec<Effect>, KeeperError> {
    let Some(work) = writing else { return std::future::pending().await };
    let leaving = work.await;
    *writing = None;
    leaving
}

/// Makes intents durable, in order.
async fn record(keeper: &Inner, intents: Vec<Intent>) -> Result<(), KeeperError> {
    if intents.is_empty() {
        return Ok(());
    }
    let kept = persist(|| keeper.ports.journal.intend_all(intents.clone())).await?;
    for (intent, kept) in intents.iter().zip(&kept) {
        if kept != intent {
            return Err(KeeperError::TwoJournals(intent.task));
        }
        keeper.config.failpoint.reach(Step::Intent);
    }
    Ok(())
}

fn outcome(answer: Result<(), ChainError>) -> SendOutcome {
    match answer {
        Ok(()) | Err(ChainError::AlreadyKnown) => SendOutcome::Taken,
        Err(ChainError::NonceTooLow) => SendOutcome::NonceTooLow,
        Err(ChainError::Underpriced) => SendOutcome::Underpriced,
        Err(ChainError::InsufficientFunds) => SendOutcome::InsufficientFunds,
        Err(ChainError::Unreachable { .. } | ChainError::UnknownBlock(_)) => SendOutcome::Unreachable,
        Err(error @ (ChainError::Reverted { .. } | ChainError::Refused(_))) => {
            SendOutcome::Refused(error.to_string())
        }
    }
}

/// Asks the journal until it answers: without it nothing may leave.
async fn persist<T, F>(call: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    loop {
        match call().await {
            Err(error) if error.is_retryable() => tracing::warn!(%error, "the journal fails: asking again"),
            answered => return answered,
        }
        sleep(JOURNAL_WAIT).await;
    }
}
