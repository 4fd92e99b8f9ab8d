//! Which keepers are live, and in what order they are asked.

use std::{cmp::Reverse, collections::BTreeMap, time::Duration};

use argus_domain::{
    U256,
    ids::{KeeperId, TaskId},
    keccak256,
    keeper::{KeeperHello, KeeperRecord, LiveKeeper},
    time::Timestamp,
};

use crate::{Machine, Wake};

/// Keepers that are connected and were heard lately.
#[derive(Debug)]
pub struct Liveness {
    silence: Duration,
    live: BTreeMap<KeeperId, LiveKeeper>,
}

/// What is heard of keepers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A session began, of a registered keeper.
    Hello {
        /// What it says of itself.
        hello: KeeperHello,
        /// Its row in the keeper set.
        row: Box<KeeperRecord>,
    },
    /// It is alive, with so many runs in hand.
    Heartbeat {
        /// Who.
        keeper: KeeperId,
        /// Runs in hand.
        load: u32,
    },
    /// Its session ended.
    Gone(KeeperId),
    /// Its row changed: other stake, more faults.
    Row(Box<KeeperRecord>),
    /// It is not in the keeper set any more.
    Removed(KeeperId),
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Who is live, or how heavily they count, is not what it was: [`Liveness::live`].
    Changed,
}

impl Liveness {
    /// A keeper that was silent for longer than `silence` is not live.
    pub fn new(silence: Duration) -> Self {
        Self { silence, live: BTreeMap::new() }
    }

    /// All live keepers, by address.
    pub fn live(&self) -> Vec<LiveKeeper> {
        self.live.values().cloned().collect()
    }
}

impl Machine for Liveness {
    type Input = Input;
    type Effect = Effect;

    fn handle(&mut self, now: Timestamp, input: Input, out: &mut Vec<Effect>) {
        let changed = match input {
            Input::Hello { hello, row } => {
                let keeper =
                    LiveKeeper { load: 0, heard_at: now, stake: row.stake, faults: row.faults, hello };
                self.live.insert(keeper.hello.keeper, keeper);
                true
            }
            Input::Heartbeat { keeper, load } => {
                if let Some(known) = self.live.get_mut(&keeper) {
                    known.load = load;
                    known.heard_at = known.heard_at.max(now);
                }
                false
            }
            Input::Gone(keeper) | Input::Removed(keeper) => self.live.remove(&keeper).is_some(),
            Input::Row(row) => match self.live.get_mut(&row.keeper) {
                Some(known) => {
                    let before = (known.stake, known.faults);
                    (known.stake, known.faults) = (row.stake, row.faults);
                    before != (row.stake, row.faults)
                }
                None => false,
            },
        };
        if changed {
            out.push(Effect::Changed);
        }
    }

    fn tick(&mut self, now: Timestamp, out: &mut Vec<Effect>) {
        let before = self.live.len();
        let silence = self.silence;
        self.live.retain(|_, k| now < k.heard_at + silence);
        if self.live.len() != before {
            out.push(Effect::Changed);
        }
    }

    fn next_wake(&self) -> Option<Wake> {
        let first = self.live.values().map(|k| k.heard_at).min()?;
        Some(Wake { at: first + self.silence, why: "a keeper has been silent" })
    }
}

/// Keepers in the order in which a task asks them: weighted rendezvous hashing (Thaler and Ravishankar 1998, in the
/// logarithmic form of Schindelhauer and Schomaker 2005). Each keeper's place depends on the task's id and its own
/// weight alone, so that one that comes or goes moves no others. In integers, because every dispatcher must rank
/// alike.
pub fn rank<'a>(task: TaskId, keepers: impl IntoIterator<Item = &'a LiveKeeper>) -> Vec<&'a LiveKeeper> {
    let mut ranked: Vec<(U256, &LiveKeeper)> = keepers
        .into_iter()
        .map(|k| {
            let mut seed = [0u8; 52];
            seed[..32].copy_from_slice(task.0.as_slice());
            seed[32..].copy_from_slice(k.hello.keeper.0.as_slice());
            let hash = keccak256(seed);
            let mut draw = [0u8; 8];
            draw.copy_from_slice(&hash[..8]);
            (score(u64::from_be_bytes(draw), weight(k)), k)
        })
        .collect();
    ranked.sort_by_key(|(score, k)| (Reverse(*score), k.hello.keeper));
    ranked.into_iter().map(|(_, k)| k).collect()
}

/// A keeper's weight: its stake, by the share of its capacity that is free, halved by each fault.
fn weight(keeper: &LiveKeeper) -> u128 {
    let capacity = u128::from(keeper.hello.capacity.max(1));
    let free = capacity.saturating_sub(u128::from(keeper.load));
    // Stakes in wei stay below 2^94; scaled so that small stakes keep their order after division.
    let scaled = keeper.stake.clamp(1, (1 << 94) - 1) << 20;
    let by_load = scaled / (capacity + 1) * (free + 1);
    (by_load >> keeper.faults.min(64)).max(1)
}

/// `weight / -log2(draw / 2^64)`, the score whose maximum wins with a probability proportional to the weight.
fn score(draw: u64, weight: u128) -> U256 {
    // Shifted, so that small weights over large logarithms still differ.
    (U256::from(weight) << 64) / U256::from(negative_log2(draw).max(1))
}

/// `-log2((x + 1) / 2^64)` in units of 2^-32.
fn negative_log2(x: u64) -> u64 {
    let Some(x) = x.checked_add(1) else { return 0 };
    let whole = 63 - x.leading_zeros();
    // The mantissa in [1, 2) with 31 fractional bits is squared again and again; each overflow past 2 is a bit.
    let mut mantissa = u128::from(x) << 63 >> whole >> 32;
    let mut fraction = 0u64;
    for _ in 0..32 {
        mantissa = (mantissa * mantissa) >> 31;
        fraction <<= 1;
        if mantissa >= 1 << 32 {
            mantissa >>= 1;
            fraction |= 1;
        }
    }
    (64 << 32) - ((u64::from(whole) << 32) | fraction)
}

#[cfg(test)]
mod tests {
    use super::*;
    use argus_domain::{Address, B256};
    use std::collections::BTreeSet;

    fn keeper(n: u8, stake: u128, load: u32, faults: u32) -> LiveKeeper {
        let hello = KeeperHello {
            keeper: KeeperId(Address::repeat_byte(n)),
            engines: BTreeSet::new(),
            chains: BTreeSet::new(),
            capacity: 3,
            version: String::new(),
            box_key: None,
        };
        LiveKeeper { hello, load, heard_at: Timestamp(0), stake, faults }
    }

    fn row(n: u8, stake: u128) -> Box<KeeperRecord> {
        Box::new(KeeperRecord {
            keeper: KeeperId(Address::repeat_byte(n)),
            name: String::new(),
            stake,
            chains: BTreeSet::new(),
            faults: 0,
            registered_at: Timestamp(0),
        })
    }

    #[test]
    fn logarithms_are_right_to_the_bit() {
        for (x, expect) in
            [(0, 64u64 << 32), (u64::MAX, 0), (u64::MAX >> 1, 1 << 32), (u64::MAX >> 8, 8 << 32)]
        {
            assert_eq!(negative_log2(x), expect, "{x}");
        }
        // log2(3) = 1.58496250072...; 3 * 2^61 / 2^64 is 3/8.
        let three_eighths = negative_log2(3 * (1 << 61) - 1);
        assert!((three_eighths as i64 - 6_077_539_806).abs() < 64, "{three_eighths}");
    }

    #[test]
    fn first_places_follow_weights() {
        let wins = |keepers: [LiveKeeper; 2]| {
            (0..4000u64)
                .filter(|n| {
                    let task = TaskId(B256::left_padding_from(&n.to_be_bytes()));
                    rank(task, &keepers)[0].hello.keeper == keepers[0].hello.keeper
                })
                .count()
        };
        let ether = 10u128.pow(18);
        for (a, b, low, high) in [
            (keeper(1, ether, 0, 0), keeper(2, ether, 0, 0), 1850, 2150),
            (keeper(1, 3 * ether, 0, 0), keeper(2, ether, 0, 0), 2850, 3150),
            (keeper(1, 0, 0, 0), keeper(2, 0, 0, 0), 1850, 2150),
            (keeper(1, 0, 0, 0), keeper(2, ether, 0, 0), 0, 2),
            (keeper(1, ether, 3, 0), keeper(2, ether, 0, 0), 650, 950),
            (keeper(1, ether, 0, 1), keeper(2, ether, 0, 0), 1180, 1480),
        ] {
            let n = wins([a.clone(), b.clone()]);
            assert!((low..=high).contains(&n), "{n} of 4000 for {a:?} against {b:?}");
        }
    }

    #[test]
    fn the_silent_and_the_gone_are_not_live() {
        let hello = |n| Input::Hello { hello: keeper(n, 1, 0, 0).hello, row: row(n, 5) };
        let id = |n| KeeperId(Address::repeat_byte(n));
        let mut machine = Liveness::new(Duration::from_secs(10));
        for (at, input, live, changed) in [
            (0, Some(hello(1)), vec![1], true),
            (1_000, Some(hello(2)), vec![1, 2], true),
            (9_000, Some(Input::Heartbeat { keeper: id(1), load: 2 }), vec![1, 2], false),
            (9_000, Some(Input::Heartbeat { keeper: id(9), load: 2 }), vec![1, 2], false),
            (11_000, None, vec![1], true),
            (12_000, Some(Input::Row(row(1, 5))), vec![1], false),
            (12_000, Some(Input::Row(row(1, 6))), vec![1], true),
            (13_000, Some(Input::Gone(id(1))), vec![], true),
            (13_000, Some(Input::Removed(id(1))), vec![], false),
        ] {
            let mut out = Vec::new();
            match input {
                Some(input) => machine.handle(Timestamp(at), input, &mut out),
                None => machine.tick(Timestamp(at), &mut out),
            }
            let ids: Vec<_> = machine.live().iter().map(|k| k.hello.keeper).collect();
            assert_eq!(ids, live.into_iter().map(id).collect::<Vec<_>>(), "at {at}");
            assert_eq!(!out.is_empty(), changed, "at {at}");
        }
        assert_eq!(machine.next_wake(), None);
    }
}
