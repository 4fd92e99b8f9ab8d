//! Nodes of chains, our contracts there, and the accounts of keepers.

use argus_domain::{
    Address, U256,
    contracts::{decode_keeper, encode_keeper},
    ids::{ChainId, KeeperId},
};
use argus_evm::{ChainConfig, EvmChain, artefacts::Contract};
use argus_memory::SystemClock;
use argus_ports::{ChainReader, Clock, chain::At};
use futures::future::join_all;
use tokio::time::timeout;

use super::{Finding, PATIENCE};
use crate::{
    backends::signers,
    config::{Chain, Config},
    roles::Role,
};

/// A head that is older stands still, or is this clock's fault, seconds.
const HEAD_OLD: u64 = 120;
/// A head that lies further ahead is of a clock that goes otherwise than this one, seconds.
const AHEAD: u64 = 15;

pub(super) async fn examine(config: &Config, roles: &[Role]) -> Vec<Finding> {
    if config.chains.is_empty() {
        let remedy = "add a [[chains]] section with its id and the URLs of nodes";
        return vec![Finding::ill("chains", "none is configured", remedy)];
    }
    let keepers: Vec<Address> = match roles.contains(&Role::Keeper) {
        true => config.keeper.keys.iter().filter_map(|key| signers::address(key).ok()).collect(),
        false => Vec::new(),
    };
    let each = config.chains.iter().map(|(id, chain)| one(*id, chain, &keepers));
    join_all(each).await.into_iter().flatten().collect()
}

async fn one(id: ChainId, chain: &Chain, keepers: &[Address]) -> Vec<Finding> {
    let (mut findings, mut reader) = (Vec::new(), None);
    for (n, url) in chain.rpc.iter().enumerate() {
        // The URL itself may hold a password.
        let what = format!("chain {id}, node {}", n + 1);
        match timeout(PATIENCE, EvmChain::connect(&ChainConfig::new(id, vec![url.clone()]))).await {
            Ok(Ok(node)) => {
                findings.push(head(&what, &node).await);
                reader.get_or_insert(node);
            }
            Ok(Err(error)) => findings.push(Finding::ill(
                what,
                error.to_string(),
                "correct its URL in [[chains]] rpc, or take it out: the others go on without it",
            )),
            Err(_) => findings.push(Finding::ill(
                what,
                format!("no answer within {} s", PATIENCE.as_secs()),
                "correct its URL in [[chains]] rpc, or take it out: the others go on without it",
            )),
        }
    }
    let Some(reader) = reader else { return findings };
    match chain.contracts {
        None => findings.push(Finding::look(
            format!("chain {id}, contracts"),
            "none is configured",
            "without them keepers call targets themselves, with no quorum checked on the chain: see contracts/README.md",
        )),
        Some(contracts) => {
            for (name, address, contract) in [
                ("executor", contracts.executor, Contract::Executor),
                ("keeper_registry", contracts.keeper_registry, Contract::KeeperRegistry),
                ("job_registry", contracts.job_registry, Contract::JobRegistry),
                ("gas_registry", contracts.gas_registry, Contract::GasRegistry),
            ] {
                findings.push(code(&format!("chain {id}, {name}"), &reader, address, contract).await);
            }
            for keeper in keepers {
                findings.push(registered(id, &reader, contracts.keeper_registry, *keeper).await);
            }
        }
    }
    for keeper in keepers {
        findings.push(balance(id, &reader, *keeper).await);
    }
    findings
}

async fn head(what: &str, node: &EvmChain) -> Finding {
    let block = match timeout(PATIENCE, node.block(At::Head)).await {
        Ok(Ok(Some(block))) => block,
        Ok(Ok(None)) => return Finding::ill(what, "it has no block", "wait until it has synchronised"),
        Ok(Err(error)) => return Finding::ill(what, error.to_string(), "look at the node"),
        Err(_) => return Finding::ill(what, "its head does not come", "look at the node"),
    };
    let now = SystemClock.now();
    let (age, ahead) = (now.since(block.time).as_secs(), block.time.since(now).as_secs());
    let found = format!("block {}, {age} s old", block.number);
    if ahead > AHEAD {
        let found = format!("block {} is of {ahead} s from now", block.number);
        return Finding::ill(what, found, "this machine's clock is behind: let it be set by NTP");
    }
    if age > HEAD_OLD {
        let remedy = "the chain makes no blocks, the node is behind, or this machine's clock is ahead: compare another's";
        return Finding::look(what, found, remedy);
    }
    Finding::well(what, found)
}

async fn code(what: &str, reader: &EvmChain, address: Address, contract: Contract) -> Finding {
    match timeout(PATIENCE, reader.code(address)).await {
        Ok(Ok(code)) if code.is_empty() => Finding::ill(
            what,
            format!("there is no contract at {address}"),
            "correct the address, or the chain's id",
        ),
        Ok(Ok(code)) if contract.is_code(&code) => {
            Finding::well(what, format!("{address} is this version's"))
        }
        Ok(Ok(_)) => Finding::look(
            what,
            format!("{address} has other code than this version's contract"),
            "it is of another version, or not ours: compare it with contracts/out before keepers sign for it",
        ),
        Ok(Err(error)) => Finding::ill(what, error.to_string(), "look at the node"),
        Err(_) => Finding::ill(what, "no answer", "look at the node"),
    }
}

async fn registered(id: ChainId, reader: &EvmChain, registry: Address, keeper: Address) -> Finding {
    let what = format!("chain {id}, keeper {keeper}");
    let asked = reader.call(None, registry, encode_keeper(KeeperId(keeper)), At::Head);
    match timeout(PATIENCE, asked).await {
        Ok(Ok(answer)) => match decode_keeper(&answer) {
            Some(stake) => Finding::well(what, format!("registered with a stake of {stake}")),
            None => Finding::ill(
                what,
                "it is not registered",
                "have the owner of the keeper registry call registerKeeper(address, stake) for it",
            ),
        },
        Ok(Err(error)) => Finding::ill(what, error.to_string(), "correct keeper_registry"),
        Err(_) => Finding::ill(what, "no answer", "look at the node"),
    }
}

async fn balance(id: ChainId, reader: &EvmChain, keeper: Address) -> Finding {
    let what = format!("chain {id}, balance of {keeper}");
    match timeout(PATIENCE, reader.balance(keeper, At::Head)).await {
        Ok(Ok(wei)) if wei == U256::ZERO => {
            Finding::ill(what, "0 wei", "send it some: a keeper pays for the gas of the calls that it makes")
        }
        Ok(Ok(wei)) => Finding::well(what, format!("{wei} wei")),
        Ok(Err(error)) => Finding::ill(what, error.to_string(), "look at the node"),
        Err(_) => Finding::ill(what, "no answer", "look at the node"),
    }
}
