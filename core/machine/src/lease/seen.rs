//! The other members, and since when each of them is silent.

use std::{collections::BTreeMap, time::Duration};

use argus_domain::lease::{Live, MemberId, Session, View};

use super::{Moment, owner};

/// Sessions as they were seen by this member's clock.
#[derive(Debug, Default)]
pub(super) struct Seen(BTreeMap<MemberId, Entry>);

#[derive(Debug)]
struct Entry {
    live: Live,
    /// When the first view with this number of beats arrived.
    since: Moment,
    /// Until when nothing is asked about it again.
    asked: Moment,
}

impl Seen {
    /// Takes a view in that has just arrived. Fewer beats than before are those of a session that a late request to
    /// join brought back.
    pub fn take(&mut self, now: Moment, view: &View) {
        let is_there = |id: &MemberId| view.members.iter().any(|live| live.session.member == *id);
        self.0.retain(|id, _| is_there(id));
        for live in &view.members {
            let entry = Entry { live: *live, since: now, asked: Moment::default() };
            let known = self.0.entry(live.session.member).or_insert(entry);
            if (live.session, live.beats) != (known.live.session, known.live.beats) {
                *known = Entry { live: *live, since: now, asked: Moment::default() };
            }
        }
    }

    /// A session of another member whose time is over and that is this member's to end now, and how often it has
    /// beaten. Not the same one again for `pause`.
    pub fn overdue(&mut self, now: Moment, own: MemberId, rule: Overdue) -> Option<(Session, u64)> {
        let mut due: Vec<(Moment, MemberId)> = self.due(own, rule).collect();
        due.sort_unstable();
        let (_, id) = due.into_iter().find(|(at, _)| *at <= now)?;
        let entry = self.0.get_mut(&id)?;
        entry.asked = now.after(rule.pause);
        Some((entry.live.session, entry.live.beats))
    }

    /// When the first one is to be ended by this member, if none of them beats before that.
    pub fn first_due(&self, own: MemberId, rule: Overdue) -> Option<Moment> {
        self.due(own, rule).map(|(at, _)| at).min()
    }

    /// Whether one has been silent for its ttl: its end is near, whoever ends it.
    pub fn any_silent(&self, now: Moment, own: MemberId) -> bool {
        self.0.iter().any(|(id, entry)| *id != own && entry.is_silent(now))
    }

    fn due(&self, own: MemberId, rule: Overdue) -> impl Iterator<Item = (Moment, MemberId)> {
        self.0.iter().filter(move |(id, _)| **id != own).map(move |(id, entry)| {
            let lapsed = entry.since.after(entry.live.ttl);
            let loud = self.0.iter().filter(|(_, other)| !other.is_silent(lapsed)).map(|(other, _)| *other);
            let place = owner::place(b"end", &id.0, loud.filter(|other| other != id && *other != own), own);
            (lapsed.after(rule.stagger.saturating_mul(place)).max(entry.asked), *id)
        })
    }
}

impl Entry {
    fn is_silent(&self, now: Moment) -> bool {
        now >= self.since.after(self.live.ttl)
    }
}

/// How silent sessions are ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Overdue {
    /// From one member's turn to the next one's.
    pub stagger: Duration,
    /// From one try to the next.
    pub pause: Duration,
}
