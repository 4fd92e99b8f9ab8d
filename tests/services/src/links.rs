//! Local links that can be cut and mended: what is behind one may be restarted. And links with a witness, who is told
//! of every message before it goes.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use argus_domain::{
    Address, B256, Bytes, U256,
    attempt::Assignment,
    chain::{GasPrice, SignedTx},
    ids::{AttemptNo, ChainId, KeeperId, TaskId},
    keeper::LiveKeeper,
};
use argus_memory::session;
use argus_ports::{
    Aggregate, AttemptOutcome, ChainError, ChainWriter, Change, ChangeKind, EventBus, FromKeeper,
    HandoffOrder, KeeperGate, KeeperLink, KeeperSession, LinkError, Outcomes, PerformEvent, Room,
    SignedHello, StoreError, ToKeeper, store::watch,
};
use async_trait::async_trait;

use crate::witness::Witness;

/// A link to whatever is behind it now.
pub struct Switch<H>(Arc<Mutex<Option<H>>>);

impl<H> Clone for Switch<H> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<H> Default for Switch<H> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<H: Clone> Switch<H> {
    /// Puts another one behind it, or nothing.
    pub fn set(&self, handle: Option<H>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = handle;
    }

    /// What is behind it.
    pub fn get(&self) -> Result<H, LinkError> {
        let handle = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        handle.ok_or_else(|| LinkError::Gone("switched off".to_owned()))
    }
}

#[async_trait]
impl Outcomes for Switch<argus_dispatcher::Handle> {
    async fn attempt_ended(
        &self,
        task: TaskId,
        attempt: AttemptNo,
        outcome: AttemptOutcome,
    ) -> Result<(), LinkError> {
        self.get()?.attempt_ended(task, attempt, outcome).await
    }

    async fn performed(&self, event: PerformEvent) -> Result<(), LinkError> {
        self.get()?.performed(event).await
    }

    async fn keepers_changed(&self) -> Result<(), LinkError> {
        self.get()?.keepers_changed().await
    }
}

#[async_trait]
impl Aggregate for Switch<argus_aggregator::Handle> {
    async fn begin(&self, assignment: Arc<Assignment>) -> Result<(), LinkError> {
        self.get()?.begin(assignment).await
    }

    async fn hand_off(&self, order: HandoffOrder) -> Result<(), LinkError> {
        self.get()?.hand_off(order).await
    }

    async fn live(&self) -> Result<Vec<LiveKeeper>, LinkError> {
        self.get()?.live().await
    }
}

#[async_trait]
impl KeeperLink for Switch<argus_aggregator::Handle> {
    async fn nonce(&self) -> Result<B256, LinkError> {
        KeeperGate::nonce(&self.get()?).await
    }

    async fn connect(
        &self,
        hello: SignedHello,
    ) -> Result<Box<dyn KeeperSession<FromKeeper, ToKeeper>>, LinkError> {
        let (ours, theirs) = session(256, Duration::from_secs(1));
        self.get()?.admit(hello, Box::new(theirs)).await?;
        Ok(Box::new(ours))
    }
}

/// A link between services of the platform.
#[derive(Clone)]
pub struct Heard<L> {
    /// Where messages go.
    pub link: L,
    /// Who is told before they go.
    pub witness: Witness,
}

#[async_trait]
impl<L: Aggregate> Aggregate for Heard<L> {
    async fn begin(&self, assignment: Arc<Assignment>) -> Result<(), LinkError> {
        self.witness.begins(&assignment.attempt);
        self.link.begin(assignment).await
    }

    async fn hand_off(&self, order: HandoffOrder) -> Result<(), LinkError> {
        self.witness.hands_off(&order);
        self.link.hand_off(order).await
    }

    async fn live(&self) -> Result<Vec<LiveKeeper>, LinkError> {
        let live = self.link.live().await?;
        self.witness.sees_live(&live);
        Ok(live)
    }
}

#[async_trait]
impl<L: Outcomes> Outcomes for Heard<L> {
    async fn attempt_ended(
        &self,
        task: TaskId,
        attempt: AttemptNo,
        outcome: AttemptOutcome,
    ) -> Result<(), LinkError> {
        self.witness.ends(task, attempt, &outcome);
        self.link.attempt_ended(task, attempt, outcome).await
    }

    async fn performed(&self, event: PerformEvent) -> Result<(), LinkError> {
        self.link.performed(event).await
    }

    async fn keepers_changed(&self) -> Result<(), LinkError> {
        self.link.keepers_changed().await
    }
}

#[async_trait]
impl<L: EventBus> EventBus for Heard<L> {
    async fn publish(&self, changes: Vec<Change>) -> Result<Vec<Change>, StoreError> {
        self.witness.announces(&changes);
        let settled: Vec<_> =
            changes.iter().filter(|c| c.kind == ChangeKind::Settled).map(|c| c.task).collect();
        let new = self.link.publish(changes).await?;
        self.witness.announced(settled);
        Ok(new)
    }

    async fn since(&self, room: Room, after: u64, limit: u32) -> Result<Vec<(u64, Change)>, StoreError> {
        self.link.since(room, after, limit).await
    }

    async fn newest(&self, room: Room) -> Result<u64, StoreError> {
        self.link.newest(room).await
    }

    fn subscribe(&self) -> watch::Receiver {
        self.link.subscribe()
    }
}

/// A keeper's way to the world: to the platform, or to a chain.
#[derive(Clone)]
pub struct Spoken<L> {
    /// Where messages go.
    pub link: L,
    /// Who is told before they go.
    pub witness: Witness,
    /// Whose they are.
    pub keeper: KeeperId,
}

#[async_trait]
impl<L: KeeperLink> KeeperLink for Spoken<L> {
    async fn nonce(&self) -> Result<B256, LinkError> {
        self.link.nonce().await
    }

    async fn connect(
        &self,
        hello: SignedHello,
    ) -> Result<Box<dyn KeeperSession<FromKeeper, ToKeeper>>, LinkError> {
        let link = self.link.connect(hello).await?;
        Ok(Box::new(Spoken { link, witness: self.witness.clone(), keeper: self.keeper }))
    }
}

#[async_trait]
impl KeeperSession<FromKeeper, ToKeeper> for Spoken<Box<dyn KeeperSession<FromKeeper, ToKeeper>>> {
    async fn send(&self, message: FromKeeper) -> Result<(), LinkError> {
        self.witness.says(self.keeper, &message);
        self.link.send(message).await
    }

    async fn receive(&self) -> Option<ToKeeper> {
        let message = self.link.receive().await?;
        self.witness.hears(&message);
        Some(message)
    }
}

#[async_trait]
impl<W: ChainWriter> ChainWriter for Spoken<W> {
    fn chain(&self) -> ChainId {
        self.link.chain()
    }

    async fn nonce(&self, account: Address) -> Result<u64, ChainError> {
        self.link.nonce(account).await
    }

    async fn gas_price(&self) -> Result<GasPrice, ChainError> {
        self.link.gas_price().await
    }

    async fn estimate(
        &self,
        from: Address,
        to: Address,
        value: U256,
        data: Bytes,
    ) -> Result<u64, ChainError> {
        self.link.estimate(from, to, value, data).await
    }

    async fn send(&self, tx: &SignedTx) -> Result<(), ChainError> {
        self.witness.sends(self.keeper, tx);
        self.link.send(tx).await
    }
}
