//! Why jobs did not fire.

use argus_domain::{
    decision::{Compared, Decision, Outcome, Unmatched},
    ids::TaskNumber,
    job::Misfire,
    time::Timestamp,
};

use crate::{
    Wire,
    field::{Read, WireEnum, decimal, hash, job_id, missing, need, word},
    v1,
};

impl Wire for Decision {
    type Message = v1::Decision;

    fn to_wire(&self) -> v1::Decision {
        use v1::decision::{Cooling, Outcome as Form, PassedOver};
        let outcome = match &self.outcome {
            Outcome::PassedOver { from, misfire } => {
                Form::PassedOver(PassedOver { from_ms: from.0, misfire: misfire.to_number() })
            }
            Outcome::Held { by } => Form::Held(word(by.0)),
            Outcome::Paused { since } => Form::PausedMs(since.0),
            Outcome::Expired => Form::Expired(true),
            Outcome::Unfulfilled(compared) => Form::Unfulfilled(compared.to_wire()),
            Outcome::StillFulfilled(compared) => Form::StillFulfilled(compared.to_wire()),
            Outcome::Cooling { compared, until } => {
                Form::Cooling(Cooling { compared: Some(compared.to_wire()), until_ms: until.0 })
            }
            Outcome::Unread { reason } => Form::Unread(reason.clone()),
            Outcome::Unmatched(log) => Form::Unmatched(log.to_wire()),
        };
        v1::Decision {
            task: self.task.0,
            count: self.count,
            first_at_ms: self.first_at.0,
            last_at_ms: self.last_at.0,
            outcome: Some(outcome),
        }
    }

    fn from_wire(m: v1::Decision) -> Read<Self> {
        use v1::decision::Outcome as Form;
        let outcome = match m.outcome.ok_or_else(|| missing("outcome"))? {
            Form::PassedOver(m) => Outcome::PassedOver {
                from: Timestamp(m.from_ms),
                misfire: Misfire::from_number(m.misfire, "passed_over.misfire")?,
            },
            Form::Held(by) => Outcome::Held { by: job_id(&by, "held")? },
            Form::PausedMs(since) => Outcome::Paused { since: Timestamp(since) },
            Form::Expired(_) => Outcome::Expired,
            Form::Unfulfilled(m) => Outcome::Unfulfilled(need(Some(m), "unfulfilled")?),
            Form::StillFulfilled(m) => Outcome::StillFulfilled(need(Some(m), "still_fulfilled")?),
            Form::Cooling(m) => Outcome::Cooling {
                compared: need(m.compared, "cooling.compared")?,
                until: Timestamp(m.until_ms),
            },
            Form::Unread(reason) => Outcome::Unread { reason },
            Form::Unmatched(m) => Outcome::Unmatched(need(Some(m), "unmatched")?),
        };
        Ok(Self {
            task: TaskNumber(m.task),
            outcome,
            count: m.count,
            first_at: Timestamp(m.first_at_ms),
            last_at: Timestamp(m.last_at_ms),
        })
    }
}

impl Wire for Compared {
    type Message = v1::Compared;

    fn to_wire(&self) -> v1::Compared {
        v1::Compared { value: self.value.to_string(), comparison: Some(self.comparison.to_wire()) }
    }

    fn from_wire(m: v1::Compared) -> Read<Self> {
        Ok(Self { value: decimal(&m.value, "value")?, comparison: need(m.comparison, "comparison")? })
    }
}

impl Wire for Unmatched {
    type Message = v1::Unmatched;

    fn to_wire(&self) -> v1::Unmatched {
        v1::Unmatched {
            block: self.block,
            transaction: self.transaction.to_vec(),
            parameter: self.parameter.clone(),
            expected: self.expected.clone(),
            found: self.found.clone(),
        }
    }

    fn from_wire(m: v1::Unmatched) -> Read<Self> {
        Ok(Self {
            block: m.block,
            transaction: hash(&m.transaction, "transaction")?,
            parameter: m.parameter,
            expected: m.expected,
            found: m.found,
        })
    }
}
