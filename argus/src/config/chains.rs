//! The `[[chains]]` sections.

use std::{collections::BTreeMap, time::Duration};

use argus_domain::{Address, chain::Contracts, ids::ChainId};
use toml::Value;

use super::{Chain, reader::Reader};

/// Settings of a chain.
const KNOWN: [&str; 10] = [
    "id",
    "rpc",
    "confirmations",
    "settle_secs",
    "explorer",
    "executor",
    "keeper_registry",
    "job_registry",
    "gas_registry",
    "contracts_from",
];
/// Those of them that are our contracts.
const CONTRACTS: [&str; 4] = ["executor", "keeper_registry", "job_registry", "gas_registry"];

/// Reads them all. A chain whose id is a mistake counts for none: its other mistakes are told, and it is nobody's twin.
pub(super) fn read(r: &mut Reader<'_>) -> BTreeMap<ChainId, Chain> {
    let mut chains = BTreeMap::new();
    let Some(value) = r.root.get("chains") else { return chains };
    let Some(list) = value.as_array() else {
        r.tell("chains", " must be written as [[chains]] sections, one per chain");
        return chains;
    };
    for (i, entry) in list.iter().enumerate() {
        let Some(table) = entry.as_table() else {
            r.tell(&format!("chains[{i}]"), " must be a [[chains]] section");
            continue;
        };
        let mut inner =
            Reader { root: table, prefix: format!("chains[{i}]."), said: r.said, faults: Vec::new() };
        let (id, chain) = read_one(&mut inner);
        if let Some(id) = id
            && chains.insert(id, chain).is_some()
        {
            inner.tell("id", &format!(": chain {id} is there twice; keep one of its sections"));
        }
        r.faults.append(&mut inner.faults);
    }
    chains
}

fn read_one(r: &mut Reader<'_>) -> (Option<ChainId>, Chain) {
    for key in r.root.keys().filter(|k| !KNOWN.contains(&k.as_str())) {
        r.tell(
            key,
            &format!(" is no setting: correct its name or remove it; a chain has {}", KNOWN.join(", ")),
        );
    }
    let is_there = |r: &Reader<'_>, name: &str| r.root.contains_key(name);
    let before = r.faults.len();
    let id = r.number("id", 1, u64::from(u32::MAX));
    let id = (r.faults.len() == before).then_some(ChainId(id));
    let rpc = rpc(r);
    let confirmations = if is_there(r, "confirmations") { r.number("confirmations", 0, 10_000) } else { 3 };
    let settle = if is_there(r, "settle_secs") { r.number("settle_secs", 0, 3600) } else { 0 };
    let settle = Duration::from_secs(settle);
    let explorer = is_there(r, "explorer").then(|| r.text("explorer"));
    let from = if is_there(r, "contracts_from") { r.number("contracts_from", 0, i64::MAX as u64) } else { 0 };
    (id, Chain { rpc, confirmations, settle, explorer, contracts: contracts(r), contracts_from: from })
}

fn rpc(r: &mut Reader<'_>) -> Vec<String> {
    let wanted = "a list of one or more URLs of nodes, like [\"https://...\"]";
    let empty = r.root.get("rpc").and_then(Value::as_array).is_none_or(Vec::is_empty);
    if empty {
        r.fault("rpc", wanted);
        return Vec::new();
    }
    r.urls("rpc", &["http", "https", "ws", "wss"])
}

/// All four, or none. Those that are there are looked at also where others are missing.
fn contracts(r: &mut Reader<'_>) -> Option<Contracts> {
    let (given, missing): (Vec<&str>, Vec<&str>) =
        CONTRACTS.iter().partition(|name| r.root.contains_key(**name));
    if given.is_empty() {
        return None;
    }
    for name in missing {
        let all = CONTRACTS.join(", ");
        r.tell(name, &format!(" is missing: give all four of {all}, or none of them"));
    }
    let mut address = |name: &str| {
        if given.contains(&name) { r.parsed::<Address>(name, "an address in quotes") } else { Address::ZERO }
    };
    Some(Contracts {
        executor: address("executor"),
        keeper_registry: address("keeper_registry"),
        job_registry: address("job_registry"),
        gas_registry: address("gas_registry"),
    })
}
