//! Disagreements.

use argus_domain::{
    difference::{CallDifference, Disagreement, MadeCall, Remedy, Side, ValueDifference},
    ids::AttemptNo,
};

use crate::{
    Wire,
    attempt::keepers_to_wire,
    field::{Read, decimal, keeper, keepers, list, maybe, missing, need, small, task_id},
    v1::{self, disagreement as wire},
};

impl Wire for Disagreement {
    type Message = v1::Disagreement;

    fn to_wire(&self) -> v1::Disagreement {
        v1::Disagreement {
            task: self.task.0.to_vec(),
            attempt: u32::from(self.attempt.0),
            one: Some(self.one.to_wire()),
            other: self.other.as_ref().map(Wire::to_wire),
            refuted_by: keepers_to_wire(&self.refuted_by),
            finding: self.finding.clone(),
            call: self.call.as_ref().map(Wire::to_wire),
            argument: self.argument.as_ref().map(Wire::to_wire),
            remedies: self.remedies.iter().map(Wire::to_wire).collect(),
        }
    }

    fn from_wire(m: v1::Disagreement) -> Read<Self> {
        Ok(Self {
            task: task_id(&m.task, "task")?,
            attempt: AttemptNo(small(m.attempt, "attempt")?),
            one: need(m.one, "one")?,
            other: maybe(m.other, "other")?,
            refuted_by: keepers(&m.refuted_by, "refuted_by")?,
            finding: m.finding,
            call: maybe(m.call, "call")?,
            argument: maybe(m.argument, "argument")?,
            remedies: list(m.remedies, "remedies")?,
        })
    }
}

impl Wire for Side {
    type Message = wire::Side;

    fn to_wire(&self) -> wire::Side {
        wire::Side { keeper: self.keeper.0.to_vec(), came_to: self.came_to.clone(), fuel: self.fuel }
    }

    fn from_wire(m: wire::Side) -> Read<Self> {
        Ok(Self { keeper: keeper(&m.keeper, "keeper")?, came_to: m.came_to, fuel: m.fuel })
    }
}

impl Wire for CallDifference {
    type Message = wire::CallDifference;

    fn to_wire(&self) -> wire::CallDifference {
        wire::CallDifference {
            sequence: self.sequence,
            one: self.one.as_ref().map(Wire::to_wire),
            other: self.other.as_ref().map(Wire::to_wire),
        }
    }

    fn from_wire(m: wire::CallDifference) -> Read<Self> {
        Ok(Self { sequence: m.sequence, one: maybe(m.one, "one")?, other: maybe(m.other, "other")? })
    }
}

impl Wire for MadeCall {
    type Message = wire::MadeCall;

    fn to_wire(&self) -> wire::MadeCall {
        wire::MadeCall {
            import: self.import.clone(),
            request: self.request.clone(),
            reply: self.reply.clone(),
            fuel: self.fuel,
        }
    }

    fn from_wire(m: wire::MadeCall) -> Read<Self> {
        Ok(Self { import: m.import, request: m.request, reply: m.reply, fuel: m.fuel })
    }
}

impl Wire for ValueDifference {
    type Message = wire::ValueDifference;

    fn to_wire(&self) -> wire::ValueDifference {
        wire::ValueDifference { path: self.path.clone(), one: self.one.clone(), other: self.other.clone() }
    }

    fn from_wire(m: wire::ValueDifference) -> Read<Self> {
        Ok(Self { path: m.path, one: m.one, other: m.other })
    }
}

impl Wire for Remedy {
    type Message = wire::Remedy;

    fn to_wire(&self) -> wire::Remedy {
        use wire::remedy::Kind;
        wire::Remedy {
            kind: Some(match self {
                Self::Median => Kind::Median(v1::Nothing {}),
                Self::Tolerance(least) => Kind::Tolerance(least.to_string()),
                Self::TrustPerformer => Kind::TrustPerformer(v1::Nothing {}),
            }),
        }
    }

    fn from_wire(m: wire::Remedy) -> Read<Self> {
        use wire::remedy::Kind;
        Ok(match m.kind.ok_or_else(|| missing("kind"))? {
            Kind::Median(_) => Self::Median,
            Kind::Tolerance(text) => Self::Tolerance(decimal(&text, "tolerance")?),
            Kind::TrustPerformer(_) => Self::TrustPerformer,
        })
    }
}
