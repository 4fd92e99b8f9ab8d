//! What the simulation does not show by itself: single turns, as tables.

use argus_domain::lease::{Lease, MemberId, Shard, Token};

use super::*;

const KIND: ServiceKind = ServiceKind::Monitor;
const ME: MemberId = MemberId([1; 16]);

/// A machine, its clock in milliseconds, and what it asks.
struct Turns {
    machine: Shards,
    out: Vec<Request>,
}

impl Turns {
    fn new(shards: u16) -> Self {
        let shards = NonZeroU16::new(shards).expect("not zero");
        let config = Config { shards, ..Config::default() };
        Self { machine: Shards::new(config, KIND, ME), out: Vec::new() }
    }

    /// One that has joined at 0, and looks.
    fn joined(shards: u16) -> Self {
        let mut turns = Self::new(shards);
        let join = turns.tick(0);
        turns.answer(10, &join, Answer::Alive(true));
        turns
    }

    fn tick(&mut self, ms: u64) -> Vec<Request> {
        self.machine.tick(at(ms), &mut self.out);
        std::mem::take(&mut self.out)
    }

    fn answer(&mut self, ms: u64, asked: &[Request], answer: Answer) -> Vec<Request> {
        let no = asked.last().expect("something was asked").no;
        self.machine.answer(at(ms), no, answer, &mut self.out);
        std::mem::take(&mut self.out)
    }

    fn holds(&self, ms: u64) -> Vec<(u16, u64)> {
        let fences = (0..9).filter_map(|no| self.machine.fence(no, at(ms)));
        fences.map(|fence| (fence.shard.no, fence.token.0)).collect()
    }

    /// Lets time pass until something of this sort is asked; beats are heard.
    fn until(&mut self, mut ms: u64, is_it: fn(&Ask) -> bool) -> (u64, Vec<Request>) {
        loop {
            let asked = self.tick(ms);
            for request in &asked {
                if is_it(&request.ask) {
                    return (ms, vec![request.clone()]);
                }
                if matches!(request.ask, Ask::Beat { .. }) {
                    self.machine.answer(at(ms), request.no, Answer::Alive(true), &mut self.out);
                }
            }
            ms += 1;
        }
    }
}

fn at(ms: u64) -> Moment {
    Moment(Duration::from_millis(ms))
}

fn live(member: MemberId, beats: u64, shards: u16) -> Live {
    let shards = NonZeroU16::new(shards).expect("not zero");
    Live { session: Session { member, no: 1 }, beats, ttl: Duration::from_secs(3), shards }
}

fn lease(no: u16, token: u64, holder: Option<MemberId>) -> Lease {
    let holder = holder.map(|member| Session { member, no: 1 });
    Lease { shard: Shard { kind: KIND, no }, token: Token(token), holder, mark: 0 }
}

fn seen(leases: Vec<Lease>, members: Vec<Live>) -> Answer {
    Answer::Seen(View { leases, members })
}

fn is_look(ask: &Ask) -> bool {
    *ask == Ask::Look
}

fn is_claim(ask: &Ask) -> bool {
    matches!(ask, Ask::Claim { .. })
}

fn is_release(ask: &Ask) -> bool {
    matches!(ask, Ask::Release { .. })
}

fn is_end(ask: &Ask) -> bool {
    matches!(ask, Ask::End { .. })
}

#[test]
fn belief_counts_from_before_the_beat_left() {
    for (heard, until) in [(10, 2_700), (900, 2_700)] {
        let mut turns = Turns::new(1);
        let join = turns.tick(0);
        turns.answer(heard, &join, Answer::Alive(true));
        assert_eq!(turns.machine.held().map(|(until, _)| until), Some(at(until)), "heard at {heard}");
    }
}

#[test]
fn a_session_that_lapsed_is_not_revived_by_an_answer() {
    let mut turns = Turns::joined(1);
    let beat = turns.tick(2_650);
    assert!(matches!(beat.last().map(|request| &request.ask), Some(Ask::Beat { beats: 1, .. })), "{beat:?}");
    turns.answer(2_700, &beat, Answer::Alive(true));
    assert_eq!(turns.machine.held(), None, "the answer came at the very end");
    let (_, join) = turns.until(2_700, |ask| matches!(ask, Ask::Join(_)));
    let Ask::Join(live) = &join[0].ask else { panic!("{join:?}") };
    assert_eq!(live.session.no, 2);
}

#[test]
fn each_try_to_join_has_its_own_number() {
    let mut turns = Turns::new(1);
    let mut late = Vec::new();
    for (ms, no) in [(0, 1), (1_000, 2), (2_000, 3)] {
        let asked = turns.tick(ms);
        assert!(
            matches!(&asked[..], [Request { ask: Ask::Join(live), .. }] if live.session.no == no),
            "{asked:?}"
        );
        late.push(asked);
    }
    turns.answer(2_010, &late[1], Answer::Alive(true));
    assert_eq!(turns.machine.held(), None, "nobody waits for that one any more");
    turns.answer(2_020, &late[2], Answer::Alive(true));
    assert_eq!(turns.machine.held().map(|(until, _)| until), Some(at(4_700)));
}

#[test]
fn what_was_given_up_is_not_believed_in_again() {
    let mut turns = Turns::joined(1);
    let mine = |token| seen(vec![lease(0, token, Some(ME))], vec![live(ME, 0, 1)]);
    let (ms, look) = turns.until(10, is_look);
    turns.answer(ms, &look, mine(4));
    assert_eq!(turns.holds(ms), [(0, 4)], "a claim whose answer was lost");

    // Of two members the other one is wanted there.
    let other = (2..).map(|n| MemberId([n; 16])).find(|id| {
        let mut owners = Owners::default();
        owners.set(KIND, NonZeroU16::MIN, vec![ME, *id]);
        owners.of(0) == Some(*id)
    });
    let other = other.expect("one of them comes first");
    let (ms, look) = turns.until(ms, is_look);
    let both = vec![live(ME, 0, 1), live(other, 0, 1)];
    turns.answer(ms, &look, seen(vec![lease(0, 4, Some(ME))], both));
    assert_eq!(turns.holds(ms), [], "it stops before it says so");
    let (ms, _) = turns.until(ms, is_release);

    // The release may still be on its way when the other one is gone.
    let (ms, look) = turns.until(ms, is_look);
    turns.answer(ms, &look, mine(4));
    assert_eq!(turns.holds(ms), []);
    let (ms, _) = turns.until(ms, is_release);
    let (ms, look) = turns.until(ms, is_look);
    turns.answer(ms, &look, seen(vec![lease(0, 4, None)], vec![live(ME, 0, 1)]));
    let (ms, claim) = turns.until(ms, is_claim);
    turns.answer(ms, &claim, Answer::Claimed(vec![true]));
    assert_eq!(turns.holds(ms), [(0, 5)], "taken anew, it counts");
}

#[test]
fn silence_is_ended_after_its_ttl_and_no_sooner() {
    let dead = MemberId([9; 16]);
    let view = |beats| seen(vec![], vec![live(ME, 0, 1), live(dead, beats, 1)]);
    let mut turns = Turns::joined(1);
    let mut asked = turns.until(10, is_look);
    turns.answer(asked.0, &asked.1, view(1));
    asked = turns.until(asked.0 + 1, is_look);
    turns.answer(asked.0, &asked.1, view(2));
    let since = asked.0;
    loop {
        asked = turns.until(asked.0 + 1, |ask| is_look(ask) || is_end(ask));
        if is_end(&asked.1[0].ask) {
            break;
        }
        turns.answer(asked.0, &asked.1, view(2));
    }
    let session = Session { member: dead, no: 1 };
    assert_eq!(asked.1[0].ask, Ask::End { session, beats: Some(2) });
    assert!((since + 3_000..since + 3_100).contains(&asked.0), "{since} {}", asked.0);
}

#[test]
fn a_member_that_counts_otherwise_stops_new_claims() {
    let mut turns = Turns::joined(2);
    let (ms, look) = turns.until(10, is_look);
    let members = vec![live(ME, 0, 2), live(MemberId([2; 16]), 0, 3)];
    turns.answer(ms, &look, seen(vec![lease(1, 1, Some(ME))], members));
    assert!(turns.machine.is_odd());
    assert_eq!(turns.holds(ms), [(1, 1)], "what it has it keeps");
    let (ms, look) = turns.until(ms, |ask| is_claim(ask) || is_look(ask));
    assert!(is_look(&look[0].ask), "the free one is left");
    turns.answer(ms, &look, seen(vec![lease(1, 1, Some(ME))], vec![live(ME, 0, 2)]));
    turns.until(ms, is_claim);
}

#[test]
fn owners_move_no_shards_but_those_of_who_comes_or_goes() {
    let ids: Vec<MemberId> = (1..=5).map(|n| MemberId([n; 16])).collect();
    let shards = NonZeroU16::new(64).expect("not zero");
    let of = |members: &[MemberId]| {
        let mut owners = Owners::default();
        owners.set(KIND, shards, members.to_vec());
        (0..64).map(|no| owners.of(no)).collect::<Vec<_>>()
    };
    let (all, less) = (of(&ids), of(&ids[..4]));
    for (before, after) in all.iter().zip(&less) {
        assert!(before == after || *before == Some(ids[4]), "{before:?} {after:?}");
    }
    for id in &ids {
        let count = all.iter().filter(|owner| **owner == Some(*id)).count();
        assert!((4..=24).contains(&count), "{count}");
    }
    assert_eq!(of(&[]), vec![None; 64]);
}

#[test]
fn configurations_as_a_table() {
    let ms = Duration::from_millis;
    let base = Config::default();
    for (config, is_good) in [
        (base, true),
        (Config { ttl: ms(2_299), ..base }, false),
        (Config { ttl: ms(2_300), ..base }, true),
        (Config { look_every: ms(3_001), ..base }, false),
        (Config { batch: 0, ..base }, false),
        (Config { pause: ms(0), ..base }, false),
    ] {
        assert_eq!(config.fault().is_none(), is_good, "{config:?}");
    }
    assert_eq!(base.requests_max(), 23);
}
