//! Users, keepers and their boards.

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value, json};

use crate::{Client, Result, Wei};

/// A user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct User {
    /// Their account.
    pub user_address: String,
    /// Where mail reaches them; empty: nobody said.
    pub email_id: String,
    /// Their jobs, newest first.
    pub job_ids: Vec<String>,
    /// What they have deposited on all chains.
    #[serde(rename = "ether_balance")]
    pub deposited: Wei,
    /// Points, of which a coin that was paid is one.
    pub user_points: Number,
    /// Jobs that they created.
    pub total_jobs: u64,
    /// Tasks that they paid for.
    pub total_tasks: u64,
    /// Everything else.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// A user's place among the others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RankedUser {
    /// Their account.
    pub user_address: String,
    /// Jobs that they created.
    pub total_jobs: u64,
    /// Tasks that they paid for.
    pub total_tasks: u64,
    /// Points.
    pub user_points: Number,
}

/// A keeper's place among the others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RankedKeeper {
    /// Its account.
    pub keeper_address: String,
    /// Its name.
    pub keeper_name: String,
    /// Tasks that it performed.
    pub no_executed_tasks: u64,
    /// Tasks whose call it signed and another made.
    pub no_attested_tasks: u64,
    /// Points.
    pub keeper_points: Number,
}

/// What registry, ledger and it itself say of a keeper.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Keeper {
    /// Its account.
    pub keeper_address: String,
    /// Its name.
    pub keeper_name: String,
    /// Whether the registry has it.
    pub registered: bool,
    /// Tasks that it performed.
    pub no_executed_tasks: u64,
    /// Tasks whose call it signed and another made.
    pub no_attested_tasks: u64,
    /// Points.
    pub keeper_points: Number,
    /// Everything else.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// A registered keeper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Performer {
    /// Its number, by which routes know it, too.
    pub keeper_id: u64,
    /// Its account.
    pub keeper_address: String,
    /// Its name.
    pub keeper_name: String,
}

impl Client {
    /// A user.
    ///
    /// # Errors
    /// As every call's; one of whom nothing is known is refused.
    pub async fn user(&self, address: &str) -> Result<User> {
        self.json(self.get(&["users", address])?).await
    }

    /// Notes where mail reaches a user; empty: nowhere.
    ///
    /// # Errors
    /// As every call's.
    pub async fn set_email(&self, user: &str, email: &str) -> Result<()> {
        let body = json!({"user_address": user, "email_id": email});
        self.answer(self.ask(Method::POST, &["users", "email"])?.body(&body)?).await.map(drop)
    }

    /// Safes that a user's jobs act through.
    ///
    /// # Errors
    /// As every call's.
    pub async fn safes_of(&self, user: &str) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Safes {
            safe_addresses: Vec<String>,
        }
        let safes: Safes = self.json(self.get(&["users", "safe-addresses", user])?).await?;
        Ok(safes.safe_addresses)
    }

    /// Users by rank.
    ///
    /// # Errors
    /// As every call's.
    pub async fn ranked_users(&self) -> Result<Vec<RankedUser>> {
        self.json(self.get(&["leaderboard", "users"])?).await
    }

    /// Keepers by rank.
    ///
    /// # Errors
    /// As every call's.
    pub async fn ranked_keepers(&self) -> Result<Vec<RankedKeeper>> {
        self.json(self.get(&["leaderboard", "keepers"])?).await
    }

    /// Registered keepers.
    ///
    /// # Errors
    /// As every call's.
    pub async fn keepers(&self) -> Result<Vec<Performer>> {
        self.json(self.get(&["keepers", "performers"])?).await
    }

    /// A keeper, by its number or address.
    ///
    /// # Errors
    /// As every call's; one that is unknown is refused.
    pub async fn keeper(&self, id: &str) -> Result<Keeper> {
        self.json(self.get(&["keepers", id])?).await
    }
}
