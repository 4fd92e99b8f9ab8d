//! Jobs and cursors.

use argus_domain::{
    ids::{ChainId, Serial, TaskNumber},
    job::{
        Action, Agreement, Args, Crossing, Cursor, Job, Link, Misfire, Mode, Policy, Position, Remarks, Safe,
        Target,
    },
    time::Timestamp,
};

use crate::{
    Wire,
    field::{
        NOTHING, Read, WireEnum, address, decimal, job_id, maybe, missing, need, secret_names, small, texts,
        u256, values, wire_enum, word,
    },
    v1,
};

wire_enum!(Misfire => v1::Misfire { RunOnce = RunOnce, Skip = Skip, CatchUp = CatchUp });

impl Wire for Job {
    type Message = v1::Job;

    fn to_wire(&self) -> v1::Job {
        v1::Job {
            id: word(self.id.0),
            version: self.version,
            serial: self.serial.0,
            owner: self.owner.to_vec(),
            title: self.title.clone(),
            trigger: Some(self.trigger.to_wire()),
            args: Some(self.args.to_wire()),
            action: Some(self.action.to_wire()),
            policy: Some(self.policy.to_wire()),
            limits: Some(self.limits.to_wire()),
            accepted_at_ms: self.accepted_at.0,
            expires_at_ms: self.expires_at.0,
            recurring: self.recurring,
            link: self.link.as_ref().map(Wire::to_wire),
            created_chain: self.created_chain.0,
            safe: self.safe.as_ref().map(Wire::to_wire),
            remarks: Some(self.remarks.to_wire()),
        }
    }

    fn from_wire(m: v1::Job) -> Read<Self> {
        Ok(Self {
            id: job_id(&m.id, "id")?,
            version: m.version,
            serial: Serial(m.serial),
            owner: address(&m.owner, "owner")?,
            title: m.title,
            trigger: need(m.trigger, "trigger")?,
            args: need(m.args, "args")?,
            action: need(m.action, "action")?,
            policy: need(m.policy, "policy")?,
            limits: need(m.limits, "limits")?,
            accepted_at: Timestamp(m.accepted_at_ms),
            expires_at: Timestamp(m.expires_at_ms),
            recurring: m.recurring,
            link: maybe(m.link, "link")?,
            created_chain: ChainId(m.created_chain),
            safe: maybe(m.safe, "safe")?,
            remarks: need(m.remarks, "remarks")?,
        })
    }
}

impl Wire for Args {
    type Message = v1::Args;

    fn to_wire(&self) -> v1::Args {
        use v1::args::{Computed, Fixed, Kind};
        v1::Args {
            kind: Some(match self {
                Self::Fixed(values) => Kind::Fixed(Fixed { values: texts(values) }),
                Self::Computed { module, url, allow_hosts, given, storage, secrets } => {
                    Kind::Computed(Computed {
                        module: Some(module.to_wire()),
                        url: url.clone(),
                        allow_hosts: allow_hosts.clone(),
                        given: texts(given),
                        storage: *storage,
                        secrets: secrets.iter().map(ToString::to_string).collect(),
                    })
                }
            }),
        }
    }

    fn from_wire(m: v1::Args) -> Read<Self> {
        use v1::args::Kind;
        Ok(match m.kind.ok_or_else(|| missing("kind"))? {
            Kind::Fixed(fixed) => Self::Fixed(values(&fixed.values, "fixed.values")?),
            Kind::Computed(computed) => Self::Computed {
                module: need(computed.module, "computed.module")?,
                url: computed.url,
                allow_hosts: computed.allow_hosts,
                given: values(&computed.given, "computed.given")?,
                storage: computed.storage,
                secrets: secret_names(&computed.secrets, "computed.secrets")?,
            },
        })
    }
}

impl Wire for Action {
    type Message = v1::Action;

    fn to_wire(&self) -> v1::Action {
        use v1::action::{self, Kind};
        v1::Action {
            kind: Some(match self {
                Self::Call(target) => Kind::Call(action::Target {
                    chain: target.chain.0,
                    contract: target.contract.to_vec(),
                    signature: target.signature.clone(),
                    function: target.function.clone(),
                    abi: target.abi.clone(),
                }),
                Self::Script { chain } => Kind::ScriptChain(chain.0),
            }),
        }
    }

    fn from_wire(m: v1::Action) -> Read<Self> {
        use v1::action::Kind;
        Ok(match m.kind.ok_or_else(|| missing("kind"))? {
            Kind::Call(target) => Self::Call(Target {
                chain: ChainId(target.chain),
                contract: address(&target.contract, "call.contract")?,
                signature: target.signature,
                function: target.function,
                abi: target.abi,
            }),
            Kind::ScriptChain(chain) => Self::Script { chain: ChainId(chain) },
        })
    }
}

impl Wire for Policy {
    type Message = v1::Policy;

    fn to_wire(&self) -> v1::Policy {
        v1::Policy {
            mode: Some(self.mode.to_wire()),
            agreement: Some(self.agreement.to_wire()),
            misfire: self.misfire.to_number(),
            fee_cap_wei: word(self.fee_cap),
            gas_limit: self.gas_limit,
        }
    }

    fn from_wire(m: v1::Policy) -> Read<Self> {
        Ok(Self {
            mode: need(m.mode, "mode")?,
            agreement: need(m.agreement, "agreement")?,
            misfire: Misfire::from_number(m.misfire, "misfire")?,
            fee_cap: u256(&m.fee_cap_wei, "fee_cap_wei")?,
            gas_limit: m.gas_limit,
        })
    }
}

impl Wire for Mode {
    type Message = v1::Mode;

    fn to_wire(&self) -> v1::Mode {
        use v1::mode::{Kind, Quorum};
        v1::Mode {
            kind: Some(match self {
                Self::Quorum { keepers, threshold } => {
                    Kind::Quorum(Quorum { keepers: u32::from(*keepers), threshold: u32::from(*threshold) })
                }
                Self::Solo => Kind::Solo(NOTHING),
            }),
        }
    }

    fn from_wire(m: v1::Mode) -> Read<Self> {
        use v1::mode::Kind;
        Ok(match m.kind.ok_or_else(|| missing("kind"))? {
            Kind::Quorum(quorum) => Self::Quorum {
                keepers: small(quorum.keepers, "quorum.keepers")?,
                threshold: small(quorum.threshold, "quorum.threshold")?,
            },
            Kind::Solo(_) => Self::Solo,
        })
    }
}

impl Wire for Agreement {
    type Message = v1::Agreement;

    fn to_wire(&self) -> v1::Agreement {
        use v1::agreement::{Kind, Median};
        v1::Agreement {
            kind: Some(match self {
                Self::Median { tolerance } => Kind::Median(Median { tolerance: tolerance.to_string() }),
                Self::Exact => Kind::Exact(NOTHING),
                Self::TrustPerformer => Kind::TrustPerformer(NOTHING),
            }),
        }
    }

    fn from_wire(m: v1::Agreement) -> Read<Self> {
        use v1::agreement::Kind;
        Ok(match m.kind.ok_or_else(|| missing("kind"))? {
            Kind::Median(m) => Self::Median { tolerance: decimal(&m.tolerance, "median.tolerance")? },
            Kind::Exact(_) => Self::Exact,
            Kind::TrustPerformer(_) => Self::TrustPerformer,
        })
    }
}

impl Wire for Link {
    type Message = v1::Link;

    fn to_wire(&self) -> v1::Link {
        v1::Link {
            position: self.position,
            previous: self.previous.map(|id| word(id.0)),
            next: self.next.map(|id| word(id.0)),
        }
    }

    fn from_wire(m: v1::Link) -> Read<Self> {
        Ok(Self {
            position: m.position,
            previous: m.previous.map(|id| job_id(&id, "previous")).transpose()?,
            next: m.next.map(|id| job_id(&id, "next")).transpose()?,
        })
    }
}

impl Wire for Safe {
    type Message = v1::Safe;

    fn to_wire(&self) -> v1::Safe {
        v1::Safe { address: self.address.to_vec(), name: self.name.clone() }
    }

    fn from_wire(m: v1::Safe) -> Read<Self> {
        Ok(Self { address: address(&m.address, "address")?, name: m.name })
    }
}

impl Wire for Remarks {
    type Message = v1::Remarks;

    fn to_wire(&self) -> v1::Remarks {
        v1::Remarks {
            custom: self.custom,
            language: self.language.clone(),
            is_imua: self.is_imua,
            cost_prediction: self.cost_prediction.as_ref().map(ToString::to_string),
            timezone: self.timezone.clone(),
        }
    }

    fn from_wire(m: v1::Remarks) -> Read<Self> {
        let cost_prediction = m.cost_prediction.map(|text| decimal(&text, "cost_prediction")).transpose()?;
        Ok(Self {
            custom: m.custom,
            language: m.language,
            is_imua: m.is_imua,
            cost_prediction,
            timezone: m.timezone,
        })
    }
}

impl Wire for Cursor {
    type Message = v1::Cursor;

    fn to_wire(&self) -> v1::Cursor {
        use v1::cursor::{Condition, Event, Position as Place};
        let position = match &self.position {
            Position::Time => Place::Time(NOTHING),
            Position::Event { block } => Place::Event(Event { block: *block }),
            Position::Condition { crossings, held, last } => Place::Condition(Condition {
                crossings: *crossings,
                held: *held,
                last: last.as_ref().map(Wire::to_wire),
            }),
        };
        v1::Cursor {
            job: word(self.job.0),
            revision: self.revision,
            next_due_ms: self.next_due.map(|at| at.0),
            opened: self.opened.0,
            position: Some(position),
            finished: self.finished,
        }
    }

    fn from_wire(m: v1::Cursor) -> Read<Self> {
        use v1::cursor::Position as Place;
        let position = match m.position.ok_or_else(|| missing("position"))? {
            Place::Time(_) => Position::Time,
            Place::Event(event) => Position::Event { block: event.block },
            Place::Condition(condition) => Position::Condition {
                crossings: condition.crossings,
                held: condition.held,
                last: maybe(condition.last, "condition.last")?,
            },
        };
        Ok(Self {
            job: job_id(&m.job, "job")?,
            revision: m.revision,
            next_due: m.next_due_ms.map(Timestamp),
            opened: TaskNumber(m.opened),
            position,
            finished: m.finished,
        })
    }
}

impl Wire for Crossing {
    type Message = v1::Crossing;

    fn to_wire(&self) -> v1::Crossing {
        v1::Crossing {
            ordinal: self.ordinal,
            value: self.value.to_string(),
            at_ms: self.at.0,
            opened: self.opened,
        }
    }

    fn from_wire(m: v1::Crossing) -> Read<Self> {
        Ok(Self {
            ordinal: m.ordinal,
            value: decimal(&m.value, "value")?,
            at: Timestamp(m.at_ms),
            opened: m.opened,
        })
    }
}
