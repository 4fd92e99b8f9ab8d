//! The suite on a key of this process and on one at a remote signer, and what the latter makes of what it is told.

#[path = "signers/guarded.rs"]
mod guarded;
#[path = "signers/hostile.rs"]
mod hostile;

use std::time::{Duration, Instant};

use argus_conformance::{
    signers,
    web3signer::{Manner, Web3signer},
};
use argus_domain::{
    Address, B256, U256,
    call::{Claim, ExecutorDomain},
    digest::digest_of,
    ids::{ChainId, JobId, TaskId},
    time::Timestamp,
};
use argus_evm::{LocalSigner, RemoteSigner, Web3Signer, Web3SignerConfig, anvil::DEV_KEYS};
use argus_ports::Signer;

/// Longest that a signature may take here, where nothing says otherwise.
const LIMIT: Duration = Duration::from_secs(20);

fn local() -> LocalSigner {
    LocalSigner::from_hex(&DEV_KEYS[1].into()).expect("a key")
}

fn config(url: String, timeout: Duration) -> Web3SignerConfig {
    Web3SignerConfig { url, timeout, credentials: None, authorities: None, identity: None }
}

/// A signer with two keys, and the second of them.
async fn remote(timeout: Duration) -> (Web3signer, RemoteSigner) {
    let server = Web3signer::start(&DEV_KEYS[..2], None).await;
    let service = Web3Signer::new(config(server.url(), timeout)).expect("a client");
    (server, service.signer(local().address()))
}

#[tokio::test]
async fn both_keep_the_contract() {
    signers::signer(&local()).await;
    let (server, remote) = remote(LIMIT).await;
    signers::signer(&remote).await;
    assert_eq!(server.asked().iter().filter(|one| one.what.starts_with("GET")).count(), 1, "its keys, once");
}

#[tokio::test]
async fn both_sign_the_same_bytes_alike() {
    let (local, (_server, remote)) = (local(), remote(LIMIT).await);
    for bytes in signers::preimages() {
        assert_eq!(remote.sign(&bytes).await, local.sign(&bytes).await);
    }
    let draft = signers::draft(3);
    assert_eq!(remote.sign_transaction(&draft).await, local.sign_transaction(&draft).await);
    let claim = Claim {
        task: TaskId(B256::repeat_byte(1)),
        job: JobId(U256::from(2)),
        owner: Address::repeat_byte(3),
        target: Address::repeat_byte(4),
        value: U256::from(5),
        calldata_hash: B256::repeat_byte(6),
        gas_limit: 7,
        fee_cap: U256::from(8),
        valid_until: Timestamp::from_secs(9),
    };
    let domain = ExecutorDomain { chain: ChainId(1), executor: Address::repeat_byte(10) };
    let signed = remote.sign(&claim.preimage(&domain)).await.expect("signed");
    assert_eq!(local.sign_digest(claim.digest(&domain)).await, Ok(signed), "what the executor checks");
    // Either takes the other's word for a digest of ours.
    let digest = digest_of("test", &1);
    for (by, reader) in [(&local as &dyn Signer, &remote as &dyn Signer), (&remote, &local)] {
        let signature = by.sign_digest(digest).await.expect("signed");
        assert!(reader.is_signed_by(by.address(), digest, &signature));
    }
}

#[tokio::test]
async fn a_signer_that_was_away_for_a_moment_is_not_missed() {
    let (mut server, remote) = remote(LIMIT).await;
    remote.sign(b"before").await.expect("signed");
    server.stop().await;
    let (signed, ()) = tokio::join!(remote.sign(b"while it is away"), async {
        tokio::time::sleep(Duration::from_millis(600)).await;
        server.go_on().await;
    });
    assert_eq!(signed, local().sign(b"while it is away").await);
}

#[tokio::test]
async fn a_signer_that_stays_away_is_told_of_in_time() {
    let limit = Duration::from_millis(700);
    let (mut server, remote) = remote(limit).await;
    server.stop().await;
    let began = Instant::now();
    let error = remote.sign(b"a").await.expect_err("nobody is there");
    assert!(error.is_retryable() && error.to_string().contains("127.0.0.1"), "{error}");
    assert!(began.elapsed() < limit * 3, "{:?}", began.elapsed());
    server.go_on().await;
    server.behave(Manner::Silent);
    let error = remote.sign(b"a").await.expect_err("nothing is said");
    assert!(error.is_retryable() && error.to_string().contains("no answer in 700 ms"), "{error}");
    server.behave(Manner::Honest);
    assert_eq!(remote.sign(b"a").await, local().sign(b"a").await, "it is asked again");
}
