//! What a job may say of how keepers agree, of late runs and of its budgets; all of it is optional.

use argus_domain::{
    U256,
    decimal::Decimal,
    ids::ChainId,
    job::{Agreement, Misfire, Mode, Policy},
    limits::Limits,
    secret::{Grants, SECRETS_MAX, SecretName},
};
use serde_json::Value;

use crate::{
    Edge,
    create::{Faults, Fields},
};

/// Largest quorum.
pub const KEEPERS_MAX: u64 = 15;
/// Gas that a call may ask for: from that of a plain transfer to half of a block of thirty million.
pub const GAS_LIMIT: (u64, u64) = (21_000, 15_000_000);
/// Most hosts that a script may reach.
pub const HOSTS_MAX: usize = 64;

/// A job's policy: what it says, else the defaults; where it is known already, by what it was before.
pub fn parse(
    edge: &Edge,
    fields: &Fields<'_>,
    target: Option<ChainId>,
    keep: Option<&Policy>,
    faults: &mut Faults,
) -> Policy {
    let defaults = &edge.config.policy;
    let has_executor =
        target.and_then(|id| edge.ports.chains.get(&id)).is_some_and(|c| c.contracts.is_some());
    let mode = mode(fields, has_executor, (defaults.keepers, defaults.threshold), faults);
    let gas_limit = fields.whole("gas_limit", GAS_LIMIT, faults).unwrap_or(defaults.gas_limit);
    let usual = keep.filter(|keep| keep.gas_limit == gas_limit && keep.mode == mode);
    let usual = usual.map_or_else(|| usual_cap(edge, gas_limit, mode), |keep| keep.fee_cap);
    Policy {
        mode,
        agreement: agreement(fields, defaults.tolerance, faults),
        misfire: misfire(fields, faults),
        fee_cap: fee_cap(fields, keep, (usual, defaults.fee_cap_max), faults),
        gas_limit,
    }
}

fn mode(fields: &Fields<'_>, has_executor: bool, default: (u8, u8), faults: &mut Faults) -> Mode {
    let keepers = fields.whole("keepers", (1, KEEPERS_MAX), faults);
    let threshold = fields.whole("threshold", (1, KEEPERS_MAX), faults);
    if !has_executor {
        if keepers.is_some_and(|n| n > 1) || threshold.is_some_and(|n| n > 1) {
            let message = "a quorum needs the executor contract, which this chain does not have";
            faults.add(fields.path("keepers"), "QUORUM", message);
        }
        return Mode::Solo;
    }
    let keepers = keepers.map_or(default.0, |n| n.try_into().unwrap_or(default.0));
    let half = keepers / 2 + 1;
    let usual = if keepers == default.0 { default.1 } else { half };
    let threshold = threshold.map_or(usual, |n| n.try_into().unwrap_or(usual));
    if threshold > keepers || threshold < half {
        let message = format!("of {keepers} keepers, {half} to {keepers} must agree");
        faults.add(fields.path("threshold"), "QUORUM", message);
    }
    Mode::Quorum { keepers, threshold }
}

fn agreement(fields: &Fields<'_>, default: &str, faults: &mut Faults) -> Agreement {
    let tolerance = fields.decimal("tolerance", faults);
    let one: Decimal = "1".parse().unwrap_or_else(|_| Decimal::zero());
    if tolerance.as_ref().is_some_and(|t| *t < Decimal::zero() || *t > one) {
        faults.add(fields.path("tolerance"), "RANGE", "tolerance is a fraction from 0 to 1");
    }
    let tolerance = tolerance.unwrap_or_else(|| default.parse().unwrap_or_else(|_| Decimal::zero()));
    match fields.text("agreement", faults).replace('_', "-").to_ascii_lowercase().as_str() {
        "" | "median" => Agreement::Median { tolerance },
        "exact" => Agreement::Exact,
        "trust-performer" => Agreement::TrustPerformer,
        _ => {
            let message = "agreement is median, exact or trust-performer";
            faults.add(fields.path("agreement"), "AGREEMENT", message);
            Agreement::Exact
        }
    }
}

fn misfire(fields: &Fields<'_>, faults: &mut Faults) -> Misfire {
    match fields.text("misfire", faults).replace('-', "_").to_ascii_lowercase().as_str() {
        "" | "run_once" | "once" => Misfire::RunOnce,
        "skip" => Misfire::Skip,
        "catch_up" => Misfire::CatchUp,
        _ => {
            faults.add(fields.path("misfire"), "MISFIRE", "misfire is run_once, skip or catch_up");
            Misfire::RunOnce
        }
    }
}

/// The cap of a job that says nothing of it: what its call may use at most at the highest price, within the operator's
/// limit.
pub fn usual_cap(edge: &Edge, gas_limit: u64, mode: Mode) -> U256 {
    edge.config.tariff.cap(gas_limit, mode).min(edge.config.policy.fee_cap_max)
}

/// What a job says, within the operator's limit, else the usual. What was taken before is taken again.
fn fee_cap(
    fields: &Fields<'_>,
    keep: Option<&Policy>,
    (usual, max): (U256, U256),
    faults: &mut Faults,
) -> U256 {
    let text = fields.text_of(["fee_cap", "fee_cap_wei"], faults);
    if text.is_empty() {
        return usual;
    }
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let found = digits.then(|| U256::from_str_radix(&text, 10).ok()).flatten();
    let found =
        found.filter(|wei| !wei.is_zero() && (*wei <= max || keep.is_some_and(|keep| keep.fee_cap == *wei)));
    found.unwrap_or_else(|| {
        let name = if fields.get("fee_cap").is_some() { "fee_cap" } else { "fee_cap_wei" };
        faults.add(fields.path(name), "RANGE", format!("{name} is a whole number of wei from 1 to {max}"));
        usual
    })
}

/// Names of the limits that a job may set.
pub const LIMITS: [&str; 4] = ["fuel_max", "memory_bytes", "wall_ms", "command_bytes"];

/// A job's budgets: each as it says, else as it was before, else the default; what no job may exceed is refused.
pub fn limits(edge: &Edge, fields: &Fields<'_>, before: Option<Limits>, faults: &mut Faults) -> Limits {
    let mut limits = before.unwrap_or(edge.config.policy.limits);
    let Some(map) = fields.object("limits", faults) else { return limits };
    let prefix = fields.path("limits");
    let own = Fields::new(map, &prefix);
    let ceiling = Limits::CEILING;
    let values = [
        (ceiling.fuel_max, &mut limits.fuel_max),
        (ceiling.memory_bytes, &mut limits.memory_bytes),
        (ceiling.wall_ms, &mut limits.wall_ms),
        (ceiling.command_bytes, &mut limits.command_bytes),
    ];
    for (name, (max, value)) in LIMITS.into_iter().zip(values) {
        *value = own.whole(name, (1, max), faults).unwrap_or(*value);
    }
    limits
}

/// Names of the secrets that a job's script may use. They are sent only to hosts that the job itself lists.
pub fn secrets(
    edge: &Edge,
    fields: &Fields<'_>,
    (has_script, has_hosts): (bool, bool),
    faults: &mut Faults,
) -> Grants {
    let given = fields.array("secrets", SECRETS_MAX, faults);
    let mut names = Grants::new();
    for (index, value) in given.iter().enumerate() {
        let path = fields.path(&format!("secrets[{index}]"));
        match value.as_str().map(str::parse::<SecretName>) {
            Some(Ok(name)) => drop(names.insert(name)),
            Some(Err(e)) => faults.add(path, "SECRET_NAME", e.to_string()),
            None => faults.add(
                path,
                "SECRET_NAME",
                "a secret is named by a text; its value is set apart from the job",
            ),
        }
    }
    if given.is_empty() {
        return names;
    }
    let path = fields.path("secrets");
    if edge.ports.secrets.is_none() {
        faults.add(path, "NO_SECRETS_KEY", crate::secrets::NO_KEY);
    } else if !has_script {
        faults.add(path, "SECRETS", "only a script can use secrets: this job has none");
    } else if !has_hosts {
        let message = "a job with secrets lists the hosts that may get them in allow_hosts";
        faults.add(fields.path("allow_hosts"), "REQUIRED", message);
    }
    names
}

/// Hosts that a job's script may reach. A private or loopback address is taken only where the operator lists it.
pub fn allow_hosts(edge: &Edge, fields: &Fields<'_>, faults: &mut Faults) -> Vec<String> {
    let given = fields.array("allow_hosts", HOSTS_MAX, faults);
    let mut hosts = Vec::with_capacity(given.len());
    for (index, value) in given.iter().enumerate() {
        let path = fields.path(&format!("allow_hosts[{index}]"));
        match value {
            Value::String(host) if !host.is_empty() && !host.contains(['/', '@', ' ']) => {
                let reach =
                    argus_ports::Reach { allow: Vec::new(), operator: edge.config.operator_reach.clone() };
                match edge.ports.egress.check(&format!("http://{host}/"), &reach) {
                    Ok(()) => hosts.push(host.to_ascii_lowercase()),
                    Err(e) => faults.add(path, "FORBIDDEN_HOST", e.to_string()),
                }
            }
            _ => faults.add(path, "HOST", "a host is name, name:port, address or address:port"),
        }
    }
    hosts
}
