//! Keys behind the `Signer` port: in this process, or at a remote signer. What they share is everything but the
//! signature itself.

mod local;
mod recovered;
mod remote;
mod web3signer;

use alloy::{
    consensus::{SignableTransaction, TxEip1559},
    eips::eip2718::Encodable2718,
    primitives::{Address, Signature as AlloySignature, TxKind, keccak256},
};
use argus_domain::chain::{SignedTx, TxDraft};
use argus_ports::{Signer, SignerError};
use secp256k1::PublicKey;

pub use local::{BadKey, LocalSigner};
pub use recovered::recover;
pub use remote::RemoteSigner;
pub use web3signer::{BadSigner, Credentials, Web3Signer, Web3SignerConfig};

/// Signs an EIP-1559 transaction: what is hashed is `0x02 || rlp(fields)`.
async fn transaction(signer: &(impl Signer + ?Sized), draft: &TxDraft) -> Result<SignedTx, SignerError> {
    let transaction = TxEip1559 {
        chain_id: draft.chain.0,
        nonce: draft.nonce,
        gas_limit: draft.gas_limit,
        max_fee_per_gas: draft.max_fee_per_gas,
        max_priority_fee_per_gas: draft.max_priority_fee_per_gas,
        to: TxKind::Call(draft.to),
        value: draft.value,
        access_list: Default::default(),
        input: draft.data.clone(),
    };
    let signature = signer.sign(&transaction.encoded_for_signing()).await?;
    let signature = AlloySignature::from_bytes_and_parity(&signature.0[..64], signature.0[64] == 28);
    let signed = transaction.into_signed(signature);
    Ok(SignedTx { hash: *signed.hash(), raw: signed.encoded_2718().into() })
}

fn address_of(key: &PublicKey) -> Address {
    Address::from_slice(&keccak256(&key.serialize_uncompressed()[1..])[12..])
}
