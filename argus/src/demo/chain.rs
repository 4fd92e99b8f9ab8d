//! The chain as the demo sees it: a contract to be called, and an event to be caused.

use anyhow::Context;
use argus_domain::{
    Address, U256,
    abi::{Function, encode_call},
    contracts::decode_uint,
    ids::ChainId,
};
use argus_evm::{ChainConfig, EvmChain, LocalSigner, deploy::transact};
use argus_ports::{ChainReader, chain::At};
use secrecy::SecretString;
use serde_json::{Value, json};

/// The demo contract's functions that jobs call, as a client sends them.
pub const TARGET_ABI: &str = r#"[{"type":"function","name":"record","stateMutability":"nonpayable","inputs":[{"name":"key","type":"string"},{"name":"value","type":"uint256"}],"outputs":[]}]"#;

/// A chain with the demo contract.
pub struct Chain {
    evm: EvmChain,
    user: LocalSigner,
    /// Its number.
    pub id: ChainId,
    /// The demo contract.
    pub target: Address,
}

impl Chain {
    /// From what `argus dev` said when it was ready.
    pub async fn connect(ready: &Value) -> anyhow::Result<Self> {
        let id = ChainId(ready["chain_id"].as_u64().context("no chain_id")?);
        let rpc = ready["rpc"].as_str().context("no rpc")?.to_owned();
        let evm = EvmChain::connect(&ChainConfig::new(id, vec![rpc])).await?;
        let key = ready["accounts"][0]["private_key"].as_str().context("no account")?.to_owned();
        let user = LocalSigner::from_hex(&SecretString::from(key))?;
        let target = ready["contracts"]["demo_target"].as_str().context("no demo_target")?.parse()?;
        Ok(Self { evm, user, id, target })
    }

    /// Has the demo contract emit `Pinged`, as any user of it would.
    pub async fn ping(&self, topic: U256) -> anyhow::Result<()> {
        let (data, _) = encode_call(&Function::parse("ping(uint256)")?, &[json!(topic.to_string())])?;
        transact(&self.evm, &self.user, self.target, U256::ZERO, data).await?;
        Ok(())
    }

    /// The value stored under a key, and how often it was stored.
    pub async fn recorded(&self, key: &str) -> anyhow::Result<(U256, U256)> {
        Ok((self.view("valueOf(string)", key).await?, self.view("countOf(string)", key).await?))
    }

    async fn view(&self, signature: &str, key: &str) -> anyhow::Result<U256> {
        let (data, _) = encode_call(&Function::parse(signature)?, &[json!(key)])?;
        let answer = self.evm.call(None, self.target, data, At::Head).await?;
        decode_uint(&answer).with_context(|| format!("{signature} gave no number"))
    }
}
