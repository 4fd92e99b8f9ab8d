//! A member's part.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use argus_domain::lease::{Fence, Lease, Live, MemberId, ServiceKind, Session, Shard, Token, View};

use super::{
    Answer, Ask, Config, Moment, Owners, Request,
    lanes::{Lane, Pending},
    owner::draw,
    seen::{Overdue, Seen},
};

/// What a member holds, and what it does about it.
#[derive(Debug)]
pub struct Shards {
    config: Config,
    kind: ServiceKind,
    session: Session,
    phase: Phase,
    beats: u64,
    requests: u64,
    /// Joins, beats and the end of the own session.
    life: Lane,
    /// Everything else.
    work: Lane,
    look_at: Moment,
    seen: Seen,
    owners: Owners,
    held: BTreeMap<u16, Token>,
    /// What this session gave up, or was about to: such a token is never believed in again, whatever a view says.
    given_up: BTreeMap<u16, Token>,
    to_claim: BTreeMap<u16, Token>,
    to_release: BTreeMap<u16, Token>,
    claiming: Vec<Fence>,
    is_odd: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The session has not begun, as far as is known.
    Out,
    /// It is there, and is believed in until then.
    In {
        until: Moment,
    },
    /// The member says that it goes, until then at most.
    Leaving {
        until: Moment,
    },
    Left,
}

impl Shards {
    /// A member that has not joined yet. `member` is this process's and nobody else's, now and ever.
    pub fn new(config: Config, kind: ServiceKind, member: MemberId) -> Self {
        Self {
            config,
            kind,
            session: Session { member, no: 0 },
            phase: Phase::Out,
            beats: 0,
            requests: 0,
            life: Lane::default(),
            work: Lane::default(),
            look_at: Moment::default(),
            seen: Seen::default(),
            owners: Owners::default(),
            held: BTreeMap::new(),
            given_up: BTreeMap::new(),
            to_claim: BTreeMap::new(),
            to_release: BTreeMap::new(),
            claiming: Vec::new(),
            is_odd: false,
        }
    }

    /// Does what has come due.
    pub fn tick(&mut self, now: Moment, out: &mut Vec<Request>) {
        self.lapse(now);
        if self.life.is_free(now) {
            self.live(now, out);
        }
        if self.work.is_free(now) && matches!(self.phase, Phase::In { .. }) {
            self.work(now, out);
        }
    }

    /// Takes an answer in, and does what follows. One that nobody waits for any more says nothing.
    pub fn answer(&mut self, now: Moment, no: u64, answer: Answer, out: &mut Vec<Request>) {
        self.lapse(now);
        if let Some(request) = self.life.answered(no) {
            self.lived(now, request, &answer);
        } else if let Some(request) = self.work.answered(no) {
            self.worked(now, request, answer);
        }
        self.tick(now, out);
    }

    /// Stops believing in anything, and says so to the store, so that the others need not wait.
    pub fn leave(&mut self, now: Moment, out: &mut Vec<Request>) {
        if !matches!(self.phase, Phase::Leaving { .. } | Phase::Left) {
            self.forget();
            self.phase = Phase::Leaving { until: now.after(self.config.ttl) };
            self.life.hasten(now);
        }
        self.tick(now, out);
    }

    /// Whether it has left, or need not try any longer.
    pub fn is_gone(&self) -> bool {
        self.phase == Phase::Left
    }

    /// Whether another member cuts the work into another number of shards, so that this one takes nothing.
    pub fn is_odd(&self) -> bool {
        self.is_odd
    }

    /// When to call [`Shards::tick`] at the latest; `None`: never again.
    pub fn next_wake(&self) -> Option<Moment> {
        let life = self.life.wake(self.config.patience, Some(Moment::default()));
        match self.phase {
            Phase::Left => None,
            Phase::Out => life,
            Phase::Leaving { until } => life.map(|at| at.min(until)),
            Phase::In { until } => {
                let wanted = if self.to_release.is_empty() && self.to_claim.is_empty() {
                    let end = self.seen.first_due(self.session.member, self.overdue());
                    end.map_or(self.look_at, |at| at.min(self.look_at))
                } else {
                    Moment::default()
                };
                let work = self.work.wake(self.config.patience, Some(wanted));
                [Some(until), life, work].into_iter().flatten().min()
            }
        }
    }

    /// The shards that it holds with their tokens, and the instant from which on it holds none of them unless that is
    /// put off; `None`: it holds nothing.
    pub fn held(&self) -> Option<(Moment, &BTreeMap<u16, Token>)> {
        match self.phase {
            Phase::In { until } => Some((until, &self.held)),
            Phase::Out | Phase::Leaving { .. } | Phase::Left => None,
        }
    }

    /// What a write for a shard has to carry now; `None`: it is not this member's to write.
    pub fn fence(&self, shard: u16, now: Moment) -> Option<Fence> {
        let (until, held) = self.held()?;
        held.get(&shard).filter(|_| now < until).map(|token| self.fenced(shard, *token))
    }

    /// The session in which it is, or which it tried to begin last.
    pub fn session(&self) -> Session {
        self.session
    }

    fn fenced(&self, no: u16, token: Token) -> Fence {
        Fence { shard: Shard { kind: self.kind, no }, token }
    }

    fn overdue(&self) -> Overdue {
        Overdue { stagger: self.config.stagger, pause: self.config.look_every }
    }

    /// What ends by time alone.
    fn lapse(&mut self, now: Moment) {
        match self.phase {
            Phase::In { until } if now >= until => self.begin_anew(),
            Phase::Leaving { until } if now >= until => self.phase = Phase::Left,
            Phase::In { .. } | Phase::Leaving { .. } | Phase::Out | Phase::Left => {}
        }
        self.life.give_up(now, self.config.patience);
        if self.work.give_up(now, self.config.patience) {
            self.look_at = now.after(self.config.look_every);
        }
    }

    /// The session is over.
    fn begin_anew(&mut self) {
        self.forget();
        self.life.forget();
        self.work.forget();
        self.phase = Phase::Out;
    }

    fn forget(&mut self) {
        self.held.clear();
        self.given_up.clear();
        self.to_claim.clear();
        self.to_release.clear();
    }

    fn live(&mut self, now: Moment, out: &mut Vec<Request>) {
        if self.phase == Phase::Out {
            // Also after a try without an answer: the others may have counted that session's silence for long.
            self.session.no = self.session.no.saturating_add(1);
            self.beats = 0;
        }
        let session = self.session;
        let ask = match self.phase {
            Phase::Out => {
                let Config { ttl, shards, .. } = self.config;
                Ask::Join(Live { session, beats: 0, ttl, shards })
            }
            Phase::In { .. } => {
                self.beats = self.beats.saturating_add(1);
                Ask::Beat { session, beats: self.beats }
            }
            Phase::Leaving { .. } => Ask::End { session, beats: None },
            Phase::Left => return,
        };
        let no = self.request(ask, out);
        self.life.send(no, now, session, self.config.beat_every);
    }

    fn lived(&mut self, now: Moment, request: Pending, answer: &Answer) {
        if request.session != self.session {
            return;
        }
        match (self.phase, answer) {
            (Phase::Out | Phase::In { .. }, Answer::Alive(true)) => {
                let until = request.sent.after(self.config.ttl.saturating_sub(self.config.margin));
                if self.phase == Phase::Out {
                    self.look_at = now;
                }
                self.phase = Phase::In { until };
                self.lapse(now);
            }
            (Phase::Out | Phase::In { .. }, Answer::Alive(false)) => self.begin_anew(),
            (Phase::Leaving { .. }, Answer::Done) => self.phase = Phase::Left,
            (Phase::Out | Phase::In { .. } | Phase::Leaving { .. } | Phase::Left, _) => {}
        }
    }

    fn work(&mut self, now: Moment, out: &mut Vec<Request>) {
        let session = self.session;
        let ask = if !self.to_release.is_empty() {
            let leases = self.first_of(Self::releases);
            Ask::Release { session, leases }
        } else if !self.to_claim.is_empty() {
            let leases = self.first_of(Self::claims);
            self.claiming.clone_from(&leases);
            Ask::Claim { session, leases }
        } else if let Some((silent, beats)) = self.seen.overdue(now, session.member, self.overdue()) {
            Ask::End { session: silent, beats: Some(beats) }
        } else if now >= self.look_at {
            Ask::Look
        } else {
            return;
        };
        let no = self.request(ask, out);
        self.work.send(no, now, session, self.config.pause);
    }

    fn releases(&mut self) -> &mut BTreeMap<u16, Token> {
        &mut self.to_release
    }

    fn claims(&mut self) -> &mut BTreeMap<u16, Token> {
        &mut self.to_claim
    }

    /// Takes as many as one request carries.
    fn first_of(&mut self, which: fn(&mut Self) -> &mut BTreeMap<u16, Token>) -> Vec<Fence> {
        let mut leases = Vec::new();
        while leases.len() < self.config.batch
            && let Some((no, token)) = which(self).pop_first()
        {
            leases.push(self.fenced(no, token));
        }
        leases
    }

    fn request(&mut self, ask: Ask, out: &mut Vec<Request>) -> u64 {
        self.requests = self.requests.saturating_add(1);
        out.push(Request { no: self.requests, kind: self.kind, ask });
        self.requests
    }

    fn worked(&mut self, now: Moment, request: Pending, answer: Answer) {
        if request.session != self.session || !matches!(self.phase, Phase::In { .. }) {
            return;
        }
        match answer {
            Answer::Seen(view) => self.see(now, &view),
            Answer::Claimed(are_held) => {
                let claimed = std::mem::take(&mut self.claiming).into_iter().zip(are_held);
                let taken = claimed.filter(|(_, is_held)| *is_held);
                self.held.extend(taken.map(|(fence, _)| (fence.shard.no, fence.token.next())));
                self.look_at = self.look_at.min(now.after(self.config.look_soon));
            }
            Answer::Done => self.look_at = self.look_at.min(now.after(self.config.pause)),
            Answer::Alive(_) | Answer::Failed => self.look_at = now.after(self.config.look_every),
        }
    }

    /// Takes in what there is, and plans what follows.
    fn see(&mut self, now: Moment, view: &View) {
        self.seen.take(now, view);
        let alike = |live: &&Live| live.shards == self.config.shards;
        let members: Vec<MemberId> =
            view.members.iter().filter(alike).map(|live| live.session.member).collect();
        self.is_odd = members.len() < view.members.len();
        self.owners.set(self.kind, self.config.shards, members);
        let sessions: BTreeSet<Session> = view.members.iter().map(|live| live.session).collect();
        // Who is not seen is about to hear that its session ended: then nothing is planned.
        let is_seen = sessions.contains(&self.session);
        let leases: BTreeMap<u16, &Lease> = view.leases.iter().map(|lease| (lease.shard.no, lease)).collect();
        self.to_claim.clear();
        self.to_release.clear();
        let mut moves = self.seen.any_silent(now, self.session.member);
        for no in 0..self.config.shards.get() {
            let (token, holder) =
                leases.get(&no).map_or((Token(0), None), |lease| (lease.token, lease.holder));
            let is_mine = is_seen && self.owners.of(no) == Some(self.session.member);
            moves |= match holder.filter(|holder| sessions.contains(holder)) {
                Some(holder) if holder == self.session => self.see_own(no, token, is_mine),
                holder => self.see_other(no, token, holder.is_some(), is_mine),
            };
        }
        let wait = if moves { self.config.look_soon } else { self.config.look_every };
        self.look_at = now.after(wait.saturating_sub(self.jitter(wait)));
    }

    /// A lease that the store has as this session's: whether something is to move.
    fn see_own(&mut self, no: u16, token: Token, is_mine: bool) -> bool {
        let was_given_up = self.given_up.get(&no).is_some_and(|given_up| token <= *given_up);
        if is_mine && !was_given_up {
            // Also what it claimed without hearing the answer.
            self.held.insert(no, token);
            return false;
        }
        self.held.remove(&no);
        self.given_up.insert(no, token);
        self.to_release.insert(no, token);
        true
    }

    /// A lease that the store has as free, or as another's: whether something is to move.
    fn see_other(&mut self, no: u16, token: Token, is_held: bool, is_mine: bool) -> bool {
        self.held.remove(&no);
        if self.is_odd || !is_mine {
            return false;
        }
        if !is_held {
            self.to_claim.insert(no, token);
        }
        true
    }

    /// Up to an eighth of a wait, other for each member and request, so that members that began together do not go on
    /// together.
    fn jitter(&self, wait: Duration) -> Duration {
        let drawn = draw(b"jitter", &self.requests.to_be_bytes(), self.session.member);
        wait / 8 / 1000 * u32::try_from(drawn % 1000).unwrap_or(0)
    }
}
