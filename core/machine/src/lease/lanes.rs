//! One request at a time, and a pause between two.

use std::time::Duration;

use argus_domain::lease::Session;

use super::Moment;

/// A place in which one request at a time is under way.
#[derive(Debug, Default)]
pub(super) struct Lane {
    pending: Option<Pending>,
    free_at: Moment,
}

/// A request without its answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pending {
    pub no: u64,
    /// Before it left.
    pub sent: Moment,
    /// The session in which it was made: to another one its answer says nothing.
    pub session: Session,
}

impl Lane {
    /// Whether a request may leave.
    pub fn is_free(&self, now: Moment) -> bool {
        self.pending.is_none() && now >= self.free_at
    }

    /// Notes one that leaves now; the next one may after `pause`.
    pub fn send(&mut self, no: u64, now: Moment, session: Session, pause: Duration) {
        self.pending = Some(Pending { no, sent: now, session });
        self.free_at = now.after(pause);
    }

    /// Stops waiting for an answer that says nothing any more.
    pub fn forget(&mut self) {
        self.pending = None;
    }

    /// The next one need not wait for the pause.
    pub fn hasten(&mut self, now: Moment) {
        self.free_at = self.free_at.min(now);
    }

    /// Takes the request out that this answers; none where it is not waited for any more.
    pub fn answered(&mut self, no: u64) -> Option<Pending> {
        self.pending.take_if(|pending| pending.no == no)
    }

    /// Stops waiting for an answer after so long: whether it did.
    pub fn give_up(&mut self, now: Moment, patience: Duration) -> bool {
        self.pending.take_if(|pending| now.since(pending.sent) >= patience).is_some()
    }

    /// When something is to be done here: the end of waiting, or a request that is wanted at `wanted`.
    pub fn wake(&self, patience: Duration, wanted: Option<Moment>) -> Option<Moment> {
        match &self.pending {
            Some(pending) => Some(pending.sent.after(patience)),
            None => wanted.map(|wanted| wanted.max(self.free_at)),
        }
    }
}
