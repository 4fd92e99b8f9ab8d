//! Tasks and what sets them off.

use argus_domain::{
    ids::{ChainId, Occurrence, Serial, TaskNumber},
    task::{Task, TriggerFact},
    time::Timestamp,
};

use crate::{
    Wire,
    field::{NOTHING, Read, decimal, hash, job_id, missing, need, task_id, word},
    v1,
};

impl Wire for Task {
    type Message = v1::Task;

    fn to_wire(&self) -> v1::Task {
        v1::Task {
            id: self.id.0.to_vec(),
            job: word(self.job.0),
            job_version: self.job_version,
            serial: self.serial.0,
            number: self.number.0,
            occurrence: Some(self.occurrence.to_wire()),
            due_ms: self.due.0,
            opened_at_ms: self.opened_at.0,
            trigger: Some(self.trigger.to_wire()),
        }
    }

    fn from_wire(m: v1::Task) -> Read<Self> {
        Ok(Self {
            id: task_id(&m.id, "id")?,
            job: job_id(&m.job, "job")?,
            job_version: m.job_version,
            serial: Serial(m.serial),
            number: TaskNumber(m.number),
            occurrence: need(m.occurrence, "occurrence")?,
            due: Timestamp(m.due_ms),
            opened_at: Timestamp(m.opened_at_ms),
            trigger: need(m.trigger, "trigger")?,
        })
    }
}

impl Wire for Occurrence {
    type Message = v1::Occurrence;

    fn to_wire(&self) -> v1::Occurrence {
        use v1::occurrence::{Event, Kind};
        v1::Occurrence {
            kind: Some(match self {
                Self::Time(due) => Kind::TimeMs(due.0),
                Self::Event(chain, transaction, position) => Kind::Event(Event {
                    chain: chain.0,
                    transaction: transaction.to_vec(),
                    position: *position,
                }),
                Self::Condition(ordinal) => Kind::Crossing(*ordinal),
            }),
        }
    }

    fn from_wire(m: v1::Occurrence) -> Read<Self> {
        use v1::occurrence::Kind;
        Ok(match m.kind.ok_or_else(|| missing("kind"))? {
            Kind::TimeMs(due) => Self::Time(Timestamp(due)),
            Kind::Event(event) => Self::Event(
                ChainId(event.chain),
                hash(&event.transaction, "event.transaction")?,
                event.position,
            ),
            Kind::Crossing(ordinal) => Self::Condition(ordinal),
        })
    }
}

impl Wire for TriggerFact {
    type Message = v1::TriggerFact;

    fn to_wire(&self) -> v1::TriggerFact {
        use v1::trigger_fact::{Kind, Value};
        v1::TriggerFact {
            kind: Some(match self {
                Self::Due => Kind::Due(NOTHING),
                Self::Log(log) => Kind::Log(log.to_wire()),
                Self::Value { value, at } => Kind::Value(Value { value: value.to_string(), at_ms: at.0 }),
                Self::Manual => Kind::Manual(NOTHING),
            }),
        }
    }

    fn from_wire(m: v1::TriggerFact) -> Read<Self> {
        use v1::trigger_fact::Kind;
        Ok(match m.kind.ok_or_else(|| missing("kind"))? {
            Kind::Due(_) => Self::Due,
            Kind::Log(log) => Self::Log(need(Some(log), "log")?),
            Kind::Value(value) => {
                Self::Value { value: decimal(&value.value, "value.value")?, at: Timestamp(value.at_ms) }
            }
            Kind::Manual(_) => Self::Manual,
        })
    }
}
