//! The invariants, checked by the names that argus-machine gives them.

use std::collections::BTreeMap;

use argus_domain::lease::{Fence, MemberId, Session, Token};
use argus_machine::{invariant, lease::Owners};

use super::{store::KIND, world::World};
use crate::Broken;

/// What the checks remember, beside the store.
#[derive(Default)]
pub struct Ledger {
    /// The newest token of each shard, and who was the last to get one.
    tokens: BTreeMap<u16, (Token, Option<Session>)>,
    /// Since when shards wait for new holders, and how long they may.
    pub moving: Option<(u64, u64)>,
}

impl World {
    pub fn expect(&mut self, holds: bool, name: &'static str, what: impl FnOnce() -> String) {
        if !holds {
            let at_ms = self.now / 1_000;
            self.broken.get_or_insert_with(|| Broken { name, what: what(), at_ms });
        }
    }

    /// What must hold after every step.
    pub fn check(&mut self) {
        let mut holders: BTreeMap<u16, usize> = BTreeMap::new();
        let mut twice = None;
        for (place, member) in self.members.iter().enumerate() {
            let clock_stands = member.stopped.is_some_and(|stop| stop.clock_too);
            if clock_stands || self.now < member.exempt_until {
                continue;
            }
            for shard in member.believes(self.now, self.plant).into_keys() {
                if let Some(other) = holders.insert(shard, place) {
                    twice = Some((shard, other, place));
                }
            }
        }
        if let Some((shard, one, other)) = twice {
            self.expect(false, invariant::ONE_HOLDER_PER_SHARD, || {
                format!("members {one} and {other} both believe that they hold shard {shard}")
            });
        }
        self.check_move(holders.len());
    }

    fn check_move(&mut self, held: usize) {
        let Some((since, most)) = self.ledger.moving else { return };
        let took = self.now - since;
        let all = usize::from(self.config.shards.get());
        self.expect(took <= most, invariant::SHARDS_MOVE, || {
            format!("{held} of {all} shards are held {} ms after their holder was gone", took / 1_000)
        });
        if held == all {
            self.ledger.moving = None;
            self.tally.moves += 1;
            self.tally.move_max_ms = self.tally.move_max_ms.max(took / 1_000);
        }
    }

    /// After a step of the store: what became of the tokens.
    pub fn check_tokens(&mut self) {
        for lease in self.store.leases() {
            let known = self.ledger.tokens.get(&lease.shard.no).copied();
            let (token, holder) = known.unwrap_or_default();
            // Who releases a lease and takes it again gets a new token, too.
            let is_taken = lease.holder.is_some() && lease.holder != holder;
            let grows = lease.token > token || (lease.token == token && !is_taken);
            self.expect(grows, invariant::TOKENS_GROW, || {
                format!(
                    "{}: {:?} of {holder:?}, then {:?} of {:?}",
                    lease.shard, token, lease.token, lease.holder
                )
            });
            self.note(lease.token.0);
            self.ledger.tokens.insert(lease.shard.no, (lease.token, lease.holder));
        }
    }

    pub fn write(&mut self, fence: Fence) {
        if self.store_down {
            return;
        }
        let mark = self.now;
        let is_taken = self.store.mark(fence, mark);
        let newest = self.ledger.tokens.get(&fence.shard.no).map(|known| known.0);
        let may = newest == Some(fence.token);
        self.expect(may || !is_taken, invariant::LATE_WRITE_REFUSED, || {
            format!("a write for {} with {:?} was taken, and {newest:?} is out", fence.shard, fence.token)
        });
        self.tally.written += u64::from(is_taken);
        self.tally.refused += u64::from(!is_taken);
        self.note(u64::from(is_taken));
    }

    /// When nothing has gone wrong for a while.
    pub fn check_settled(&mut self) {
        let mut ids: Vec<MemberId> =
            self.members.iter().filter(|member| member.is_calm()).map(|member| member.id).collect();
        ids.sort_unstable();
        let mut owners = Owners::default();
        owners.set(KIND, self.config.shards, ids);
        let mut wrong = None;
        for member in self.members.iter().filter(|member| member.is_calm()) {
            let held = member.believes(self.now, self.plant);
            for shard in 0..self.config.shards.get() {
                if held.contains_key(&shard) != (owners.of(shard) == Some(member.id)) {
                    wrong = Some((shard, member.id, held.contains_key(&shard)));
                }
            }
        }
        if let Some((shard, member, holds)) = wrong {
            self.expect(false, invariant::SHARDS_SETTLE, || {
                let what = if holds { "still holds" } else { "does not hold" };
                format!("member {member} {what} shard {shard}")
            });
        }
    }
}
