//! Secrets that a job's script may use.

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{Client, Result};

/// A secret that a job is granted. No answer shows a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Secret {
    /// Its name.
    pub name: String,
    /// Since when it has a value (RFC 3339); `None`: it has none.
    pub set_at: Option<String>,
}

impl Client {
    /// The secrets that a job is granted.
    ///
    /// # Errors
    /// As every call's.
    pub async fn secrets(&self, job: &str) -> Result<Vec<Secret>> {
        #[derive(Deserialize)]
        struct Secrets {
            secrets: Vec<Secret>,
        }
        let granted: Secrets = self.json(self.get(&["jobs", job, "secrets"])?).await?;
        Ok(granted.secrets)
    }

    /// Gives a secret its value, in place of the one that it had. The job has to name it among its secrets.
    ///
    /// # Errors
    /// As every call's.
    pub async fn set_secret(&self, job: &str, name: &str, value: &str) -> Result<()> {
        let ask = self.ask(Method::PUT, &["jobs", job, "secrets", name])?.body(&json!({"value": value}))?;
        self.answer(ask).await.map(drop)
    }

    /// Takes a secret's value away; safe to call again.
    ///
    /// # Errors
    /// As every call's.
    pub async fn unset_secret(&self, job: &str, name: &str) -> Result<()> {
        self.answer(self.ask(Method::DELETE, &["jobs", job, "secrets", name])?).await.map(drop)
    }
}
