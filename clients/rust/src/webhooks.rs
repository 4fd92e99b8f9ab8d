//! Webhooks, and how a receiver knows that a change comes from the platform.

use std::{fmt, time::Duration};

use hmac::{Hmac, Mac};
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use sha2::Sha256;

use crate::{Client, Result};

/// A webhook.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Webhook {
    /// Its name in routes.
    pub id: String,
    /// Whose changes it is told.
    pub user_address: String,
    /// Where they are sent.
    pub url: String,
    /// Which kinds of them.
    pub events: Vec<String>,
    /// The newest try that failed, also where a later one did not.
    pub last_failure: Option<WebhookFailure>,
    /// What changes are signed with; shown by the creation alone, and by `Debug` never.
    pub secret: Option<String>,
}

/// A try that failed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct WebhookFailure {
    /// When (RFC 3339).
    pub at: String,
    /// What it met.
    pub reason: String,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, user_address, url, events, last_failure, secret: _ } = self;
        let mut shown = f.debug_struct("Webhook");
        shown.field("id", id).field("user_address", user_address).field("url", url).field("events", events);
        shown.field("last_failure", last_failure);
        shown.finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Listed {
    webhooks: Vec<Webhook>,
}

impl Client {
    /// Has changes of an owner's tasks sent to an https URL. Not sent twice: each one that is sent makes a webhook.
    ///
    /// # Errors
    /// As every call's; private addresses are refused.
    pub async fn create_webhook(&self, owner: &str, url: &str, events: &[&str]) -> Result<Webhook> {
        let body = json!({"user_address": owner, "url": url, "events": events});
        self.json(self.ask(Method::POST, &["webhooks"])?.body(&body)?).await
    }

    /// Webhooks of an owner.
    ///
    /// # Errors
    /// As every call's.
    pub async fn webhooks_of(&self, owner: &str) -> Result<Vec<Webhook>> {
        let listed: Listed = self.json(self.get(&["webhooks", "user", owner])?).await?;
        Ok(listed.webhooks)
    }

    /// Sends nothing more to a webhook.
    ///
    /// # Errors
    /// As every call's.
    pub async fn delete_webhook(&self, id: &str) -> Result<()> {
        self.answer(self.ask(Method::DELETE, &["webhooks", id])?).await.map(drop)
    }
}

/// Whether a delivery comes from the platform and is no older, or newer, than `age_max`: `signature` is its header
/// `Argus-Signature`, `body` its bytes as they came, `now` the time since 1970.
pub fn verify_signature(
    secret: &str,
    signature: &str,
    body: &[u8],
    now: Duration,
    age_max: Duration,
) -> bool {
    let mut parts = signature.split(',').filter_map(|part| part.split_once('='));
    let Some(at) = parts.clone().find(|(name, _)| *name == "t").and_then(|(_, at)| at.parse::<u64>().ok())
    else {
        return false;
    };
    let fresh = now.as_secs().abs_diff(at) <= age_max.as_secs();
    fresh
        && parts.any(|(name, hex_mac)| {
            let Ok(mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return false };
            let mac = mac.chain_update(format!("{at}.")).chain_update(body);
            name == "v1" && hex::decode(hex_mac).is_ok_and(|given| mac.verify_slice(&given).is_ok())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_its_secret_body_and_time_alone() {
        // printf '1700000000.{"id":1}' | openssl dgst -sha256 -hmac whsec_1
        let mac = "572032aef2ff81b2a8d83df0561d9827949d1eaa9748df62de3c83f0d0f0ccda";
        let (signature, body) = (format!("t=1700000000,v1={mac}"), br#"{"id":1}"#.as_slice());
        let check = |secret: &str, signature: &str, body: &[u8], now: u64| {
            verify_signature(secret, signature, body, Duration::from_secs(now), Duration::from_secs(300))
        };
        assert!(check("whsec_1", &signature, body, 1_700_000_300));
        assert!(check("whsec_1", &format!("t=1700000000,v1=00,v1={mac}"), body, 1_699_999_700));
        for (secret, signature, body, now) in [
            ("whsec_2", signature.as_str(), body, 1_700_000_000),
            ("whsec_1", &signature.replace("t=17", "t=18"), body, 1_800_000_000),
            ("whsec_1", &signature, br#"{"id":2}"#, 1_700_000_000),
            ("whsec_1", &signature, body, 1_700_000_301),
            ("whsec_1", &signature, body, 1_699_999_699),
            ("whsec_1", &signature.replace("v1", "v0"), body, 1_700_000_000),
            ("whsec_1", &signature[..signature.len() - 2], body, 1_700_000_000),
            ("whsec_1", &format!("v1={mac}"), body, 1_700_000_000),
            ("whsec_1", "", body, 1_700_000_000),
        ] {
            assert!(!check(secret, signature, body, now), "{secret} {signature} {now}");
        }
    }
}
