//! What one task would cost, and whether the job could work at all: the only question that clients ask before they
//! move money, so that everything that creation would refuse is refused here.

use std::collections::BTreeMap;

use argus_domain::{
    Address, Bytes, U256, Value,
    ids::ChainId,
    job::Policy,
    module::Language,
    run::RunEnd,
    tariff::{Measured, Quote, Work},
};
use argus_ports::ChainError;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    Edge,
    call::Call,
    create::{CallShape, Faults, Fields, Plan, converted, find_function, parse_policy},
    errors::ApiError,
    json,
    ports::Chain,
    prices::{self, Known},
    reply::Reply,
    script::{self, ScriptRefused, Trial, Wants},
    shape::formats::{Wei, WeiNumber},
};

/// What one task would cost.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Quote")]
pub struct ShownQuote {
    total_fee: WeiNumber,
    total_fee_wei: Wei,
    /// At the price of gas that is known now.
    current_total_fee: WeiNumber,
    current_total_fee_wei: Wei,
    /// Most that a task of a job that says the same is charged: the executor holds to it.
    fee_cap_wei: Wei,
    breakdown: Breakdown,
}

/// What a quote is made of.
#[derive(Serialize, JsonSchema)]
struct Breakdown {
    off_chain_wei: Wei,
    fuel_wei: Wei,
    call_wei: Wei,
    aggregation_wei: Wei,
    /// Of the call as simulated; where nobody can tell, what it may use.
    gas: u64,
    gas_price_wei: Wei,
    /// How the call went when it was simulated.
    simulation: String,
}

/// `GET /api/fees`
pub async fn quote(call: Call) -> Result<Reply<ShownQuote>, ApiError> {
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
    for name in ["keepers", "threshold", "gas_limit", "fee_cap", "fee_cap_wei"] {
        if query.get(name).is_some_and(String::is_empty) {
            faults.add(name, "RANGE", format!("{name} is a whole number"));
        }
    }
    let fields = query.iter().map(|(name, text)| (name.clone(), Value::String(text.clone()))).collect();
    let policy = parse_policy(&call.edge, &Fields::new(&fields, ""), id, None, &mut faults);
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
    let mut plan = Plan::default();
    if is_computed && (kind == Some(7) || target.is_some()) {
        for url in urls {
            let waits = matches!(kind, Some(4 | 6));
            let one = scripted(&call.edge, url, &query, (target.as_ref(), waits), &mut faults).await?;
            plan.fuel = plan.fuel.saturating_add(one.fuel);
            plan.call = plan.call.or(one.call);
            plan.is_safe_call |= one.is_safe_call;
            plan.unknown = plan.unknown.or(one.unknown);
        }
    } else if let Some((shape, contract)) = &target {
        plan.call = fixed(&query, shape, *contract, &mut faults);
        plan.is_safe_call = shape.is_safe_call();
    }
    let (Some(kind), Some(chain)) = (kind, chain) else { return Err(faults.into_error()) };
    if !faults.is_empty() {
        return Err(faults.into_error());
    }
    let Price { quote, gas_price, simulation } =
        price(&call.edge, chain, (kind.into(), &policy), &plan).await?;
    Ok(Reply::of(ShownQuote {
        total_fee: WeiNumber(quote.total),
        total_fee_wei: Wei(quote.total),
        current_total_fee: WeiNumber(quote.current),
        current_total_fee_wei: Wei(quote.current),
        fee_cap_wei: Wei(policy.fee_cap),
        breakdown: Breakdown {
            off_chain_wei: Wei(quote.off_chain),
            fuel_wei: Wei(quote.fuel),
            call_wei: Wei(quote.call),
            aggregation_wei: Wei(quote.aggregation),
            gas: quote.gas,
            gas_price_wei: Wei(gas_price),
            simulation: simulation.text(),
        },
    }))
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
            let owner = json::address(text("job_owner_address")).unwrap_or(Address::ZERO);
            let mut shape = CallShape { function, safe: None, owner };
            // The Safe module's entry: the query does not say whether the job acts through a Safe.
            if shape.is_safe_call() && !is_computed {
                shape.safe = first.and_then(json::address);
            }
            Some((shape, contract?))
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
    (target, waits): (Option<&(CallShape, Address)>, bool),
    faults: &mut Faults,
) -> Result<Plan, ApiError> {
    let told = query.get("language").map_or("", |text| text.trim());
    let mut source = match script::locate(edge, url, told, false).await? {
        Ok(source) => source,
        Err((code, message)) => {
            faults.add("ipfs_url", code, message);
            return Ok(Plan::default());
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
            // A query names no event and no source: creation tries the script with what its trigger would tell it.
            if let (true, RunEnd::Failed(failure)) = (waits, &ran.report.end) {
                let why = format!("the script, tried without its trigger, failed: {}", failure.message);
                return Ok(Plan { unknown: Some(why), fuel: ran.report.fuel, ..Plan::default() });
            }
            let target = target.map(|(shape, contract)| (shape.with_safe_of(&ran.report.end), *contract));
            let wants = target.as_ref().map_or(Wants::Choice, |(shape, to)| Wants::Arguments(shape, *to));
            Ok(Plan::of_script(script::judge(&ran.report, wants)?, &ran.report, wants))
        });
        match judged {
            Ok(plan) => return Ok(plan),
            // It ran, so the language was right and its answer is wrong.
            Err(refused) if refused.is_executable => {
                faults.add("ipfs_url", "SCRIPT", refused.message);
                return Ok(Plan::default());
            }
            Err(refused) => first_refusal = first_refusal.or(Some(refused)),
        }
    }
    let message = first_refusal.map_or_else(String::new, |refused| refused.message);
    faults.add("ipfs_url", "SCRIPT", message);
    Ok(Plan::default())
}

/// What one task would cost now.
pub struct Price {
    /// By the tariff.
    pub quote: Quote,
    /// Price of a unit of gas, wei.
    pub gas_price: U256,
    /// How the call went when it was simulated.
    pub simulation: Simulation,
}

/// How a call went when it was simulated.
pub enum Simulation {
    /// It ran through.
    Ran,
    /// It reverted, and why.
    Reverted(String),
    /// Nobody can tell, and why.
    Unknown(String),
}

impl Simulation {
    fn text(&self) -> String {
        match self {
            Self::Ran => "ok".to_owned(),
            Self::Reverted(reason) => format!("the call reverts now: {reason}"),
            Self::Unknown(why) => why.clone(),
        }
    }
}

/// Prices one task of a kind.
pub async fn price(
    edge: &Edge,
    chain: &Chain,
    (kind, policy): (u64, &Policy),
    plan: &Plan,
) -> Result<Price, ApiError> {
    let (gas, simulation) = simulated(chain, plan).await?;
    let known = prices::of(edge, chain).await?;
    let quote = quoted(edge, known, (kind, policy), plan, gas.unwrap_or(policy.gas_limit));
    Ok(Price { quote, gas_price: known.gas_price, simulation })
}

fn quoted(edge: &Edge, known: Known, (kind, policy): (u64, &Policy), plan: &Plan, gas: u64) -> Quote {
    let work = match kind {
        7 => Work::Choice,
        kind if kind % 2 == 0 => Work::Computed,
        _ => Work::Fixed,
    };
    let task = Measured {
        work,
        mode: policy.mode,
        fuel: plan.fuel,
        gas,
        calldata: plan.call.as_ref().map_or(0, |(_, calldata)| calldata.len()),
        gas_price: known.gas_price,
        executor_fee: known.executor_fee,
    };
    edge.config.tariff.quote(&task)
}

/// Said of a job whose task costs more now than it lets one cost.
pub fn above_cap(cost: U256, cap: U256) -> Option<String> {
    (cost > cap).then(|| {
        format!("a task costs {cost} wei now, more than its fee_cap of {cap}: it would not be called")
    })
}

/// The same of a job that is stored. A node is asked only where the cap is below what a task costs at most, and one that
/// does not answer keeps nobody from storing a job.
pub async fn low_cap(edge: &Edge, chain: &Chain, of: (u64, &Policy), plan: &Plan) -> Option<String> {
    let (gas_limit, cap) = (of.1.gas_limit, of.1.fee_cap);
    let known = prices::of(edge, chain).await.ok()?;
    let most = quoted(edge, known, of, plan, gas_limit).current;
    if most <= cap {
        return None;
    }
    let tried = match &plan.call {
        Some(_) => price(edge, chain, of, plan).await.ok()?,
        None => {
            return Some(format!(
                "a task whose call uses all of its gas_limit costs {most} wei now, more than its fee_cap of {cap}: it \
                 would not be called"
            ));
        }
    };
    above_cap(tried.quote.current, cap)
}

/// Gas of the call as simulated now. A call that reverts now may run through when it is due: of it nothing is known,
/// and the answer says so.
async fn simulated(chain: &Chain, plan: &Plan) -> Result<(Option<u64>, Simulation), ApiError> {
    let unknown = |why: &str| Ok((None, Simulation::Unknown(why.to_owned())));
    let Some((target, calldata)) = &plan.call else {
        return unknown(plan.unknown.as_deref().unwrap_or("the script calls nothing now"));
    };
    let from = chain.contracts.as_ref().map_or(Address::ZERO, |contracts| contracts.executor);
    match chain.writer.estimate(from, *target, U256::ZERO, calldata.clone()).await {
        Ok(gas) => Ok((Some(gas), Simulation::Ran)),
        Err(ChainError::Reverted { .. }) if plan.is_safe_call => {
            unknown("a Safe's module lets only running jobs through, so that a simulated call tells nothing")
        }
        Err(ChainError::Reverted { reason, .. }) => Ok((None, Simulation::Reverted(reason))),
        Err(e) if e.is_retryable() => Err(e.into()),
        Err(e) => unknown(&e.to_string()),
    }
}
