//! EVM chains. One reader and one writer per chain; adapters hold several URLs behind each.

use argus_domain::{
    Address, B256, Bytes, U256,
    call::Signature,
    chain::{Block, GasPrice, Inclusion, Log, LogQuery, SignedTx, TxDraft, TxReceipt},
    ids::ChainId,
    seal::{Seal, is_signed_by, preimage, tree},
};
use async_trait::async_trait;

/// What a chain can answer instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// No node answered in time.
    #[error("no node of chain {chain} answers: {reason}")]
    Unreachable {
        /// The chain.
        chain: ChainId,
        /// What was met.
        reason: String,
    },
    /// The node does not have that block (any more).
    #[error("block {0} is not known")]
    UnknownBlock(B256),
    /// The call reverted, with this data.
    #[error("the call reverted: {reason}")]
    Reverted {
        /// Decoded where it can be.
        reason: String,
        /// The revert data.
        data: Bytes,
    },
    /// The node knows this transaction already: as good as sent.
    #[error("already known")]
    AlreadyKnown,
    /// The nonce is used up.
    #[error("the nonce is too low")]
    NonceTooLow,
    /// A replacement must pay more.
    #[error("a replacement with the same nonce must pay more")]
    Underpriced,
    /// The sender cannot pay.
    #[error("the account cannot pay for it")]
    InsufficientFunds,
    /// The node refused for another reason.
    #[error("the node refused: {0}")]
    Refused(String),
}

impl ChainError {
    /// Whether asking again may help.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::UnknownBlock(_))
    }
}

/// Which block is read at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// The newest.
    Head,
    /// A height.
    Number(u64),
    /// Exactly this block.
    Hash(B256),
}

/// Reads of one chain. All are idempotent.
#[async_trait]
pub trait ChainReader: Send + Sync {
    /// The chain.
    fn chain(&self) -> ChainId;
    /// A block; absent: `None`.
    async fn block(&self, at: At) -> Result<Option<Block>, ChainError>;
    /// `eth_call`, from the given sender where one matters.
    async fn call(
        &self,
        from: Option<Address>,
        to: Address,
        data: Bytes,
        at: At,
    ) -> Result<Bytes, ChainError>;
    /// Balance in wei.
    async fn balance(&self, account: Address, at: At) -> Result<U256, ChainError>;
    /// Logs, by (block, index); an adapter splits ranges that nodes refuse.
    async fn logs(&self, query: LogQuery) -> Result<Vec<Log>, ChainError>;
    /// A receipt; absent: `None`.
    async fn receipt(&self, transaction: B256) -> Result<Option<TxReceipt>, ChainError>;
    /// Deployed code; none: empty.
    async fn code(&self, account: Address) -> Result<Bytes, ChainError>;
    /// What shows that a transaction stands in that block; [`ChainError::Refused`] where it does not, or where what is
    /// behind this reader cannot show it.
    async fn inclusion(&self, transaction: B256, block: B256) -> Result<Inclusion, ChainError> {
        let reason = format!("nothing here shows that {transaction} stands in block {block}");
        Err(ChainError::Refused(reason))
    }
}

/// Writes to one chain.
#[async_trait]
pub trait ChainWriter: Send + Sync {
    /// The chain.
    fn chain(&self) -> ChainId;
    /// Next nonce of an account by mined transactions alone.
    async fn nonce(&self, account: Address) -> Result<u64, ChainError>;
    /// What gas costs now.
    async fn gas_price(&self) -> Result<GasPrice, ChainError>;
    /// Gas that the call would use, by simulation on the newest state; reverts are [`ChainError::Reverted`].
    async fn estimate(&self, from: Address, to: Address, value: U256, data: Bytes)
    -> Result<u64, ChainError>;
    /// Sends signed bytes. Idempotent: a repeat is [`ChainError::AlreadyKnown`] or, once mined,
    /// [`ChainError::NonceTooLow`].
    async fn send(&self, tx: &SignedTx) -> Result<(), ChainError>;
}

/// Why nothing was signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignerError {
    /// The signer was not reached, or gave no answer in time.
    #[error("the signer does not answer: {0}")]
    Unreachable(String),
    /// The signer will not: asking again changes nothing.
    #[error("the signer refuses: {0}")]
    Refused(String),
    /// What it gave is no signature of the key over what it was given.
    #[error("the signer's answer is not used: {0}")]
    Wrong(String),
}

impl SignerError {
    /// Whether asking again may help.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }
}

/// One secp256k1 key, in this process or at a signer that is asked. Every call ends within the signer's own deadline, and
/// leaves nothing behind where it fails. Two signatures over the same bytes may differ: what must not be signed twice is
/// durable before it is used.
#[async_trait]
pub trait Signer: Send + Sync {
    /// Its address.
    fn address(&self) -> Address;
    /// Signs the Keccak-256 hash of these bytes.
    async fn sign(&self, preimage: &[u8]) -> Result<Signature, SignerError>;
    /// Signs an EIP-1559 transaction.
    async fn sign_transaction(&self, draft: &TxDraft) -> Result<SignedTx, SignerError>;
    /// The address that made a signature over a digest; `None` where it is none (high s included).
    fn recover(&self, digest: B256, signature: &Signature) -> Option<Address>;

    /// Signs one of our own digests, so that [`Signer::is_signed_by`] holds.
    async fn sign_digest(&self, digest: B256) -> Result<Signature, SignerError> {
        self.sign(&preimage(digest)).await
    }

    /// Seals digests with one signature, each with its path, in their order.
    async fn seal(&self, digests: &[B256]) -> Result<Vec<Seal>, SignerError> {
        if digests.is_empty() {
            return Ok(Vec::new());
        }
        let (root, paths) = tree(digests)
            .ok_or_else(|| SignerError::Refused(format!("{} digests for one seal", digests.len())))?;
        let signature = self.sign_digest(root).await?;
        Ok(paths.into_iter().map(|path| Seal { path, signature }).collect())
    }

    /// Whether this address signed one of our digests.
    fn is_signed_by(&self, address: Address, digest: B256, signature: &Signature) -> bool {
        is_signed_by(|digest, signature| self.recover(digest, signature), address, digest, signature)
    }

    /// Whether this address sealed this digest.
    fn is_sealed_by(&self, address: Address, digest: B256, seal: &Seal) -> bool {
        seal.is_by(|digest, signature| self.recover(digest, signature), address, digest)
    }
}
