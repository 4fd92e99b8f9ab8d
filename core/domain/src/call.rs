//! The call that a task makes, and the claim by which keepers agree on it.

use std::sync::LazyLock;

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    ids::{ChainId, JobId, TaskId},
    time::Timestamp,
};

/// What is called on chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// On which chain.
    pub chain: ChainId,
    /// Which contract.
    pub target: Address,
    /// Wei sent along, out of the owner's deposit.
    pub value: U256,
    /// Selector and encoded arguments.
    pub calldata: Bytes,
    /// The arguments as encoded: integers as decimal strings, nested values as nested arrays.
    pub arguments: Vec<Value>,
}

/// A 65-byte ECDSA signature `r || s || v` with low s and v in {27, 28}.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature(pub [u8; 65]);

impl Serialize for Signature {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&alloy_primitives::hex::encode_prefixed(self.0))
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        alloy_primitives::hex::decode_to_array::<_, 65>(&text).map(Self).map_err(serde::de::Error::custom)
    }
}

/// What a keeper signs, and the executor contract checks: equal for all who agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Consumed by the executor; never used twice.
    pub task: TaskId,
    /// The job.
    pub job: JobId,
    /// Whose deposit pays. Checked against the job registry where the job is registered.
    pub owner: Address,
    /// Called contract.
    pub target: Address,
    /// Wei sent along.
    pub value: U256,
    /// keccak256 of the calldata.
    pub calldata_hash: B256,
    /// Gas that the inner call must get.
    pub gas_limit: u64,
    /// Most that the owner is charged, wei.
    pub fee_cap: U256,
    /// The chain refuses later; whole seconds.
    pub valid_until: Timestamp,
}

/// The EIP-712 domain of an executor: name `Argus`, version `1`, chain, contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecutorDomain {
    /// Chain of the executor.
    pub chain: ChainId,
    /// Its address.
    pub executor: Address,
}

const DOMAIN_TYPE: &[u8] =
    b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";
/// Hashes of what never changes: name, version and the two types.
static CONSTANTS: LazyLock<[B256; 4]> =
    LazyLock::new(|| [DOMAIN_TYPE, b"Argus".as_slice(), b"1".as_slice(), CLAIM_TYPE].map(keccak256));

const CLAIM_TYPE: &[u8] = b"Claim(bytes32 taskId,uint256 jobId,address owner,address target,uint256 value,bytes32 calldataHash,uint256 gasLimit,uint256 feeCap,uint64 validUntil)";

impl Claim {
    /// The EIP-712 signing hash: `keccak256(0x19 0x01 || domainSeparator || hashStruct(claim))`.
    pub fn digest(&self, domain: &ExecutorDomain) -> B256 {
        keccak256(self.preimage(domain))
    }

    /// What that is the hash of.
    pub fn preimage(&self, domain: &ExecutorDomain) -> [u8; 66] {
        let [domain_type, name, version, claim_type] = *CONSTANTS;
        let separator = hash_words(&[
            domain_type,
            name,
            version,
            word(U256::from(domain.chain.0)),
            domain.executor.into_word(),
        ]);
        let body = hash_words(&[
            claim_type,
            self.task.0,
            word(self.job.0),
            self.owner.into_word(),
            self.target.into_word(),
            word(self.value),
            self.calldata_hash,
            word(U256::from(self.gas_limit)),
            word(self.fee_cap),
            word(U256::from(self.valid_until.as_secs())),
        ]);
        let mut bytes = [0u8; 66];
        bytes[..2].copy_from_slice(&[0x19, 0x01]);
        bytes[2..34].copy_from_slice(separator.as_slice());
        bytes[34..].copy_from_slice(body.as_slice());
        bytes
    }
}

fn word(n: U256) -> B256 {
    B256::from(n.to_be_bytes::<32>())
}

fn hash_words(words: &[B256]) -> B256 {
    let bytes: Vec<u8> = words.iter().flat_map(|w| w.0).collect();
    keccak256(bytes)
}
