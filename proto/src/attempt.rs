//! Attempts and what keepers answer.

use argus_domain::{
    attempt::{
        Answer, Assignment, Attempt, Observation, Output, Priority, SecondRound, SignedAssignment,
        SignedClaim, TraceId,
    },
    ids::{AttemptNo, KeeperId, Round},
    module::EngineId,
    seal::{PATH_MAX, Seal},
    time::Timestamp,
};

use crate::{
    Wire,
    call::{pins_from_wire, pins_to_wire},
    field::{
        Malformed, Read, WireEnum, hash, keeper, keepers, list, maybe, missing, need, signature, small,
        task_id, u128, u256, wire_enum, word,
    },
    v1,
};

wire_enum!(Priority => v1::Priority { Reaction = Reaction, OnTime = OnTime, Late = Late });

pub(crate) fn keepers_to_wire(keepers: &[KeeperId]) -> Vec<Vec<u8>> {
    keepers.iter().map(|keeper| keeper.0.to_vec()).collect()
}

impl Wire for Attempt {
    type Message = v1::Attempt;

    fn to_wire(&self) -> v1::Attempt {
        v1::Attempt {
            task: self.task.0.to_vec(),
            no: u32::from(self.no.0),
            keepers: keepers_to_wire(&self.keepers),
            mode: Some(self.mode.to_wire()),
            agreement: Some(self.agreement.to_wire()),
            pins: pins_to_wire(&self.pins),
            engine: self.engine.0.to_vec(),
            limits: Some(self.limits.to_wire()),
            begun_at_ms: self.begun_at.0,
            deadline_ms: self.deadline.0,
            valid_until_ms: self.valid_until.0,
            fee_cap_wei: word(self.fee_cap),
            gas_limit: self.gas_limit,
            trace: self.trace.0.to_be_bytes().to_vec(),
            priority: self.priority.to_number(),
            state: self.state.as_ref().map(Wire::to_wire),
        }
    }

    fn from_wire(m: v1::Attempt) -> Read<Self> {
        Ok(Self {
            task: task_id(&m.task, "task")?,
            no: AttemptNo(small(m.no, "no")?),
            keepers: keepers(&m.keepers, "keepers")?,
            mode: need(m.mode, "mode")?,
            agreement: need(m.agreement, "agreement")?,
            pins: pins_from_wire(m.pins, "pins")?,
            engine: EngineId(hash(&m.engine, "engine")?),
            limits: need(m.limits, "limits")?,
            begun_at: Timestamp(m.begun_at_ms),
            deadline: Timestamp(m.deadline_ms),
            valid_until: Timestamp(m.valid_until_ms),
            fee_cap: u256(&m.fee_cap_wei, "fee_cap_wei")?,
            gas_limit: m.gas_limit,
            trace: TraceId(u128(&m.trace, "trace")?),
            priority: Priority::from_number(m.priority, "priority")?,
            state: maybe(m.state, "state")?,
        })
    }
}

impl Wire for Assignment {
    type Message = v1::Assignment;

    fn to_wire(&self) -> v1::Assignment {
        v1::Assignment {
            job: Some(self.job.to_wire()),
            task: Some(self.task.to_wire()),
            attempt: Some(self.attempt.to_wire()),
        }
    }

    fn from_wire(m: v1::Assignment) -> Read<Self> {
        Ok(Self {
            job: need(m.job, "job")?,
            task: need(m.task, "task")?,
            attempt: need(m.attempt, "attempt")?,
        })
    }
}

impl Wire for SignedAssignment {
    type Message = v1::SignedAssignment;

    fn to_wire(&self) -> v1::SignedAssignment {
        v1::SignedAssignment {
            assignment: Some(self.assignment.to_wire()),
            seal: Some(self.seal.to_wire()),
            state: self.state.as_ref().map(Wire::to_wire),
        }
    }

    fn from_wire(m: v1::SignedAssignment) -> Read<Self> {
        Ok(Self {
            assignment: need(m.assignment, "assignment")?,
            seal: need(m.seal, "seal")?,
            state: maybe(m.state, "state")?,
        })
    }
}

impl Wire for Seal {
    type Message = v1::Seal;

    fn to_wire(&self) -> v1::Seal {
        v1::Seal {
            signature: self.signature.0.to_vec(),
            path: self.path.iter().map(|step| step.to_vec()).collect(),
        }
    }

    fn from_wire(m: v1::Seal) -> Read<Self> {
        if m.path.len() > PATH_MAX {
            return Err(Malformed::new("path", format!("{} steps, {PATH_MAX} at most", m.path.len())));
        }
        Ok(Self {
            signature: signature(&m.signature, "signature")?,
            path: m.path.iter().map(|step| hash(step, "path")).collect::<Read<_>>()?,
        })
    }
}

impl Wire for Output {
    type Message = v1::Output;

    fn to_wire(&self) -> v1::Output {
        use v1::output::Kind;
        v1::Output {
            kind: Some(match self {
                Self::Call(call) => Kind::Call(call.to_wire()),
                Self::Skip(reason) => Kind::Skip(reason.clone()),
                Self::Fail(reason) => Kind::Fail(reason.clone()),
            }),
        }
    }

    fn from_wire(m: v1::Output) -> Read<Self> {
        use v1::output::Kind;
        Ok(match m.kind.ok_or_else(|| missing("kind"))? {
            Kind::Call(call) => Self::Call(need(Some(call), "call")?),
            Kind::Skip(reason) => Self::Skip(reason),
            Kind::Fail(reason) => Self::Fail(reason),
        })
    }
}

impl Wire for Observation {
    type Message = v1::Observation;

    fn to_wire(&self) -> v1::Observation {
        v1::Observation {
            task: self.task.0.to_vec(),
            attempt: u32::from(self.attempt.0),
            keeper: self.keeper.0.to_vec(),
            module: self.module.to_vec(),
            engine: self.engine.0.to_vec(),
            input: self.input.to_vec(),
            transcript_root: self.transcript_root.to_vec(),
            fuel: self.fuel,
            output: Some(self.output.to_wire()),
            seal: Some(self.seal.to_wire()),
            state_root: self.state.map(|root| root.to_vec()),
        }
    }

    fn from_wire(m: v1::Observation) -> Read<Self> {
        Ok(Self {
            task: task_id(&m.task, "task")?,
            attempt: AttemptNo(small(m.attempt, "attempt")?),
            keeper: keeper(&m.keeper, "keeper")?,
            module: hash(&m.module, "module")?,
            engine: EngineId(hash(&m.engine, "engine")?),
            input: hash(&m.input, "input")?,
            transcript_root: hash(&m.transcript_root, "transcript_root")?,
            fuel: m.fuel,
            output: need(m.output, "output")?,
            state: m.state_root.map(|root| hash(&root, "state_root")).transpose()?,
            seal: need(m.seal, "seal")?,
        })
    }
}

impl Wire for SignedClaim {
    type Message = v1::SignedClaim;

    fn to_wire(&self) -> v1::SignedClaim {
        v1::SignedClaim {
            task: self.task.0.to_vec(),
            attempt: u32::from(self.attempt.0),
            round: u32::from(self.round.0),
            keeper: self.keeper.0.to_vec(),
            digest: self.digest.to_vec(),
            signature: self.signature.0.to_vec(),
        }
    }

    fn from_wire(m: v1::SignedClaim) -> Read<Self> {
        Ok(Self {
            task: task_id(&m.task, "task")?,
            attempt: AttemptNo(small(m.attempt, "attempt")?),
            round: Round(small(m.round, "round")?),
            keeper: keeper(&m.keeper, "keeper")?,
            digest: hash(&m.digest, "digest")?,
            signature: signature(&m.signature, "signature")?,
        })
    }
}

impl Wire for Answer {
    type Message = v1::Answer;

    fn to_wire(&self) -> v1::Answer {
        v1::Answer {
            observation: Some(self.observation.to_wire()),
            claim: self.claim.as_ref().map(Wire::to_wire),
            transcript: Some(self.transcript.to_wire()),
            log: self.log.clone(),
            state: self.state.as_ref().map(Wire::to_wire),
        }
    }

    fn from_wire(m: v1::Answer) -> Read<Self> {
        Ok(Self {
            observation: need(m.observation, "observation")?,
            claim: maybe(m.claim, "claim")?,
            transcript: need(m.transcript, "transcript")?,
            log: m.log,
            state: maybe(m.state, "state")?,
        })
    }
}

impl Wire for SecondRound {
    type Message = v1::SecondRound;

    fn to_wire(&self) -> v1::SecondRound {
        v1::SecondRound {
            task: self.task.0.to_vec(),
            attempt: u32::from(self.attempt.0),
            observations: self.observations.iter().map(Wire::to_wire).collect(),
            chosen: self.chosen.0.to_vec(),
            transcript: Some(self.transcript.to_wire()),
            refuted: keepers_to_wire(&self.refuted),
        }
    }

    fn from_wire(m: v1::SecondRound) -> Read<Self> {
        Ok(Self {
            task: task_id(&m.task, "task")?,
            attempt: AttemptNo(small(m.attempt, "attempt")?),
            observations: list(m.observations, "observations")?,
            chosen: keeper(&m.chosen, "chosen")?,
            transcript: need(m.transcript, "transcript")?,
            refuted: keepers(&m.refuted, "refuted")?,
        })
    }
}
