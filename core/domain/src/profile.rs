//! What people say of themselves. Contact data is shown to them and to the platform's operator alone.

use alloy_primitives::Address;
use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// What one account said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Who.
    pub account: Address,
    /// Where mail reaches them.
    pub email: Option<String>,
    /// A chat of theirs, by the number that the messenger gave it.
    pub chat: Option<i64>,
    /// A keeper's name for people.
    pub name: Option<String>,
    /// Where a keeper wants its rewards.
    pub rewards: Option<Address>,
    /// Whether a keeper said that it is on Imua: recorded, nothing goes by it.
    pub on_imua: bool,
    /// When it asked to become a keeper; whether it is one the registry says.
    pub applied_at: Option<Timestamp>,
}

impl Profile {
    /// Of one who said nothing.
    pub fn silent(account: Address) -> Self {
        Self { account, email: None, chat: None, name: None, rewards: None, on_imua: false, applied_at: None }
    }

    /// Takes over what a change says; what it leaves out stays, and so does the first application.
    pub fn take(&mut self, change: ProfileChange) {
        let ProfileChange { email, chat, name, rewards, on_imua, applied_at } = change;
        self.email = email.or(self.email.take()).filter(|email| !email.is_empty());
        self.chat = chat.or(self.chat);
        self.name = name.or(self.name.take());
        self.rewards = rewards.or(self.rewards);
        self.on_imua = on_imua.unwrap_or(self.on_imua);
        self.applied_at = self.applied_at.or(applied_at);
    }
}

/// What is to change; `None` leaves it as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProfileChange {
    /// See [`Profile::email`]; empty removes it.
    pub email: Option<String>,
    /// See [`Profile::chat`].
    pub chat: Option<i64>,
    /// See [`Profile::name`].
    pub name: Option<String>,
    /// See [`Profile::rewards`].
    pub rewards: Option<Address>,
    /// See [`Profile::on_imua`].
    pub on_imua: Option<bool>,
    /// See [`Profile::applied_at`].
    pub applied_at: Option<Timestamp>,
}
