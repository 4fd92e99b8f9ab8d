//! What one task would cost, and whether the job could work at all: the only question that clients ask before they
//! move money, so that everything that creation would refuse is refused here.

use std::collections::BTreeMap;

use argus_domain::{
    Address, Bytes, U256, Value,
    answer::SAFE_FUNCTION,
    contracts::{decode_uint, encode_fee},
    ids::ChainId,
    module::Language,
};
use argus_ports::{ChainError, chain::At};
use axum::response::Response;
use serde_json::json;

use crate::{
    Edge,
    call::Call,
    create::{CallShape, Faults, converted, find_function},
    errors::ApiError,
    json,
    ports::Chain,
    script::{self, Judged, ScriptRefused, Trial},
};

/// What is called, and the fuel that finding it out took.
struct Planned {
    call: Option<(Address, Bytes)>,
    fuel: u64,
}

/// `GET /api/fees`
pub async fn quote(call: Call) -> Result<Response, ApiError> {
    let query = call.query();
    let mut faults = Faults::default();
    let kind = query.get("task_definition_id").and_then(|text| text.trim().parse::<u8>().ok());
    let kind = kind.filter(|kind| (1..=7).contains(kind));
    if kind.is_none() {
        faults.add("task_definition_id", "KIND", "task_definition_id is a number from 1 to 7");
    }
    let id = query.get("target_chain_id").and_then(|text| text.trim().parse().ok()).map(ChainId);
    let chain = id.and_then(|id| call.edge.ports.chains.get(&id));
    if chain.is_none() {
        faults.add(
            "target_chain_id",
            "CHAIN_UNSUPPORTED",
            "target_chain_id is the number of a chain served here",
        );
    }
    let target = match kind {
        None | Some(7) => None,
        Some(kind) => target(&query, kind % 2 == 0, &mut faults),
    };
    let is_computed = kind.is_some_and(|kind| kind == 7 || kind % 2 == 0);
    let urls: Vec<&str> = query
        .get("ipfs_url")
        .map(|text| text.split(',').map(str::trim).filter(|url| !url.is_empty()).collect())
        .unwrap_or_default();
    if is_computed && urls.is_empty() {
        faults.add("ipfs_url", "REQUIRED", "ipfs_url is needed: the script's ipfs://CID or gateway URL");
    }
    let mut planned = Planned { call: None, fuel: 0 };
    if is_computed && (kind == Some(7) || target.is_some()) {
        for url in urls {
            let one = scripted(&call.edge, url, &query, target.as_ref(), &mut faults).await?;
            planned.fuel = planned.fuel.saturating_add(one.fuel);
            planned.call = planned.call.or(one.call);
        }
    } else if let Some((shape, contract)) = &target {
        planned.call = fixed(&query, shape, *contract, &mut faults);
    }
    let (Some(kind), Some(chain)) = (kind, chain) else { return Err(faults.into_error()) };
    if !faults.is_empty() {
        return Err(faults.into_error());
    }
    price(&call.edge, chain, kind, &planned).await
}

fn target(
    query: &BTreeMap<String, String>,
    is_computed: bool,
    faults: &mut Faults,
) -> Option<(CallShape, Address)> {
    let text = |name: &str| query.get(name).map_or("", |text| text.trim());
    let contract = json::address(text("target_contract_address")).filter(|address| !address.is_zero());
    if contract.is_none() {
        faults.add(
            "target_contract_address",
            "ADDRESS",
            "target_contract_address is 0x and 40 hexadecimal digits",
        );
    }
    let name = text("target_function");
    if name.is_empty() {
        faults.add("target_function", "REQUIRED", "target_function is needed: a name or a signature");
        return None;
    }
    let values = arguments(query);
    let arity = match &values {
        Ok(values) if !is_computed => Some(values.len()),
        Ok(_) | Err(_) => None,
    };
    match find_function(text("abi"), name, arity) {
        Ok(function) => {
            let first = values.as_ref().ok().and_then(|v| v.first()).and_then(Value::as_str);
            // The Safe module's entry: the query does not say whether the job acts through a Safe.
            let is_given = function.name() == SAFE_FUNCTION && !is_computed;
            let safe = is_given.then(|| first.and_then(json::address)).flatten();
            let owner = json::address(text("job_owner_address")).unwrap_or(Address::ZERO);
            Some((CallShape { function, safe, owner }, contract?))
        }
        Err(e) => {
            faults.add("target_function", "ABI", e.to_string());
            None
        }
    }
}

fn arguments(query: &BTreeMap<String, String>) -> Result<Vec<Value>, String> {
    match query.get("args").map(|text| text.trim()) {
        None | Some("" | "null") => Ok(Vec::new()),
        Some(text) => serde_json::from_str(text).map_err(|e| format!("args is a JSON array: {e}")),
    }
}

fn fixed(
    query: &BTreeMap<String, String>,
    shape: &CallShape,
    contract: Address,
    faults: &mut Faults,
) -> Option<(Address, Bytes)> {
    let encoded = arguments(query).and_then(|v| converted(shape, v).map_err(|e| e.to_string()));
    match encoded {
        Ok((calldata, _)) => Some((contract, calldata)),
        Err(message) => {
            faults.add("args", "ARGUMENT", message);
            None
        }
    }
}

async fn scripted(
    edge: &Edge,
    url: &str,
    query: &BTreeMap<String, String>,
    target: Option<&(CallShape, Address)>,
    faults: &mut Faults,
) -> Result<Planned, ApiError> {
    let nothing = Planned { call: None, fuel: 0 };
    let told = query.get("language").map_or("", |text| text.trim());
    let mut source = match script::locate(edge, url, told).await? {
        Ok(source) => source,
        Err((code, message)) => {
            faults.add("ipfs_url", code, message);
            return Ok(nothing);
        }
    };
    let is_known = !told.is_empty()
        || source.module.language == Language::Wasm
        || edge.ports.modules.by_cid(&source.module.source).await?.len() == 1;
    let languages =
        if is_known { vec![source.module.language] } else { script::guesses(&source.bytes).to_vec() };
    let mut first_refusal: Option<ScriptRefused> = None;
    for language in languages {
        source.module.language = language;
        let limits = edge.config.policy.limits;
        let ran = match script::tried(edge, source.clone()).await? {
            Ok(runs) => script::dry_run(edge, &runs, limits, Trial::by_hand(Vec::new())).await?,
            Err(refused) => Err(refused),
        };
        let judged = ran.and_then(|ran| {
            let target = target.map(|(shape, contract)| (shape.with_safe_of(&ran.report.end), *contract));
            let shape = target.as_ref().map(|(shape, contract)| (shape, *contract));
            Ok((script::judge(&ran.report, shape)?, ran.report.fuel))
        });
        match judged {
            Ok((Judged { call, .. }, fuel)) => return Ok(Planned { call, fuel }),
            // It ran, so the language was right and its answer is wrong.
            Err(refused) if refused.is_executable => {
                faults.add("ipfs_url", "SCRIPT", refused.message);
                return Ok(nothing);
            }
            Err(refused) => first_refusal = first_refusal.or(Some(refused)),
        }
    }
    let message = first_refusal.map_or_else(String::new, |refused| refused.message);
    faults.add("ipfs_url", "SCRIPT", message);
    Ok(nothing)
}

async fn price(edge: &Edge, chain: &Chain, kind: u8, planned: &Planned) -> Result<Response, ApiError> {
    let table = &edge.config.fees;
    let by_kind = match kind {
        7 => table.script_wei,
        kind if kind % 2 == 0 => table.computed_wei,
        _ => table.fixed_wei,
    };
    let on_chain_fee = match &chain.contracts {
        None => U256::ZERO,
        Some(contracts) => {
            let answer = chain.reader.call(None, contracts.executor, encode_fee(), At::Head).await;
            answer.ok().and_then(|answer| decode_uint(&answer)).unwrap_or_default()
        }
    };
    let off_chain = by_kind.max(on_chain_fee);
    let fuel = table.fuel_million_wei.saturating_mul(U256::from(planned.fuel.div_ceil(1_000_000)));
    let (gas, simulation) = gas_of(edge, chain, planned).await?;
    let price = chain.writer.gas_price().await?;
    let per_gas = U256::from(price.base_fee).saturating_add(U256::from(price.priority_fee));
    let overhead = if chain.contracts.is_some() { table.overhead_gas } else { 0 };
    let call_wei = U256::from(gas).saturating_mul(per_gas);
    let share_wei = U256::from(overhead).saturating_mul(per_gas);
    let sum = [off_chain, fuel, call_wei, share_wei].into_iter().fold(U256::ZERO, U256::saturating_add);
    let current = sum.max(U256::from(1));
    let margin = U256::from(table.margin_percent.saturating_add(100));
    let total = current.saturating_mul(margin).div_ceil(U256::from(100));
    Ok(json::ok(&json!({
        "total_fee": json::wei(total),
        "total_fee_wei": total.to_string(),
        "current_total_fee": json::wei(current),
        "current_total_fee_wei": current.to_string(),
        "fee_cap_wei": edge.config.policy.fee_cap.to_string(),
        "breakdown": {
            "off_chain_wei": off_chain.to_string(),
            "fuel_wei": fuel.to_string(),
            "call_wei": call_wei.to_string(),
            "aggregation_wei": share_wei.to_string(),
            "gas": gas,
            "gas_price_wei": per_gas.to_string(),
            "simulation": simulation,
        },
    })))
}

/// Gas of the call as simulated now. A call that reverts now may run through when it is due: it is priced by the
/// fallback, and the answer says so.
async fn gas_of(edge: &Edge, chain: &Chain, planned: &Planned) -> Result<(u64, String), ApiError> {
    let fallback = edge.config.fees.fallback_gas;
    let Some((target, calldata)) = &planned.call else {
        return Ok((fallback, "the script calls nothing now".to_owned()));
    };
    let from = chain.contracts.as_ref().map_or(Address::ZERO, |contracts| contracts.executor);
    match chain.writer.estimate(from, *target, U256::ZERO, calldata.clone()).await {
        Ok(gas) => Ok((gas, "ok".to_owned())),
        Err(ChainError::Reverted { reason, .. }) => Ok((fallback, format!("the call reverts now: {reason}"))),
        Err(e) if e.is_retryable() => Err(e.into()),
        Err(e) => Ok((fallback, e.to_string())),
    }
}
