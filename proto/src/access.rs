//! API keys and ledger entries.

use argus_domain::{
    access::{ApiKey, Role},
    fees::{LedgerEntry, LedgerReason},
    time::Timestamp,
};

use crate::{
    Wire,
    field::{Read, WireEnum, address, hash, u256, wire_enum, word},
    v1,
};

wire_enum!(LedgerReason => v1::LedgerReason {
    Charged = Charged, Earned = Earned, JobCreated = JobCreated, Attested = Attested,
});
wire_enum!(Role => v1::Role { User = User, App = App, Keeper = Keeper, Admin = Admin });

impl Wire for LedgerEntry {
    type Message = v1::LedgerEntry;

    fn to_wire(&self) -> v1::LedgerEntry {
        v1::LedgerEntry {
            key: self.key.to_vec(),
            reason: self.reason.to_number(),
            account: self.account.to_vec(),
            amount: word(self.amount),
        }
    }

    fn from_wire(m: v1::LedgerEntry) -> Read<Self> {
        Ok(Self {
            key: hash(&m.key, "key")?,
            reason: LedgerReason::from_number(m.reason, "reason")?,
            account: address(&m.account, "account")?,
            amount: u256(&m.amount, "amount")?,
        })
    }
}

impl Wire for ApiKey {
    type Message = v1::ApiKey;

    fn to_wire(&self) -> v1::ApiKey {
        v1::ApiKey {
            id: self.id.clone(),
            hash: self.hash.to_vec(),
            masked: self.masked.clone(),
            owner: self.owner.to_vec(),
            role: self.role.to_number(),
            rate_limit: self.rate_limit,
            created_at_ms: self.created_at.0,
            revoked_at_ms: self.revoked_at.map(|at| at.0),
            expires_at_ms: self.expires_at.map(|at| at.0),
            last_used_ms: self.last_used.map(|at| at.0),
        }
    }

    fn from_wire(m: v1::ApiKey) -> Read<Self> {
        Ok(Self {
            id: m.id,
            hash: hash(&m.hash, "hash")?,
            masked: m.masked,
            owner: address(&m.owner, "owner")?,
            role: Role::from_number(m.role, "role")?,
            rate_limit: m.rate_limit,
            created_at: Timestamp(m.created_at_ms),
            revoked_at: m.revoked_at_ms.map(Timestamp),
            expires_at: m.expires_at_ms.map(Timestamp),
            last_used: m.last_used_ms.map(Timestamp),
        })
    }
}
