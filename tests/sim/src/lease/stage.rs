//! What goes wrong when: first anything, then nothing, then one thing at a time, with a bound on its effect.

use argus_machine::lease::Request;

use super::world::{Event, Mend, SECOND, World};

const MS: u64 = 1_000;
/// Until when anything may go wrong.
const TROUBLE_ENDS: u64 = 45 * SECOND;
/// How long members need after that until nothing moves any more.
const SETTLES: u64 = 15 * SECOND;
/// The most that the shards of a member may go unheld which is dead or stopped.
const MOVES: u64 = 5 * SECOND;
/// The same for one that leaves.
const LEAVES: u64 = 2 * SECOND;

/// A part of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Quiet,
    /// One member dies, and comes back later.
    Death,
    /// One is stopped for longer than its ttl, then goes on.
    Pause,
    /// One leaves, as in a rolling restart, and comes back.
    Leave,
    Settled,
    End,
}

impl World {
    pub fn begin_stages(&mut self) {
        let mut at = TROUBLE_ENDS;
        self.at(at, Event::Stage(Stage::Quiet));
        for stage in [Stage::Death, Stage::Pause, Stage::Leave] {
            at += SETTLES;
            self.at(at - 1, Event::Stage(Stage::Settled));
            self.at(at, Event::Stage(stage));
        }
        at += SETTLES;
        self.at(at, Event::Stage(Stage::Settled));
        self.at(at + 1, Event::Stage(Stage::End));
    }

    pub fn stage(&mut self, stage: Stage) {
        match stage {
            Stage::Quiet => self.calm_down(),
            Stage::Settled => self.check_settled(),
            Stage::End => self.over = true,
            Stage::Death | Stage::Pause | Stage::Leave => {
                let place = self.any_member();
                self.begin_move(stage, place);
            }
        }
    }

    fn begin_move(&mut self, stage: Stage, place: usize) {
        self.ledger.moving = Some((self.now, if stage == Stage::Leave { LEAVES } else { MOVES }));
        match stage {
            Stage::Death => {
                self.crash(place);
                self.at(self.now + 7 * SECOND, Event::Start(place));
            }
            Stage::Pause => {
                let length = self.rng.between(5 * SECOND, 8 * SECOND);
                self.stop(place, false, length);
            }
            Stage::Leave => {
                self.leave(place);
                self.at(self.now + 4 * SECOND, Event::Start(place));
            }
            Stage::Quiet | Stage::Settled | Stage::End => {}
        }
    }

    fn calm_down(&mut self) {
        self.quiet = true;
        self.store_down = false;
        for place in 0..self.members.len() {
            let member = &mut self.members[place];
            (member.cut_in, member.cut_out) = (false, false);
            let (life, is_stopped) = (member.life, member.stopped.is_some());
            if is_stopped {
                self.at(self.now, Event::Resume(place, life));
            } else if !self.members[place].is_up() {
                self.at(self.now, Event::Start(place));
            }
        }
    }

    fn any_member(&mut self) -> usize {
        let count = self.members.len() as u64;
        usize::try_from(self.rng.below(count)).unwrap_or(0)
    }

    fn crash(&mut self, place: usize) {
        let member = &mut self.members[place];
        member.life += 1;
        member.machine = None;
        member.stopped = None;
        member.inbox.clear();
        member.wake = None;
    }

    fn leave(&mut self, place: usize) {
        self.members[place].leaving = true;
        self.members[place].bent.until = 0;
        self.turn(place, |machine, now, out: &mut Vec<Request>| machine.leave(now, out));
    }

    /// Something goes wrong.
    pub fn trouble(&mut self) {
        if self.quiet {
            return;
        }
        let next = self.rng.between(200 * MS, 2 * SECOND);
        self.at(self.now + next, Event::Trouble);
        let place = self.any_member();
        let length = self.rng.between(100 * MS, 8 * SECOND);
        let is_calm = self.members[place].is_calm();
        match self.rng.below(9) {
            0 if is_calm => {
                self.tally.crashes += 1;
                self.crash(place);
                self.at(self.now + length, Event::Start(place));
            }
            1 if is_calm => {
                self.tally.leaves += 1;
                self.leave(place);
                self.at(self.now + length, Event::Start(place));
            }
            2 | 3 if is_calm => {
                self.tally.pauses += 1;
                self.stop(place, false, length);
            }
            4 if is_calm => {
                self.tally.freezes += 1;
                self.stop(place, true, length);
            }
            5 | 6 => {
                self.tally.cuts += 1;
                let which = self.rng.below(3);
                (self.members[place].cut_in, self.members[place].cut_out) = (which != 0, which != 1);
                self.at(self.now + length, Event::Mend(Mend::Link(place)));
            }
            7 => {
                self.tally.outages += 1;
                self.store_down = true;
                self.at(self.now + length / 2, Event::Mend(Mend::Store));
            }
            _ => {}
        }
    }
}
