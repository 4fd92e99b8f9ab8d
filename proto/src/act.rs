//! What is said between agreeing and acting.

use argus_domain::{
    act::{AttemptOutcome, HandoffOrder, Intent, PerformEvent},
    time::Timestamp,
};

use crate::{
    Wire,
    field::{Read, hash, keeper, missing, need, small, task_id},
    v1,
};

impl Wire for Intent {
    type Message = v1::Intent;

    fn to_wire(&self) -> v1::Intent {
        v1::Intent {
            task: self.task.0.to_vec(),
            number: u32::from(self.number),
            draft: Some(self.draft.to_wire()),
            signed: Some(self.signed.to_wire()),
            valid_until_ms: self.valid_until.0,
            at_ms: self.at.0,
        }
    }

    fn from_wire(m: v1::Intent) -> Read<Self> {
        Ok(Self {
            task: task_id(&m.task, "task")?,
            number: small(m.number, "number")?,
            draft: need(m.draft, "draft")?,
            signed: need(m.signed, "signed")?,
            valid_until: Timestamp(m.valid_until_ms),
            at: Timestamp(m.at_ms),
        })
    }
}

impl Wire for HandoffOrder {
    type Message = v1::HandoffOrder;

    fn to_wire(&self) -> v1::HandoffOrder {
        v1::HandoffOrder {
            handoff: Some(self.handoff.to_wire()),
            job: Some(self.job.to_wire()),
            task: Some(self.task.to_wire()),
            agreed: Some(self.agreed.to_wire()),
        }
    }

    fn from_wire(m: v1::HandoffOrder) -> Read<Self> {
        Ok(Self {
            handoff: need(m.handoff, "handoff")?,
            job: need(m.job, "job")?,
            task: need(m.task, "task")?,
            agreed: need(m.agreed, "agreed")?,
        })
    }
}

impl Wire for AttemptOutcome {
    type Message = v1::AttemptOutcome;

    fn to_wire(&self) -> v1::AttemptOutcome {
        use v1::attempt_outcome::Kind;
        v1::AttemptOutcome {
            transient: matches!(self, Self::Short { transient: true, .. }),
            kind: Some(match self {
                Self::Agreed(agreed) => Kind::Agreed(agreed.to_wire()),
                Self::Skipped(reason) => Kind::Skipped(reason.clone()),
                Self::Failed(reason) => Kind::Failed(reason.clone()),
                Self::Disagreed(reason) => Kind::Disagreed(reason.clone()),
                Self::Short { why, .. } => Kind::Short(why.clone()),
            }),
        }
    }

    fn from_wire(m: v1::AttemptOutcome) -> Read<Self> {
        use v1::attempt_outcome::Kind;
        Ok(match m.kind.ok_or_else(|| missing("kind"))? {
            Kind::Agreed(agreed) => Self::Agreed(need(Some(agreed), "agreed")?),
            Kind::Skipped(reason) => Self::Skipped(reason),
            Kind::Failed(reason) => Self::Failed(reason),
            Kind::Disagreed(reason) => Self::Disagreed(reason),
            Kind::Short(why) => Self::Short { why, transient: m.transient },
        })
    }
}

impl Wire for PerformEvent {
    type Message = v1::PerformEvent;

    fn to_wire(&self) -> v1::PerformEvent {
        use v1::perform_event::{Broadcast, Declined, Kind};
        v1::PerformEvent {
            kind: Some(match self {
                Self::Broadcast { task, keeper, transaction } => Kind::Broadcast(Broadcast {
                    task: task.0.to_vec(),
                    keeper: keeper.0.to_vec(),
                    transaction: transaction.to_vec(),
                }),
                Self::Declined { task, keeper, reason } => Kind::Declined(Declined {
                    task: task.0.to_vec(),
                    keeper: keeper.0.to_vec(),
                    reason: reason.clone(),
                }),
            }),
        }
    }

    fn from_wire(m: v1::PerformEvent) -> Read<Self> {
        use v1::perform_event::Kind;
        Ok(match m.kind.ok_or_else(|| missing("kind"))? {
            Kind::Broadcast(m) => Self::Broadcast {
                task: task_id(&m.task, "broadcast.task")?,
                keeper: keeper(&m.keeper, "broadcast.keeper")?,
                transaction: hash(&m.transaction, "broadcast.transaction")?,
            },
            Kind::Declined(m) => Self::Declined {
                task: task_id(&m.task, "declined.task")?,
                keeper: keeper(&m.keeper, "declined.keeper")?,
                reason: m.reason,
            },
        })
    }
}
