//! Who may do what.

use alloy_primitives::{Address, B256};
use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Roles of API keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Role {
    /// Acts for its one owner.
    User,
    /// A trusted front end: acts for any user.
    App,
    /// A keeper's operator.
    Keeper,
    /// The platform's operator.
    Admin,
}

/// An API key as stored: never the key itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Its public name.
    pub id: String,
    /// SHA-256 of the key.
    pub hash: B256,
    /// The first and last characters, for people who manage keys.
    pub masked: String,
    /// Whose it is.
    pub owner: Address,
    /// What it may do.
    pub role: Role,
    /// Requests per minute.
    pub rate_limit: u32,
    /// Made at.
    pub created_at: Timestamp,
    /// Revoked at.
    pub revoked_at: Option<Timestamp>,
    /// It opens nothing from then on; `None`: never.
    pub expires_at: Option<Timestamp>,
    /// Last used, to the minute.
    pub last_used: Option<Timestamp>,
}

impl ApiKey {
    /// Whether it still opens anything.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|at| now < at)
    }

    /// Whether it may act for this user.
    pub fn may_act_for(&self, user: Address) -> bool {
        match self.role {
            Role::App | Role::Admin => true,
            Role::User | Role::Keeper => self.owner == user,
        }
    }
}
