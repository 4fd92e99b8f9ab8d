//! Signing in with an Ethereum account (EIP-4361): a message that the account signed becomes a user's key.
//!
//! A nonce is made here and good once: it holds the instant of its making under a MAC, so that nothing is kept for those
//! that nobody uses, and those that were used are kept until they are too old to be used again. It is good in the
//! process that made it.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use argus_domain::{
    Address, Bytes,
    access::{ApiKey, Role},
    call::Signature,
    sign_in::{SignInFault, SignInMessage, digest},
    time::Timestamp,
};
use axum::http::{HeaderValue, StatusCode, header};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::{
    Edge,
    auth::{client_address, too_many},
    call::Call,
    errors::ApiError,
    keys::{self, ShownKey},
    mac::hmac,
    reply::Reply,
    shape::formats::{ChainNumber, Instant},
};

/// How long a nonce is good.
const NONCE_AGE: Duration = Duration::from_secs(300);
/// How long a key is good that was signed in for.
const KEY_AGE: Duration = Duration::from_secs(30 * 24 * 3600);
/// Keys of this kind that one account has at the same time; the oldest gives way.
const KEYS_MAX: usize = 20;
/// Keys that one account signs in for per minute, and accounts from one address: each is a row that is kept for a month.
const KEYS_PER_MINUTE: (u32, u32) = (5, 20);
/// Nonces that were used in the last minutes; past it nobody signs in for a while.
const SPENT_MAX: usize = 100_000;
/// Bytes of a nonce: the instant, randomness, and half a MAC.
const NONCE_PARTS: [usize; 3] = [8, 16, 16];

/// Makes nonces, and remembers which of them were used.
pub struct SignIns {
    key: [u8; 32],
    spent: Mutex<BTreeMap<Bytes, Timestamp>>,
}

impl Default for SignIns {
    fn default() -> Self {
        let mut key = [0; 32];
        key[..16].copy_from_slice(Uuid::new_v4().as_bytes());
        key[16..].copy_from_slice(Uuid::new_v4().as_bytes());
        Self { key, spent: Mutex::default() }
    }
}

impl SignIns {
    fn make(&self, now: Timestamp) -> Result<String, ApiError> {
        let mut nonce = now.0.to_be_bytes().to_vec();
        nonce.extend_from_slice(Uuid::new_v4().as_bytes());
        let mac = hmac(&self.key, &nonce).map_err(ApiError::internal)?;
        nonce.extend_from_slice(&mac[..NONCE_PARTS[2]]);
        Ok(Bytes::from(nonce).to_string().split_off(2))
    }

    /// The nonce of a message, if it was made here and is not too old.
    fn read(&self, text: &str, now: Timestamp) -> Option<(Bytes, Timestamp)> {
        let nonce: Bytes =
            text.parse().ok().filter(|nonce: &Bytes| nonce.len() == NONCE_PARTS.iter().sum::<usize>())?;
        let (made, shown) = nonce.split_at(NONCE_PARTS[0] + NONCE_PARTS[1]);
        let mac = hmac(&self.key, made).ok()?;
        if !bool::from(mac[..NONCE_PARTS[2]].ct_eq(shown)) {
            return None;
        }
        let at = Timestamp(u64::from_be_bytes(made[..NONCE_PARTS[0]].try_into().ok()?));
        let until = at + NONCE_AGE;
        (now < until).then_some((nonce, until))
    }

    /// Uses it up; `Ok(false)`: it was used before.
    fn spend(&self, nonce: Bytes, until: Timestamp, now: Timestamp) -> Result<bool, ApiError> {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        if spent.len() >= SPENT_MAX {
            spent.retain(|_, until| now < *until);
        }
        if spent.len() >= SPENT_MAX {
            return Err(ApiError::unavailable(
                "TOO_MANY_SIGN_INS",
                "too many sign in at the moment; try again",
            )
            .retry_after(NONCE_AGE.as_secs()));
        }
        Ok(spent.insert(nonce, until).is_none())
    }
}

fn is_offered(edge: &Edge) -> Result<(), ApiError> {
    if !edge.config.sign_in_domains.is_empty() {
        return Ok(());
    }
    let message = "nobody signs in here: the operator names no domain in [api] sign_in_domains";
    Err(ApiError::new(StatusCode::NOT_FOUND, "SIGN_IN_OFF", message))
}

fn refused(code: &'static str, message: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, code, message)
}

/// What a message to sign in with has to hold.
#[derive(Serialize, JsonSchema)]
pub struct Nonce {
    #[schemars(regex(pattern = "^[0-9a-f]{80}$"))]
    nonce: String,
    expires_at: Instant,
    domains: Vec<String>,
    chain_ids: Vec<ChainNumber>,
}

/// `GET /api/auth/nonce`
pub async fn nonce(call: Call) -> Result<Reply<Nonce>, ApiError> {
    is_offered(&call.edge)?;
    let reply = Reply::of(Nonce {
        nonce: call.edge.sign_ins.make(call.now)?,
        expires_at: Instant(call.now + NONCE_AGE),
        domains: call.edge.config.sign_in_domains.clone(),
        chain_ids: call.edge.ports.chains.keys().copied().map(ChainNumber).collect(),
    });
    Ok(reply.with(header::CACHE_CONTROL, HeaderValue::from_static("no-store")))
}

/// `POST /api/auth/sign-in {"message", "signature"}`
pub async fn sign_in(call: Call) -> Result<Reply<ShownKey, 201>, ApiError> {
    is_offered(&call.edge)?;
    let body = call.json()?;
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let (Some(message), Some(signature)) = (text("message"), text("signature")) else {
        let message = "send {\"message\": \"...\", \"signature\": \"0x...\"}, both texts";
        return Err(ApiError::unprocessable("SIGN_IN_FORM", message));
    };
    let address = signed_by(&call, message, signature)?;
    let from = client_address(&call.edge, &call.parts);
    for (bucket, per_minute) in [
        (format!("sign-in:{address}"), KEYS_PER_MINUTE.0),
        (format!("sign-in-from:{from}"), KEYS_PER_MINUTE.1),
    ] {
        let allowance = call.edge.ports.limiter.take(&bucket, per_minute).await;
        if !allowance.allowed {
            return Err(too_many(&allowance));
        }
    }
    make_room(&call.edge, address, call.now).await?;
    let mut made = keys::new_key(address, Role::User, call.edge.config.user_rate, call.now);
    made.key.expires_at = Some(call.now + KEY_AGE);
    call.edge.ports.keys.put(made.key.clone()).await?;
    Ok(keys::shown_once(made, call.now))
}

/// Whose message it is, once all of it holds. Its nonce is used up then and not before.
fn signed_by(call: &Call, text: &str, signature: &str) -> Result<Address, ApiError> {
    let edge = &call.edge;
    let message = SignInMessage::parse(text).and_then(|message| {
        message.check(&edge.config.sign_in_domains, edge.ports.chains.keys().copied(), call.now)?;
        Ok(message)
    });
    let message = message.map_err(|fault| match fault {
        SignInFault::Form(_) => ApiError::unprocessable("SIGN_IN_FORM", fault.to_string()),
        SignInFault::Domain(_) | SignInFault::Chain(_) | SignInFault::Time(_) => {
            refused("SIGN_IN_REFUSED", fault.to_string())
        }
    })?;
    let stale = || {
        refused(
            "NONCE_REFUSED",
            "the nonce is not from here, too old or used: ask /api/auth/nonce for another",
        )
    };
    let (nonce, until) = edge.sign_ins.read(&message.nonce, call.now).ok_or_else(stale)?;
    let signer =
        parse_signature(signature).and_then(|signature| (edge.ports.recover)(digest(text), &signature));
    if signer != Some(message.address) {
        let what =
            "the signature is not of the account in the message; accounts that are contracts cannot sign in";
        return Err(refused("SIGNATURE_REFUSED", what));
    }
    if edge.sign_ins.spend(nonce, until, call.now)? { Ok(message.address) } else { Err(stale()) }
}

/// 65 bytes in hex; some wallets count the recovery id from 0.
fn parse_signature(text: &str) -> Option<Signature> {
    let bytes: Bytes = text.parse().ok()?;
    let mut bytes: [u8; 65] = bytes.as_ref().try_into().ok()?;
    if bytes[64] < 2 {
        bytes[64] += 27;
    }
    Some(Signature(bytes))
}

/// Removes what has expired, and revokes the oldest keys that an account signed in for, where one more would be too many.
async fn make_room(edge: &Edge, owner: Address, now: Timestamp) -> Result<(), ApiError> {
    edge.ports.keys.remove_expired(now).await?;
    let keys = edge.ports.keys.list(Some(owner)).await?;
    let signed_in = |key: &&ApiKey| key.expires_at.is_some() && key.is_live(now);
    for oldest in keys.iter().filter(signed_in).skip(KEYS_MAX - 1) {
        edge.ports.keys.update(&oldest.id, None, Some(now)).await?;
    }
    Ok(())
}
