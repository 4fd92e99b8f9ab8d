//! Who is let in: nonces and hellos.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use argus_domain::{B256, Value, digest::digest_of, keccak256, keeper::KeeperRecord, time::Timestamp};
use argus_ports::{LinkError, SignedHello, Signer};
use tokio::{sync::OnceCell, time::timeout};

use crate::ports::Ports;

/// Nonces that wait for their hello. Past this many the oldest is forgotten: whoever asks for nonces without end
/// only makes others ask again.
const NONCES_MAX: usize = 10_000;

/// How long the keeper set may take to be read while a keeper waits at the door.
const SET_WITHIN: Duration = Duration::from_secs(3);

/// Nonces given out, each good for one session.
#[derive(Default)]
pub struct Nonces {
    given: Mutex<Given>,
    /// What makes them unguessable, once the first was asked for: whoever asks for nonces without end does not reach the
    /// signer.
    secret: OnceCell<B256>,
}

#[derive(Default)]
struct Given {
    count: u64,
    /// By the order in which they were given, which is also that in which they lapse.
    by_age: BTreeMap<u64, (B256, Timestamp)>,
}

impl Nonces {
    /// A fresh nonce: a hash over a signature that nobody else can make, an instant and a count, so that it can be
    /// neither guessed nor met again, after a restart included.
    pub async fn give(&self, signer: &dyn Signer, now: Timestamp) -> Result<B256, LinkError> {
        let secret = self.secret.get_or_try_init(async || {
            let seed = digest_of("argus/nonce-secret/1", &Value::from(now.0));
            signer.sign_digest(seed).await.map(|signature| keccak256(signature.0))
        });
        let secret = secret.await.map_err(|e| LinkError::Gone(e.to_string()))?;
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given.count += 1;
        let count = given.count;
        let nonce = digest_of("argus/nonce/2", &(secret, now, count));
        given.by_age.insert(count, (nonce, now));
        if given.by_age.len() > NONCES_MAX {
            given.by_age.pop_first();
        }
        Ok(nonce)
    }

    /// Uses a nonce up; false where it was never given, is used or has lapsed.
    fn take(&self, nonce: B256, now: Timestamp, good_for: Duration) -> bool {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
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
    if !ports.signer.is_signed_by(signed.hello.keeper.0, digest, &signed.signature) {
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

#[cfg(test)]
mod tests {
    use argus_ports::SignerError;

    use super::*;
    use crate::sealing::tests::sealing;

    #[tokio::test]
    async fn nonces_differ_and_need_the_signer_once() {
        let (signer, _) = sealing(9);
        let nonces = Nonces::default();
        *signer.says.lock().unwrap() = Err(SignerError::Unreachable("gone".to_owned()));
        let Err(LinkError::Gone(says)) = nonces.give(&*signer, Timestamp(1)).await else { panic!("refused") };
        assert!(says.contains("the signer does not answer"), "{says}");
        *signer.says.lock().unwrap() = Ok(());
        let mut given = Vec::new();
        for at in [1, 1, 2] {
            given.push(nonces.give(&*signer, Timestamp(at)).await.expect("a nonce"));
        }
        assert_eq!(*signer.asked.lock().unwrap(), 2, "the first one failed");
        assert!(given[0] != given[1] && given[1] != given[2], "{given:?}");
        let good_for = Duration::from_millis(10);
        assert!(
            nonces.take(given[0], Timestamp(3), good_for) && !nonces.take(given[0], Timestamp(3), good_for)
        );
        assert!(!nonces.take(given[1], Timestamp(11), good_for), "it has lapsed");
    }
}
