//! The faucet: a few coins of a chain for trying things out, once a day for each address and each caller.

use std::time::Duration;

use argus_domain::{
    Address, B256, Bytes,
    chain::{GasPrice, TxDraft},
    ids::ChainId,
};
use argus_ports::{ChainError, Signer, chain::At};
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::{
    Edge,
    auth::client_address,
    call::Call,
    contact,
    create::Faults,
    errors::ApiError,
    json,
    ports::Chain,
    reply::Reply,
    shape::formats::{Hash, Wei},
};

/// Between two claims of the same.
const EVERY: Duration = Duration::from_secs(24 * 3600);
/// Gas of a plain transfer to an account; one to a contract that wants more is not for a faucet.
const GAS: u64 = 21_000;
/// How long a process that says nothing is believed to be still paying: longer than that takes.
const TURN: Duration = Duration::from_secs(60);
/// Between two looks for the transaction, and how many there are.
const LOOKS: (Duration, u32) = (Duration::from_millis(250), 80);

/// Coins that are on their way.
#[derive(Serialize, JsonSchema)]
pub struct Claimed {
    #[schemars(extend("const" = true))]
    success: bool,
    message: String,
    amount_wei: Wei,
    transaction_hash: Hash,
    /// At a block explorer; empty where none is known.
    tx_url: String,
}

/// `POST /api/claim-fund {"wallet_address", "network"}`
pub async fn claim(call: Call) -> Result<Reply<Claimed>, ApiError> {
    let edge = &call.edge;
    let off = || {
        let message = "this platform has no faucet: its operator gives none an account in [faucet] key_file";
        ApiError::new(StatusCode::NOT_FOUND, "FAUCET_OFF", message)
    };
    let purse = edge.ports.faucet.as_ref().ok_or_else(off)?;
    let body = call.json()?;
    let mut faults = Faults::default();
    let wallet = contact::address(&body, "wallet_address", &mut faults);
    let network = network(edge, &body, &mut faults);
    let (Some(wallet), Some((id, chain))) = (wallet, network) else { return Err(faults.into_error()) };
    if !call.key()?.may_act_for(wallet) {
        return Err(ApiError::not_yours());
    }
    if chain.reader.balance(wallet, At::Head).await? >= edge.config.faucet.amount {
        let message = "this address has as much as the faucet gives; use that first";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "BALANCE_SUFFICIENT", message));
    }
    // One claim of a chain is paid at a time, whichever process pays: its nonce follows from the chain alone.
    let (turn, until) = (vec![format!("faucet:{id}")], call.now + TURN);
    if edge.ports.claims.claim(turn.clone(), call.now, until).await?.is_err() {
        return Err(
            ApiError::unavailable("FAUCET_BUSY", "another claim is being paid; try again").retry_after(5)
        );
    }
    let claimed = claimed(&call, &**purse, (id, chain), wallet).await;
    if let Err(cause) = edge.ports.claims.unclaim(turn, until).await {
        tracing::warn!(%cause, "the faucet's turn was not given back; it ends by itself");
    }
    claimed
}

/// Pays, unless the address or the caller had coins lately.
async fn claimed(
    call: &Call,
    purse: &dyn Signer,
    (id, chain): (ChainId, &Chain),
    wallet: Address,
) -> Result<Reply<Claimed>, ApiError> {
    let (edge, amount, until) = (&call.edge, call.edge.config.faucet.amount, call.now + EVERY);
    let who = vec![format!("address:{wallet}"), format!("caller:{}", client_address(edge, &call.parts))];
    if let Err(from) = edge.ports.claims.claim(who.clone(), call.now, until).await? {
        let message = format!("once a day for each address and each caller; again from {from}");
        return Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, "FAUCET_CLAIMED", message)
            .retry_after(from.since(call.now).as_secs()));
    }
    match pay(purse, id, chain, wallet, amount).await {
        Ok(transaction) => {
            wait_for(chain, transaction).await;
            Ok(Reply::of(Claimed {
                success: true,
                message: format!("{amount} wei are on their way"),
                amount_wei: Wei(amount),
                transaction_hash: Hash(transaction),
                tx_url: chain.transaction_url(transaction),
            }))
        }
        Err(cause) => {
            edge.ports.claims.unclaim(who, until).await?;
            tracing::warn!(%cause, chain = %id, "the faucet could not pay");
            Err(ApiError::unavailable("FAUCET_FAILED", format!("nothing was paid: {cause}")).retry_after(60))
        }
    }
}

/// The chain that a client names by its name, or by its number.
fn network<'a>(edge: &'a Edge, body: &Value, faults: &mut Faults) -> Option<(ChainId, &'a Chain)> {
    let networks = &edge.config.faucet.networks;
    let text = body.get("network").and_then(json::scalar_text).unwrap_or_default();
    let by_number = || networks.values().find(|id| id.to_string() == text);
    let id = networks.get(&text).or_else(by_number);
    let found = id.and_then(|id| Some((*id, edge.ports.chains.get(id)?)));
    if found.is_none() {
        let names: Vec<&str> = networks.keys().map(String::as_str).collect();
        faults.add("network", "NETWORK", format!("network is one of {}", names.join(", ")));
    }
    found
}

async fn pay(
    purse: &dyn Signer,
    id: ChainId,
    chain: &Chain,
    to: Address,
    value: argus_domain::U256,
) -> Result<B256, ChainError> {
    let GasPrice { base_fee, priority_fee } = chain.writer.gas_price().await?;
    let draft = TxDraft {
        chain: id,
        nonce: chain.writer.nonce(purse.address()).await?,
        to,
        value,
        data: Bytes::new(),
        gas_limit: GAS,
        max_fee_per_gas: base_fee.saturating_mul(2).saturating_add(priority_fee),
        max_priority_fee_per_gas: priority_fee,
    };
    let signed = purse.sign_transaction(&draft).await.map_err(|e| ChainError::Refused(e.to_string()))?;
    match chain.writer.send(&signed).await {
        Ok(()) | Err(ChainError::AlreadyKnown) => Ok(signed.hash),
        // It may have been taken all the same: the claim stands.
        Err(error) if error.is_retryable() => Ok(signed.hash),
        Err(error) => Err(error),
    }
}

/// Until the chain shows it, or for twenty seconds: until then the next claim would get the same nonce.
async fn wait_for(chain: &Chain, transaction: B256) {
    for _ in 0..LOOKS.1 {
        if matches!(chain.reader.receipt(transaction).await, Ok(Some(_))) {
            return;
        }
        tokio::time::sleep(LOOKS.0).await;
    }
}
