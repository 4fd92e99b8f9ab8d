//! One signature over many digests: the root of a Merkle tree is signed, and each digest carries its path to it.
//!
//! Signing and recovering are the dearest computations of a task. Whoever has several digests to sign at one instant
//! signs once, and whoever checks several of them recovers once: equal roots have equal signatures. A seal over a
//! single digest has an empty path, and its signature is over the digest itself.

use alloy_primitives::{Address, B256, keccak256};
use serde::{Deserialize, Serialize};

use crate::call::Signature;

/// Most steps of a path: a tree of 65,536 digests.
pub const PATH_MAX: usize = 16;

/// What stands before a digest of ours where a signer hashes what it signs. No transaction and no typed data begins with
/// it, so that whoever signs it has signed nothing else.
const SIGNED: &[u8; 15] = b"argus/signed/1\0";

/// What a signer that signs Keccak-256 hashes alone is given for a digest of ours, which is none.
pub fn preimage(digest: B256) -> [u8; 47] {
    let mut bytes = [0; 47];
    bytes[..15].copy_from_slice(SIGNED);
    bytes[15..].copy_from_slice(digest.as_slice());
    bytes
}

/// Whether this address signed a digest of ours: the digest itself, as a key in the signer's own process does, or the
/// hash of its [`preimage`]. `recover` says who made a signature over a digest.
pub fn is_signed_by(
    recover: impl Fn(B256, &Signature) -> Option<Address>,
    address: Address,
    digest: B256,
    signature: &Signature,
) -> bool {
    let is_by = |message| recover(message, signature) == Some(address);
    is_by(digest) || is_by(keccak256(preimage(digest)))
}

/// Proof that a digest was signed, alone or among others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// The sibling at each step from the digest up to the root.
    pub path: Vec<B256>,
    /// The signature over the root.
    pub signature: Signature,
}

impl Seal {
    /// A signature over a digest alone.
    pub fn alone(signature: Signature) -> Self {
        Self { path: Vec::new(), signature }
    }

    /// What was signed, if this seal is the digest's; `None` where the path is longer than [`PATH_MAX`].
    pub fn root(&self, digest: B256) -> Option<B256> {
        (self.path.len() <= PATH_MAX)
            .then(|| self.path.iter().fold(digest, |below, other| join(below, *other)))
    }

    /// Whether this address sealed this digest.
    pub fn is_by(
        &self,
        recover: impl Fn(B256, &Signature) -> Option<Address>,
        address: Address,
        digest: B256,
    ) -> bool {
        self.root(digest).is_some_and(|root| is_signed_by(recover, address, root, &self.signature))
    }
}

/// The root over these digests and the path of each, in their order; `None` where there is none or are more than
/// 2^[`PATH_MAX`].
pub fn tree(digests: &[B256]) -> Option<(B256, Vec<Vec<B256>>)> {
    if digests.is_empty() || digests.len() > 1 << PATH_MAX {
        return None;
    }
    let mut paths = vec![Vec::new(); digests.len()];
    let mut row = digests.to_vec();
    let mut height = 0;
    while row.len() > 1 {
        for (leaf, path) in paths.iter_mut().enumerate() {
            // The last of an odd row goes up as it is.
            path.extend(row.get((leaf >> height) ^ 1));
        }
        row = row.chunks(2).map(|pair| if let [a, b] = pair { join(*a, *b) } else { pair[0] }).collect();
        height += 1;
    }
    Some((row[0], paths))
}

/// BLAKE3 of a tag and both. Order does not matter, so a path needs no sides. The tag keeps an inner node from passing for a digest of a value.
fn join(a: B256, b: B256) -> B256 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"argus/seal/1\0");
    hasher.update(a.min(b).as_slice());
    hasher.update(a.max(b).as_slice());
    B256::new(hasher.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digests(n: u64) -> Vec<B256> {
        (0..n).map(|i| keccak256(i.to_be_bytes())).collect()
    }

    fn seal(path: &[B256]) -> Seal {
        Seal { path: path.to_vec(), signature: Signature([0; 65]) }
    }

    #[test]
    fn every_digest_leads_to_the_root_and_no_other_does() {
        for n in 1..40 {
            let digests = digests(n);
            let (root, paths) = tree(&digests).expect("a tree");
            for (digest, path) in digests.iter().zip(&paths) {
                assert_eq!(seal(path).root(*digest), Some(root), "{n}");
                assert_ne!(seal(path).root(keccak256("other")), Some(root), "{n}");
            }
            let depth = paths.iter().map(Vec::len).max();
            assert!(depth <= Some(n.next_power_of_two().ilog2() as usize), "{n}: {depth:?}");
        }
    }

    #[test]
    fn one_digest_is_its_own_root() {
        let digest = keccak256("a");
        assert_eq!(tree(&[digest]), Some((digest, vec![Vec::new()])));
        assert_eq!(Seal::alone(Signature([1; 65])).root(digest), Some(digest));
    }

    #[test]
    fn a_digest_is_signed_as_it_is_or_as_its_preimage_and_no_other_way() {
        let (signer, digest) = (Address::repeat_byte(1), keccak256("a"));
        let prefixed = [b"argus/signed/1\0".as_slice(), digest.as_slice()].concat();
        for (signed, holds) in
            [(digest, true), (keccak256(prefixed), true), (keccak256(digest), false), (keccak256("b"), false)]
        {
            let recover = |message, _: &Signature| (message == signed).then_some(signer);
            let seal = seal(&[]);
            assert_eq!(seal.is_by(recover, signer, digest), holds, "{signed}");
            assert!(!seal.is_by(recover, Address::ZERO, digest), "{signed}");
        }
    }

    #[test]
    fn nothing_and_too_much_have_no_tree() {
        assert_eq!(tree(&[]), None);
        assert_eq!(seal(&digests(PATH_MAX as u64 + 1)).root(B256::ZERO), None);
    }
}
