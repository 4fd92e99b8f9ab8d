//! The suite of `Signer`.

use argus_domain::{
    Address, B256, U256,
    chain::TxDraft,
    digest::digest_of,
    ids::ChainId,
    keccak256,
    seal::{PATH_MAX, Seal, preimage},
};
use argus_ports::Signer;

/// What is signed in these suites: nothing, a claim's length, and more than a block of the hash.
pub fn preimages() -> Vec<Vec<u8>> {
    [1, 32, 66, 136, 137, 5_000].map(|n: usize| (0..n).map(|i| i as u8).collect()).into()
}

/// A transaction that calls somebody.
pub fn draft(nonce: u64) -> TxDraft {
    TxDraft {
        chain: ChainId(31_337),
        nonce,
        to: Address::repeat_byte(9),
        value: U256::from(5),
        data: vec![1, 2, 3].into(),
        gas_limit: 100_000,
        max_fee_per_gas: 3_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
    }
}

/// Runs all checks.
pub async fn signer(signer: &dyn Signer) {
    what_is_signed_leads_back_to_the_address(signer).await;
    digests_are_signed_by_their_signer_alone(signer).await;
    one_signature_seals_many_digests(signer).await;
    a_transaction_has_the_hash_of_its_bytes(signer).await;
}

async fn what_is_signed_leads_back_to_the_address(signer: &dyn Signer) {
    for bytes in preimages() {
        let signature = signer.sign(&bytes).await.expect("signed");
        assert_eq!(signer.recover(keccak256(&bytes), &signature), Some(signer.address()));
        assert_ne!(signer.recover(keccak256(b"other"), &signature), Some(signer.address()));
        assert!(matches!(signature.0[64], 27 | 28), "v is {}", signature.0[64]);
    }
}

async fn digests_are_signed_by_their_signer_alone(signer: &dyn Signer) {
    let (digest, other) = (digest_of("test", &1), digest_of("test", &2));
    let signature = signer.sign_digest(digest).await.expect("signed");
    assert!(signer.is_signed_by(signer.address(), digest, &signature));
    assert!(!signer.is_signed_by(Address::ZERO, digest, &signature));
    assert!(!signer.is_signed_by(signer.address(), other, &signature));
    // A signer that hashes what it signs is given this.
    let signature = signer.sign(&preimage(digest)).await.expect("signed");
    assert!(signer.is_signed_by(signer.address(), digest, &signature));
}

async fn one_signature_seals_many_digests(signer: &dyn Signer) {
    assert_eq!(signer.seal(&[]).await, Ok(Vec::new()));
    let digests: Vec<B256> = (0..5).map(|n| digest_of("test", &n)).collect();
    let seals: Vec<Seal> = signer.seal(&digests).await.expect("sealed");
    for (digest, seal) in digests.iter().zip(&seals) {
        assert!(signer.is_sealed_by(signer.address(), *digest, seal));
        assert_eq!(seal.signature, seals[0].signature);
    }
    assert!(!signer.is_sealed_by(signer.address(), digests[0], &seals[1]));
    let too_many = vec![digests[0]; (1 << PATH_MAX) + 1];
    let refused = signer.seal(&too_many).await.expect_err("too many");
    assert!(!refused.is_retryable(), "{refused}");
}

async fn a_transaction_has_the_hash_of_its_bytes(signer: &dyn Signer) {
    let first = signer.sign_transaction(&draft(7)).await.expect("signed");
    assert_eq!(keccak256(&first.raw), first.hash);
    assert_eq!(first.raw[0], 2, "its type by EIP-2718");
    let second = signer.sign_transaction(&draft(8)).await.expect("signed");
    assert_ne!(first.hash, second.hash);
}
