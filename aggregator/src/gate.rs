//! Who is let in: nonces and hellos.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use argus_domain::{B256, Value, digest::digest_of, keccak256, keeper::KeeperRecord, time::Timestamp};
use argus_ports::{LinkError, SignedHello, Signer};
use tokio::time::timeout;

use crate::ports::Ports;

/// Nonces that wait for their hello. Past this many the oldest is forgotten: whoever asks for nonces without end
/// only makes others ask again.
const NONCES_MAX: usize = 10_000;

/// How long the keeper set may take to be read while a keeper waits at the door.
const SET_WITHIN: Duration = Duration::from_secs(3);

/// Nonces given out, each good for one session.
#[derive(Default)]
pub struct Nonces(Mutex<Given>);

#[derive(Default)]
struct Given {
    count: u64,
    /// By the order in which they were given, which is also that in which they lapse.
    by_age: BTreeMap<u64, (B256, Timestamp)>,
}

impl Nonces {
    /// A fresh nonce: the hash of a signature that nobody else can make, over an instant and a count, so that it can
    /// be neither guessed nor met again, after a restart included.
    pub fn give(&self, signer: &dyn Signer, now: Timestamp) -> Result<B256, LinkError> {
        let mut given = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        given.count += 1;
        let count = given.count;
        let seed = digest_of("argus/nonce/1", &Value::from(vec![now.0, count]));
        let nonce = keccak256(signer.sign(seed).map_err(|e| LinkError::Gone(e.to_string()))?.0);
        given.by_age.insert(count, (nonce, now));
        if given.by_age.len() > NONCES_MAX {
            given.by_age.pop_first();
        }
        Ok(nonce)
    }

    /// Uses a nonce up; false where it was never given, is used or has lapsed.
    fn take(&self, nonce: B256, now: Timestamp, good_for: Duration) -> bool {
        let mut given = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        given.by_age.retain(|_, (_, at)| now.since(*at) < good_for);
        let found = given.by_age.iter().find(|(_, (n, _))| *n == nonce).map(|(count, _)| *count);
        found.is_some_and(|count| given.by_age.remove(&count).is_some())
    }
}

/// Checks a hello; gives the keeper's row.
///
/// # Errors
/// [`LinkError::Refused`] with the reason, or [`LinkError::Gone`] where the keeper set cannot be read.
pub async fn check(
    ports: &Ports,
    nonces: &Nonces,
    good_for: Duration,
    signed: &SignedHello,
) -> Result<KeeperRecord, LinkError> {
    let refuse = |why: &str| Err(LinkError::Refused(why.to_owned()));
    if !nonces.take(signed.nonce, ports.clock.now(), good_for) {
        return refuse("the nonce is unknown, used or too old: ask for another");
    }
    let digest = SignedHello::digest(&signed.hello, signed.nonce);
    if ports.signer.recover(digest, &signed.signature) != Some(signed.hello.keeper.0) {
        return refuse("the hello is not signed with the key of the keeper that it names");
    }
    if signed.hello.capacity == 0 {
        return refuse("a keeper takes at least one run at once");
    }
    let all = timeout(SET_WITHIN, ports.keepers.all())
        .await
        .map_err(|_| LinkError::Gone("the keeper set was not read in time".to_owned()))?
        .map_err(|e| LinkError::Gone(e.to_string()))?;
    match all.into_iter().find(|row| row.keeper == signed.hello.keeper) {
        Some(row) => Ok(row),
        None => refuse("this keeper is not registered: register its address and give it stake first"),
    }
}
