//! Who is wanted to hold which shard.

use std::num::NonZeroU16;

use argus_domain::{
    keccak256,
    lease::{MemberId, ServiceKind},
};

/// The wanted owner of each shard among some members: rendezvous hashing (Thaler and Ravishankar 1998) with equal
/// weights. Whoever knows the same members comes to the same owners, and a member that comes or goes moves no shards
/// but its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Owners {
    members: Vec<MemberId>,
    of: Vec<MemberId>,
}

impl Owners {
    /// Takes over who there is, in ascending order. Kind and number of shards are the same each time.
    pub fn set(&mut self, kind: ServiceKind, shards: NonZeroU16, members: Vec<MemberId>) {
        if self.members == members {
            return;
        }
        let owner = |no: u16| first(kind.name().as_bytes(), &no.to_be_bytes(), &members);
        self.of = (0..shards.get()).filter_map(owner).collect();
        self.members = members;
    }

    /// Who should hold a shard; nobody where there is no member.
    pub fn of(&self, shard: u16) -> Option<MemberId> {
        self.of.get(usize::from(shard)).copied()
    }
}

/// The member that comes first for a thing.
fn first(what: &[u8], which: &[u8], members: &[MemberId]) -> Option<MemberId> {
    members.iter().copied().max_by_key(|member| (draw(what, which, *member), *member))
}

/// How many of these come before `own` for a thing.
pub(super) fn place(what: &[u8], which: &[u8], others: impl Iterator<Item = MemberId>, own: MemberId) -> u32 {
    let mine = draw(what, which, own);
    let before = others.filter(|other| (draw(what, which, *other), *other) > (mine, own)).count();
    u32::try_from(before).unwrap_or(u32::MAX)
}

/// A number that follows from a thing and a member.
pub(super) fn draw(what: &[u8], which: &[u8], member: MemberId) -> u64 {
    let mut seed = Vec::with_capacity(what.len() + which.len() + member.0.len() + 1);
    seed.extend_from_slice(what);
    // No name of a thing has a zero in it.
    seed.push(0);
    seed.extend_from_slice(which);
    seed.extend_from_slice(&member.0);
    let [a, b, c, d, e, f, g, h, ..] = keccak256(seed).0;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}
