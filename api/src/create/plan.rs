//! What one run of a job would come to, were it due now.

use argus_domain::{Address, Bytes, Value, run::RunReport};

use crate::script::{Judged, Wants};

/// What one run would come to.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Target and calldata; `None`: nothing would be called, or it is not known what.
    pub call: Option<(Address, Bytes)>,
    /// The arguments as encoded, where they are those of a function.
    pub arguments: Option<Vec<Value>>,
    /// Why the script says "not now".
    pub skip: Option<String>,
    /// Why it is not known what would be called, where the script alone does not say.
    pub unknown: Option<String>,
    /// Whether the call acts through a Safe.
    pub is_safe_call: bool,
    /// Fuel that the script used.
    pub fuel: u64,
    /// What the script logged.
    pub log: String,
}

impl Plan {
    /// What a script's run came to.
    pub fn of_script(judged: Judged, report: &RunReport, wants: Wants<'_>) -> Self {
        Self {
            call: judged.call,
            arguments: judged.arguments,
            skip: judged.skip,
            unknown: None,
            is_safe_call: matches!(wants, Wants::Arguments(shape, _) if shape.is_safe_call()),
            fuel: report.fuel,
            log: report.log.clone(),
        }
    }
}
