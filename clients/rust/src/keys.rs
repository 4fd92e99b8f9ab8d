//! API keys, for operators.

use std::fmt;

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{Client, Result};

/// A key, masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ApiKey {
    /// Its name in routes.
    pub id: String,
    /// Its first and last characters.
    #[serde(rename = "key")]
    pub masked: String,
    /// Whose it is.
    pub owner: String,
    /// `user`, `app`, `keeper` or `admin`.
    pub role: String,
    /// Requests per minute.
    pub rate_limit: u32,
    /// Whether it is good.
    pub is_active: bool,
}

/// A key that was just made. Its text is shown this once, and by `Debug` never.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct NewKey {
    /// Its name in routes.
    pub id: String,
    /// The key itself.
    pub key: String,
}

impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Client {
    /// Makes a key. Not sent twice: each one that is sent makes a key.
    ///
    /// # Errors
    /// As every call's.
    pub async fn create_key(&self, owner: &str, role: &str, rate_limit: Option<u32>) -> Result<NewKey> {
        let body = json!({"owner": owner, "role": role, "rate_limit": rate_limit});
        self.json(self.ask(Method::POST, &["admin", "api-keys"])?.body(&body)?).await
    }

    /// Keys of an owner.
    ///
    /// # Errors
    /// As every call's.
    pub async fn keys_of(&self, owner: &str) -> Result<Vec<ApiKey>> {
        self.json(self.get(&["admin", "api-keys", owner])?).await
    }

    /// Revokes a key for good.
    ///
    /// # Errors
    /// As every call's.
    pub async fn revoke_key(&self, id: &str) -> Result<()> {
        self.answer(self.ask(Method::DELETE, &["admin", "api-keys", id])?).await.map(drop)
    }
}
