//! Signing in with an Ethereum account (EIP-4361): a message that the account signed becomes a user's key.
//!
//! A nonce is good once, in every process: it holds the instant of its making under a MAC, whose key lies in the store,
//! so that nothing is kept for those that nobody uses; those that were used are kept until they are too old to be used
//! again. An account that is a contract is asked on its chain whether the signature is its own (EIP-1271).

use std::time::Duration;

use argus_domain::{
    Address, B256, Bytes,
    access::{ApiKey, Role},
    call::Signature,
    sign_in::{SignInFault, SignInMessage, digest, encode_is_valid_signature, is_valid_signature},
    time::Timestamp,
};
use argus_ports::{StoreError, chain::At};
use axum::http::{HeaderValue, StatusCode, header};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use subtle::ConstantTimeEq;
use tokio::{sync::OnceCell, time::timeout};
use uuid::Uuid;

use crate::{
    Edge,
    auth::{client_address, too_many},
    call::Call,
    errors::ApiError,
    keys::{self, ShownKey},
    known_keys,
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
/// Longest signature that a contract is asked about, bytes, and the time that its chain has for the answer.
const SIGNATURE_MAX: usize = 4_096;
const CONTRACT_WITHIN: Duration = Duration::from_secs(5);
/// Bytes of a nonce: the instant, randomness, and half a MAC.
const NONCE_PARTS: [usize; 3] = [8, 16, 16];

/// The key of nonces, once it was read from the store.
#[derive(Default)]
pub struct NonceKey(OnceCell<[u8; 32]>);

impl NonceKey {
    async fn get(&self, edge: &Edge) -> Result<[u8; 32], StoreError> {
        let read = async || {
            let mut fresh = [0; 32];
            fresh[..16].copy_from_slice(Uuid::new_v4().as_bytes());
            fresh[16..].copy_from_slice(Uuid::new_v4().as_bytes());
            edge.ports.claims.nonce_key(fresh).await
        };
        self.0.get_or_try_init(read).await.copied()
    }
}

fn make_nonce(key: &[u8; 32], now: Timestamp) -> Result<String, ApiError> {
    let mut nonce = now.0.to_be_bytes().to_vec();
    nonce.extend_from_slice(Uuid::new_v4().as_bytes());
    let mac = hmac(key, &nonce).map_err(ApiError::internal)?;
    nonce.extend_from_slice(&mac[..NONCE_PARTS[2]]);
    Ok(Bytes::from(nonce).to_string().split_off(2))
}

/// A nonce that this platform made and that is not too old.
struct Nonced {
    nonce: Bytes,
    until: Timestamp,
}

fn read_nonce(key: &[u8; 32], text: &str, now: Timestamp) -> Option<Nonced> {
    let nonce: Bytes =
        text.parse().ok().filter(|nonce: &Bytes| nonce.len() == NONCE_PARTS.iter().sum::<usize>())?;
    let (made, shown) = nonce.split_at(NONCE_PARTS[0] + NONCE_PARTS[1]);
    let mac = hmac(key, made).ok()?;
    if !bool::from(mac[..NONCE_PARTS[2]].ct_eq(shown)) {
        return None;
    }
    let at = Timestamp(u64::from_be_bytes(made[..NONCE_PARTS[0]].try_into().ok()?));
    let until = at + NONCE_AGE;
    (now < until).then_some(Nonced { nonce, until })
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
    let key = call.edge.nonce_key.get(&call.edge).await?;
    let reply = Reply::of(Nonce {
        nonce: make_nonce(&key, call.now)?,
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
    let (address, Nonced { nonce, until }) = signed_by(&call, message, signature).await?;
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
    if call.edge.ports.claims.claim(vec![format!("nonce:{nonce}")], call.now, until).await?.is_err() {
        return Err(stale());
    }
    make_room(&call.edge, address, call.now).await?;
    let mut made = keys::new_key(address, Role::User, call.edge.config.user_rate, call.now);
    made.key.expires_at = Some(call.now + KEY_AGE);
    call.edge.ports.keys.put(made.key.clone()).await?;
    Ok(keys::shown_once(made, call.now))
}

fn stale() -> ApiError {
    refused("NONCE_REFUSED", "the nonce is not from here, too old or used: ask /api/auth/nonce for another")
}

/// Whose message it is, once all of it holds, and its nonce, which nobody has used up so far as is known here.
async fn signed_by(call: &Call, text: &str, signature: &str) -> Result<(Address, Nonced), ApiError> {
    let edge = &call.edge;
    let message = SignInMessage::parse(text).and_then(|message| {
        message.check(&edge.config.sign_in_domains, edge.ports.chains.keys().copied(), call.now)?;
        Ok(message)
    });
    let message = message.map_err(|fault| match fault {
        SignInFault::Form(_) => ApiError::unprocessable("SIGN_IN_FORM", fault.to_string()),
        SignInFault::Domain(_) | SignInFault::Uri(_) | SignInFault::Chain(_) | SignInFault::Time(_) => {
            refused("SIGN_IN_REFUSED", fault.to_string())
        }
    })?;
    let key = edge.nonce_key.get(edge).await?;
    let nonce = read_nonce(&key, &message.nonce, call.now).ok_or_else(stale)?;
    let digest = digest(text);
    let signer = parse_signature(signature).and_then(|signature| (edge.ports.recover)(digest, &signature));
    if signer != Some(message.address) && !accepts(edge, &message, digest, signature).await? {
        let what = format!(
            "the signature is not of the account in the message, and no contract of that address on chain {} says that \
             it is",
            message.chain
        );
        return Err(refused("SIGNATURE_REFUSED", what));
    }
    Ok((message.address, nonce))
}

/// Whether the account is a contract that says that the signature is its own.
async fn accepts(
    edge: &Edge,
    message: &SignInMessage,
    digest: B256,
    signature: &str,
) -> Result<bool, ApiError> {
    let signature = signature.parse().ok().filter(|bytes: &Bytes| bytes.len() <= SIGNATURE_MAX);
    let (Some(signature), Some(chain)) = (signature, edge.ports.chains.get(&message.chain)) else {
        return Ok(false);
    };
    let asked = encode_is_valid_signature(digest, signature);
    match timeout(CONTRACT_WITHIN, chain.reader.call(None, message.address, asked, At::Head)).await {
        Ok(Ok(answer)) => Ok(is_valid_signature(&answer)),
        Ok(Err(cause)) if cause.is_retryable() => Err(cause.into()),
        Ok(Err(_)) => Ok(false),
        Err(_) => {
            let message = format!("chain {} does not say whose the signature is; try again", message.chain);
            Err(ApiError::unavailable("CHAIN_UNAVAILABLE", message))
        }
    }
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
        known_keys::change(edge, &oldest.id, None, Some(now)).await?;
    }
    Ok(())
}
