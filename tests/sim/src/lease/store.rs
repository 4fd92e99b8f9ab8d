//! The simulated store of leases: what conditional writes on single rows give, and no more.

use std::collections::BTreeMap;

use argus_domain::lease::{Fence, Lease, Live, MemberId, ServiceKind, Session, Shard, Token, View};
use argus_machine::lease::{Answer, Ask};

use super::plant::LeasePlant;

/// The service that is simulated.
pub const KIND: ServiceKind = ServiceKind::Scheduler;

#[derive(Default)]
pub struct Store {
    pub leases: BTreeMap<u16, Lease>,
    pub members: BTreeMap<MemberId, Live>,
    pub plant: Option<LeasePlant>,
}

impl Store {
    /// Carries out what is one step. A look is two: [`Store::leases`], then [`Store::members`].
    pub fn apply(&mut self, ask: &Ask) -> Answer {
        match ask {
            Ask::Join(live) => Answer::Alive(self.join(*live)),
            Ask::Beat { session, beats } => Answer::Alive(self.beat(*session, *beats)),
            Ask::End { session, beats } => {
                let unconditional = self.plant == Some(LeasePlant::EndUnconditional);
                let is_it = |live: &Live| {
                    live.session == *session
                        && (unconditional || beats.is_none_or(|beats| beats == live.beats))
                };
                if self.members.get(&session.member).is_some_and(is_it) {
                    self.members.remove(&session.member);
                }
                Answer::Done
            }
            Ask::Look => Answer::Seen(View { leases: self.leases(), members: self.members() }),
            Ask::Claim { session, leases } => {
                Answer::Claimed(leases.iter().map(|fence| self.claim(*session, *fence)).collect())
            }
            Ask::Release { session, leases } => {
                for fence in leases {
                    self.release(*session, *fence);
                }
                Answer::Done
            }
        }
    }

    pub fn leases(&self) -> Vec<Lease> {
        self.leases.values().copied().collect()
    }

    pub fn members(&self) -> Vec<Live> {
        self.members.values().copied().collect()
    }

    fn join(&mut self, live: Live) -> bool {
        let known = self.members.get(&live.session.member).map(|known| known.session.no);
        if known.is_none_or(|no| no < live.session.no) {
            self.members.insert(live.session.member, Live { beats: 0, ..live });
        }
        known.is_none_or(|no| no <= live.session.no)
    }

    fn beat(&mut self, session: Session, beats: u64) -> bool {
        let known = self.members.get_mut(&session.member).filter(|live| live.session == session);
        known.map(|live| live.beats = live.beats.max(beats)).is_some()
    }

    fn lease(&mut self, shard: Shard) -> &mut Lease {
        let fresh = Lease { shard, token: Token(0), holder: None, mark: 0 };
        self.leases.entry(shard.no).or_insert(fresh)
    }

    fn claim(&mut self, session: Session, fence: Fence) -> bool {
        let plant = self.plant;
        let lease = self.lease(fence.shard);
        if lease.token == fence.token || plant == Some(LeasePlant::ClaimUnconditional) {
            lease.token = match (plant, lease.holder) {
                (Some(LeasePlant::TokenReused), None) if lease.token > Token(0) => lease.token,
                (Some(LeasePlant::TokenForgotten), None) => Token(1),
                _ => lease.token.next(),
            };
            lease.holder = Some(session);
            return true;
        }
        lease.token == fence.token.next() && lease.holder == Some(session)
    }

    fn release(&mut self, session: Session, fence: Fence) {
        let lease = self.lease(fence.shard);
        if lease.token == fence.token && lease.holder == Some(session) {
            lease.holder = None;
        }
    }

    /// A write for a shard: whether it is taken.
    pub fn mark(&mut self, fence: Fence, mark: u64) -> bool {
        let unchecked = self.plant == Some(LeasePlant::FenceUnchecked);
        let lease = self.lease(fence.shard);
        let stands = lease.token == fence.token && fence.token > Token(0);
        if stands || unchecked {
            lease.mark = mark;
        }
        stands || unchecked
    }
}
