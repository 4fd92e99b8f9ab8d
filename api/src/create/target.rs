//! The function that a job calls, and whether arguments fit it.

use argus_domain::{
    Address, Bytes, Value,
    abi::{AbiError, Function, encode_call},
    answer::SAFE_FUNCTION,
    ids::ChainId,
    job::Target,
    run::RunEnd,
};

use crate::{
    Edge,
    create::{Faults, Fields},
};

/// What arguments are encoded for.
#[derive(Debug, Clone)]
pub struct CallShape {
    /// The function.
    pub function: Function,
    /// The Safe that must come first, if the job acts through one.
    pub safe: Option<Address>,
    /// Who is appended to a Safe's call that is one argument short.
    pub owner: Address,
}

impl CallShape {
    /// Whether the function is the one by which jobs act through a Safe.
    pub fn is_safe_call(&self) -> bool {
        self.function.name() == SAFE_FUNCTION
    }

    /// The arguments with the owner appended where a Safe's call lacks just that one.
    pub fn completed(&self, mut values: Vec<Value>) -> Vec<Value> {
        if self.safe.is_some() && self.is_safe_call() && values.len() + 1 == self.function.inputs().len() {
            values.push(Value::String(self.owner.to_string()));
        }
        values
    }

    /// The same for the Safe that a script named first, where nobody said which Safe the job acts through.
    #[must_use]
    pub fn with_safe_of(&self, end: &RunEnd) -> Self {
        let mut shape = self.clone();
        if let (SAFE_FUNCTION, RunEnd::Value(Value::Array(values))) = (self.function.name(), end) {
            shape.safe = values.first().and_then(Value::as_str).and_then(crate::json::address);
        }
        shape
    }

    /// Whether the first argument is the job's Safe; a job without one has nothing to match.
    pub fn is_safe_match(&self, values: &[Value]) -> bool {
        let Some(safe) = self.safe else { return true };
        values.first().and_then(Value::as_str).and_then(crate::json::address) == Some(safe)
    }
}

/// A function by name or signature in an ABI; `-` and an empty name find nothing.
pub fn find_function(abi: &str, name: &str, arity: Option<usize>) -> Result<Function, AbiError> {
    let abi = if abi.trim().is_empty() { "[]" } else { abi };
    Function::find(abi, name, arity)
}

/// Encodes; the calldata and the arguments as encoded.
pub fn converted(shape: &CallShape, values: Vec<Value>) -> Result<(Bytes, Vec<Value>), AbiError> {
    encode_call(&shape.function, &shape.completed(values))
}

/// The target of a job whose call is one function of one contract.
pub fn parse(
    edge: &Edge,
    fields: &Fields<'_>,
    chain: Option<ChainId>,
    arity: Option<usize>,
    faults: &mut Faults,
) -> Option<(Target, Function)> {
    let contract = fields.address("target_contract_address", faults);
    let name = fields.text("target_function", faults);
    let abi = match fields.get("abi") {
        Some(value @ (Value::Array(_) | Value::Object(_))) => value.to_string(),
        _ => fields.text("abi", faults),
    };
    if let (Some(chain), Some(contract)) = (chain, contract) {
        check_contract(edge, fields, chain, contract, faults);
    }
    if name.is_empty() {
        faults.add(
            fields.path("target_function"),
            "REQUIRED",
            "target_function is needed: a name or a signature",
        );
        return None;
    }
    let function = match find_function(&abi, &name, arity) {
        Ok(function) => function,
        Err(e) => {
            let field = if matches!(e, AbiError::BadAbi(_)) { "abi" } else { "target_function" };
            faults.add(fields.path(field), "ABI", e.to_string());
            return None;
        }
    };
    let target =
        Target { chain: chain?, contract: contract?, signature: function.signature(), function: name, abi };
    Some((target, function))
}

/// The platform's own contracts are nobody's target.
fn check_contract(edge: &Edge, fields: &Fields<'_>, chain: ChainId, contract: Address, faults: &mut Faults) {
    let path = fields.path("target_contract_address");
    if contract.is_zero() {
        faults.add(path, "ADDRESS", "the zero address is no contract");
        return;
    }
    let Some(own) = edge.ports.chains.get(&chain).and_then(|chain| chain.contracts.as_ref()) else { return };
    if [own.executor, own.keeper_registry, own.job_registry, own.gas_registry].contains(&contract) {
        faults.add(path, "OWN_CONTRACT", "the platform's own contracts cannot be called by jobs");
    }
}

/// What the owner of a job should know whose target has no code: a call there does nothing, and runs through.
pub async fn without_code(edge: &Edge, fields: &Fields<'_>, target: &Target) -> Option<String> {
    let chain = edge.ports.chains.get(&target.chain)?;
    let code = chain.reader.code(target.contract).await.ok()?;
    code.is_empty().then(|| {
        let path = fields.path("target_contract_address");
        format!("{path} has no code on chain {}: a call there does nothing, and is paid for", target.chain)
    })
}

/// Faults of an argument list, each at its own place.
pub fn add_argument_faults(fields: &Fields<'_>, error: &AbiError, faults: &mut Faults) {
    match error {
        AbiError::Arguments { faults: found } => {
            for fault in found {
                faults.add(fields.path(&fault.path), "ARGUMENT", fault.reason.clone());
            }
        }
        AbiError::BadAbi(_)
        | AbiError::BadSignature { .. }
        | AbiError::Absent(_)
        | AbiError::Ambiguous { .. } => faults.add(fields.path("arguments"), "ARGUMENT", error.to_string()),
    }
}
