//! Facts.

use argus_domain::{
    ids::{AttemptNo, ChainId, Round},
    task::{Agreed, AgreedHow, Broadcast, Challenge, Fact, Handoff, Receipt, Settlement, Verdict},
    time::Timestamp,
};

use crate::{
    Wire,
    attempt::keepers_to_wire,
    field::{
        Read, WireEnum, hash, keeper, keepers, missing, need, signature, small, task_id, u256, wire_enum,
        word,
    },
    v1,
};

wire_enum!(AgreedHow => v1::AgreedHow {
    Equal = Equal, Median = Median, Tolerance = Tolerance, Performer = Performer, Solo = Solo,
});

impl Wire for Fact {
    type Message = v1::Fact;

    fn to_wire(&self) -> v1::Fact {
        use v1::fact::Kind;
        v1::Fact {
            kind: Some(match self {
                Self::Attempted(attempt) => Kind::Attempted(attempt.to_wire()),
                Self::Observed(observation) => Kind::Observed(observation.to_wire()),
                Self::Claimed(claim) => Kind::Claimed(claim.to_wire()),
                Self::Settled(settlement) => Kind::Settled(settlement.to_wire()),
                Self::HandedOff(handoff) => Kind::HandedOff(handoff.to_wire()),
                Self::Broadcast(broadcast) => Kind::Broadcast(broadcast.to_wire()),
                Self::Received(receipt) => Kind::Received(receipt.to_wire()),
                Self::Revoked { task, sighting, block_hash, at } => Kind::Revoked(v1::Revocation {
                    task: task.0.to_vec(),
                    sighting: u32::from(*sighting),
                    block_hash: block_hash.to_vec(),
                    at_ms: at.0,
                }),
                Self::Confirmed { task, block_hash, at } => Kind::Confirmed(v1::Confirmation {
                    task: task.0.to_vec(),
                    block_hash: block_hash.to_vec(),
                    at_ms: at.0,
                }),
                Self::Lapsed { task, at, because } => {
                    Kind::Lapsed(v1::Lapse { task: task.0.to_vec(), at_ms: at.0, because: because.clone() })
                }
                Self::Challenged(challenge) => Kind::Challenged(challenge.to_wire()),
                Self::Disagreed(disagreement) => Kind::Disagreed(disagreement.to_wire()),
                Self::Announced { task, at } => {
                    Kind::Announced(v1::Announcement { task: task.0.to_vec(), at_ms: at.0 })
                }
                Self::TriggerLost { task, at } => {
                    Kind::TriggerLost(v1::TriggerLoss { task: task.0.to_vec(), at_ms: at.0 })
                }
            }),
        }
    }

    fn from_wire(m: v1::Fact) -> Read<Self> {
        use v1::fact::Kind;
        Ok(match m.kind.ok_or_else(|| missing("kind"))? {
            Kind::Attempted(m) => Self::Attempted(need(Some(m), "attempted")?),
            Kind::Observed(m) => Self::Observed(need(Some(m), "observed")?),
            Kind::Claimed(m) => Self::Claimed(need(Some(m), "claimed")?),
            Kind::Settled(m) => Self::Settled(need(Some(m), "settled")?),
            Kind::HandedOff(m) => Self::HandedOff(need(Some(m), "handed_off")?),
            Kind::Broadcast(m) => Self::Broadcast(need(Some(m), "broadcast")?),
            Kind::Received(m) => Self::Received(need(Some(m), "received")?),
            Kind::Revoked(m) => Self::Revoked {
                task: task_id(&m.task, "revoked.task")?,
                sighting: small(m.sighting, "revoked.sighting")?,
                block_hash: hash(&m.block_hash, "revoked.block_hash")?,
                at: Timestamp(m.at_ms),
            },
            Kind::Confirmed(m) => Self::Confirmed {
                task: task_id(&m.task, "confirmed.task")?,
                block_hash: hash(&m.block_hash, "confirmed.block_hash")?,
                at: Timestamp(m.at_ms),
            },
            Kind::Lapsed(m) => Self::Lapsed {
                task: task_id(&m.task, "lapsed.task")?,
                at: Timestamp(m.at_ms),
                because: m.because,
            },
            Kind::Challenged(m) => Self::Challenged(need(Some(m), "challenged")?),
            Kind::Disagreed(m) => Self::Disagreed(need(Some(m), "disagreed")?),
            Kind::Announced(m) => {
                Self::Announced { task: task_id(&m.task, "announced.task")?, at: Timestamp(m.at_ms) }
            }
            Kind::TriggerLost(m) => {
                Self::TriggerLost { task: task_id(&m.task, "trigger_lost.task")?, at: Timestamp(m.at_ms) }
            }
        })
    }
}

impl Wire for Settlement {
    type Message = v1::Settlement;

    fn to_wire(&self) -> v1::Settlement {
        use v1::settlement::Verdict as Kind;
        let verdict = match &self.verdict {
            Verdict::Agreed(agreed) => Kind::Agreed(agreed.to_wire()),
            Verdict::Skipped(reason) => Kind::Skipped(reason.clone()),
            Verdict::Failed(reason) => Kind::Failed(reason.clone()),
            Verdict::Withdrawn(reason) => Kind::Withdrawn(reason.clone()),
            Verdict::Exhausted(reason) => Kind::Exhausted(reason.clone()),
        };
        v1::Settlement { task: self.task.0.to_vec(), at_ms: self.at.0, verdict: Some(verdict) }
    }

    fn from_wire(m: v1::Settlement) -> Read<Self> {
        use v1::settlement::Verdict as Kind;
        let verdict = match m.verdict.ok_or_else(|| missing("verdict"))? {
            Kind::Agreed(agreed) => Verdict::Agreed(need(Some(agreed), "agreed")?),
            Kind::Skipped(reason) => Verdict::Skipped(reason),
            Kind::Failed(reason) => Verdict::Failed(reason),
            Kind::Withdrawn(reason) => Verdict::Withdrawn(reason),
            Kind::Exhausted(reason) => Verdict::Exhausted(reason),
        };
        Ok(Self { task: task_id(&m.task, "task")?, at: Timestamp(m.at_ms), verdict })
    }
}

impl Wire for Agreed {
    type Message = v1::Agreed;

    fn to_wire(&self) -> v1::Agreed {
        let signed = self.signatures.iter().map(|(keeper, signature)| v1::KeeperSignature {
            keeper: keeper.0.to_vec(),
            signature: signature.0.to_vec(),
        });
        v1::Agreed {
            attempt: u32::from(self.attempt.0),
            round: u32::from(self.round.0),
            call: Some(self.call.to_wire()),
            how: self.how.to_number(),
            signatures: signed.collect(),
            valid_until_ms: self.valid_until.0,
            fee_cap_wei: word(self.fee_cap),
            gas_limit: self.gas_limit,
            performers: keepers_to_wire(&self.performers),
            transcript_root: self.transcript_root.map(|root| root.to_vec()),
            state_root: self.state.map(|root| root.to_vec()),
        }
    }

    fn from_wire(m: v1::Agreed) -> Read<Self> {
        let signed = m.signatures.iter().map(|s| {
            Ok((keeper(&s.keeper, "signatures.keeper")?, signature(&s.signature, "signatures.signature")?))
        });
        Ok(Self {
            attempt: AttemptNo(small(m.attempt, "attempt")?),
            round: Round(small(m.round, "round")?),
            call: need(m.call, "call")?,
            how: AgreedHow::from_number(m.how, "how")?,
            signatures: signed.collect::<Read<_>>()?,
            valid_until: Timestamp(m.valid_until_ms),
            fee_cap: u256(&m.fee_cap_wei, "fee_cap_wei")?,
            gas_limit: m.gas_limit,
            performers: keepers(&m.performers, "performers")?,
            transcript_root: m.transcript_root.map(|root| hash(&root, "transcript_root")).transpose()?,
            state: m.state_root.map(|root| hash(&root, "state_root")).transpose()?,
        })
    }
}

impl Wire for Handoff {
    type Message = v1::Handoff;

    fn to_wire(&self) -> v1::Handoff {
        v1::Handoff {
            task: self.task.0.to_vec(),
            number: u32::from(self.number),
            keeper: self.keeper.0.to_vec(),
            patience_until_ms: self.patience_until.0,
            at_ms: self.at.0,
            declined: self.declined.clone(),
        }
    }

    fn from_wire(m: v1::Handoff) -> Read<Self> {
        Ok(Self {
            task: task_id(&m.task, "task")?,
            number: small(m.number, "number")?,
            keeper: keeper(&m.keeper, "keeper")?,
            patience_until: Timestamp(m.patience_until_ms),
            at: Timestamp(m.at_ms),
            declined: m.declined,
        })
    }
}

impl Wire for Broadcast {
    type Message = v1::Broadcast;

    fn to_wire(&self) -> v1::Broadcast {
        v1::Broadcast {
            task: self.task.0.to_vec(),
            keeper: self.keeper.0.to_vec(),
            transaction: self.transaction.to_vec(),
            at_ms: self.at.0,
        }
    }

    fn from_wire(m: v1::Broadcast) -> Read<Self> {
        Ok(Self {
            task: task_id(&m.task, "task")?,
            keeper: keeper(&m.keeper, "keeper")?,
            transaction: hash(&m.transaction, "transaction")?,
            at: Timestamp(m.at_ms),
        })
    }
}

impl Wire for Receipt {
    type Message = v1::Receipt;

    fn to_wire(&self) -> v1::Receipt {
        v1::Receipt {
            task: self.task.0.to_vec(),
            sighting: u32::from(self.sighting),
            chain: self.chain.0,
            transaction: self.transaction.to_vec(),
            block_number: self.block_number,
            block_hash: self.block_hash.to_vec(),
            block_time_ms: self.block_time.0,
            keeper: self.keeper.0.to_vec(),
            success: self.success,
            gas_used: self.gas_used,
            charged_wei: word(self.charged),
        }
    }

    fn from_wire(m: v1::Receipt) -> Read<Self> {
        Ok(Self {
            task: task_id(&m.task, "task")?,
            sighting: small(m.sighting, "sighting")?,
            chain: ChainId(m.chain),
            transaction: hash(&m.transaction, "transaction")?,
            block_number: m.block_number,
            block_hash: hash(&m.block_hash, "block_hash")?,
            block_time: Timestamp(m.block_time_ms),
            keeper: keeper(&m.keeper, "keeper")?,
            success: m.success,
            gas_used: m.gas_used,
            charged: u256(&m.charged_wei, "charged_wei")?,
        })
    }
}

impl Wire for Challenge {
    type Message = v1::Challenge;

    fn to_wire(&self) -> v1::Challenge {
        v1::Challenge {
            task: self.task.0.to_vec(),
            keeper: self.keeper.0.to_vec(),
            finding: self.finding.clone(),
            at_ms: self.at.0,
        }
    }

    fn from_wire(m: v1::Challenge) -> Read<Self> {
        Ok(Self {
            task: task_id(&m.task, "task")?,
            keeper: keeper(&m.keeper, "keeper")?,
            finding: m.finding,
            at: Timestamp(m.at_ms),
        })
    }
}
