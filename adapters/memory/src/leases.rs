//! Leases of shards, and the sessions under which they are held.

use argus_domain::{
    ids::JobId,
    lease::{Fence, Lease, Live, ServiceKind, Session, Shard, Token, View},
};
use argus_ports::{LeaseStore, StoreError};
use async_trait::async_trait;

use crate::state::{MemoryStore, State};

#[async_trait]
impl LeaseStore for MemoryStore {
    async fn join(&self, kind: ServiceKind, live: Live) -> Result<bool, StoreError> {
        let mut state = self.write()?;
        let fresh = Live { beats: 0, ..live };
        let known = state.sessions.entry((kind, live.session.member)).or_insert(fresh);
        if known.session.no < live.session.no {
            *known = fresh;
        }
        Ok(known.session == live.session)
    }

    async fn beat(&self, kind: ServiceKind, session: Session, beats: u64) -> Result<bool, StoreError> {
        let mut state = self.write()?;
        let known = state.sessions.get_mut(&(kind, session.member)).filter(|live| live.session == session);
        Ok(known.map(|live| live.beats = live.beats.max(beats)).is_some())
    }

    async fn end(&self, kind: ServiceKind, session: Session, beats: Option<u64>) -> Result<(), StoreError> {
        let is_it = |live: &Live| live.session == session && beats.is_none_or(|beats| live.beats == beats);
        self.write()?.sessions.retain(|(known, _), live| *known != kind || !is_it(live));
        Ok(())
    }

    async fn look(&self, kind: ServiceKind) -> Result<View, StoreError> {
        let state = self.read();
        let leases = state.leases.values().filter(|lease| lease.shard.kind == kind).copied().collect();
        let of_kind = state.sessions.iter().filter(|((known, _), _)| *known == kind);
        Ok(View { leases, members: of_kind.map(|(_, live)| *live).collect() })
    }

    async fn claim(&self, session: Session, leases: Vec<Fence>) -> Result<Vec<bool>, StoreError> {
        let mut state = self.write()?;
        Ok(leases.into_iter().map(|fence| state.claim(session, fence)).collect())
    }

    async fn release(&self, session: Session, leases: Vec<Fence>) -> Result<(), StoreError> {
        let mut state = self.write()?;
        for Fence { shard, token } in leases {
            if let Some(lease) = state.leases.get_mut(&shard)
                && lease.token == token
            {
                lease.holder = lease.holder.filter(|holder| *holder != session);
            }
        }
        Ok(())
    }

    async fn stands(&self, fence: Fence) -> Result<bool, StoreError> {
        Ok(self.read().stands(fence))
    }

    async fn mark(&self, fence: Fence, mark: u64) -> Result<bool, StoreError> {
        let mut state = self.write()?;
        let stands = state.stands(fence);
        if let Some(lease) = state.leases.get_mut(&fence.shard).filter(|_| stands) {
            lease.mark = mark;
        }
        Ok(stands)
    }
}

impl State {
    /// Whether a write with this fence may be made.
    pub(crate) fn stands(&self, Fence { shard, token }: Fence) -> bool {
        token > Token(0) && self.leases.get(&shard).is_some_and(|lease| lease.token == token)
    }

    /// Whether a write for a job with this fence may be made.
    pub(crate) fn may_write(&self, job: JobId, fence: Option<Fence>) -> bool {
        fence.is_none_or(|fence| fence.shard == Shard::of_job(job) && self.stands(fence))
    }

    fn claim(&mut self, session: Session, Fence { shard, token }: Fence) -> bool {
        let never = Lease { shard, token: Token(0), holder: None, mark: 0 };
        let lease = self.leases.entry(shard).or_insert(never);
        if lease.token == token {
            (lease.token, lease.holder) = (token.next(), Some(session));
            return true;
        }
        lease.token == token.next() && lease.holder == Some(session)
    }
}
