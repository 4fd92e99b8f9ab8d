//! What one run of a script may use. One struct, one function for the effective value.

use serde::{Deserialize, Serialize};

use crate::module::Shape;

const KB: u64 = 1024;
const MB: u64 = 1024 * KB;

/// Budgets of a run. Sizes are bytes (KB and MB are 1024-based), times are milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Fuel: wasmtime's unit, one per simple instruction by the frozen cost table.
    pub fuel_max: u64,
    /// Linear memory.
    pub memory_bytes: u64,
    /// Wall time, waits for host calls included.
    pub wall_ms: u64,
    /// What the script may give back.
    pub output_bytes: u64,
    /// Log; what goes past it is cut with a mark and the run goes on.
    pub log_bytes: u64,
    /// Host calls that count: http (each hop and each refused try), evm, storage, secret.
    pub host_calls: u32,
    /// HTTP calls, each redirect hop one.
    pub http_calls: u32,
    /// One HTTP response body, decoded.
    pub http_body_bytes: u64,
    /// All HTTP waits together.
    pub http_wall_ms: u64,
    /// EVM reads.
    pub evm_calls: u32,
    /// Depth of JSON, the outermost value being 1.
    pub json_depth: u32,
    /// Elements of all tables together.
    pub table_elements: u64,
    /// Bytes of a module that is a WASI preview 1 command; other shapes have [`MODULE_BYTES_MAX`].
    #[serde(default = "command_bytes")]
    pub command_bytes: u64,
}

/// What was written before there was the limit.
fn command_bytes() -> u64 {
    Limits::DEFAULT.command_bytes
}

impl Limits {
    /// What a job has that says nothing.
    pub const DEFAULT: Self = Self {
        fuel_max: 200_000_000,
        memory_bytes: 64 * MB,
        wall_ms: 15_000,
        output_bytes: 128 * KB,
        log_bytes: 64 * KB,
        host_calls: 32,
        http_calls: 5,
        http_body_bytes: MB,
        http_wall_ms: 10_000,
        evm_calls: 20,
        json_depth: 64,
        table_elements: 10_000,
        command_bytes: 16 * MB,
    };

    /// What no job may exceed, whatever it asks for.
    pub const CEILING: Self = Self {
        fuel_max: 10_000_000_000,
        memory_bytes: 256 * MB,
        wall_ms: 60_000,
        command_bytes: 64 * MB,
        ..Self::DEFAULT
    };

    /// The limits of a run: the smaller of what the job asks and what the protocol allows, value by value. It is
    /// the same everywhere because it depends on nothing else; an operator's own limits only decline assignments.
    pub fn effective(job: &Self) -> Self {
        let p = &Self::CEILING;
        Self {
            fuel_max: job.fuel_max.min(p.fuel_max),
            memory_bytes: job.memory_bytes.min(p.memory_bytes),
            wall_ms: job.wall_ms.min(p.wall_ms),
            output_bytes: job.output_bytes.min(p.output_bytes),
            log_bytes: job.log_bytes.min(p.log_bytes),
            host_calls: job.host_calls.min(p.host_calls),
            http_calls: job.http_calls.min(p.http_calls),
            http_body_bytes: job.http_body_bytes.min(p.http_body_bytes),
            http_wall_ms: job.http_wall_ms.min(p.http_wall_ms),
            evm_calls: job.evm_calls.min(p.evm_calls),
            json_depth: job.json_depth.min(p.json_depth),
            table_elements: job.table_elements.min(p.table_elements),
            command_bytes: job.command_bytes.min(p.command_bytes),
        }
    }

    /// Largest module of a shape.
    pub fn module_bytes(&self, shape: Shape) -> u64 {
        match shape {
            Shape::Command => self.command_bytes,
            Shape::Script | Shape::Reactor | Shape::Component => MODULE_BYTES_MAX,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Largest script source.
pub const SOURCE_BYTES_MAX: u64 = MB;
/// Largest module that is no WASI command, `.wat` text included.
pub const MODULE_BYTES_MAX: u64 = 4 * MB;
/// Largest WASI preview 1 command that any job may have, and so the most that is ever fetched or read.
pub const WASI_COMMAND_BYTES_MAX: u64 = Limits::CEILING.command_bytes;
/// Deepest nesting of blocks, loops and conditions in a function: what the compiler takes grows with its square. Go
/// programs have 600.
pub const NESTING_MAX: u32 = 10_000;
/// Largest body of a function. The largest of the JavaScript engine has 50 KB.
pub const FUNCTION_BYTES_MAX: u64 = 512 * KB;
/// Longest native compilation of one module, milliseconds.
pub const COMPILE_MS_MAX: u64 = 20_000;
/// Most memory of it, beside what the compiler itself occupies.
pub const COMPILE_MEMORY_BYTES_MAX: u64 = 1024 * MB;
/// Largest storage of a job: keys and values together.
pub const STORAGE_BYTES_MAX: u64 = MB;
/// Longest key of a job's storage.
pub const STORAGE_KEY_BYTES_MAX: usize = 256;
/// Longest error text that is kept from a script.
pub const ERROR_TEXT_BYTES_MAX: usize = 4 * KB as usize;

#[cfg(test)]
mod tests {
    use super::*;

    /// Every value the same.
    fn all(n: u32) -> Limits {
        let long = u64::from(n);
        Limits {
            fuel_max: long,
            memory_bytes: long,
            wall_ms: long,
            output_bytes: long,
            log_bytes: long,
            host_calls: n,
            http_calls: n,
            http_body_bytes: long,
            http_wall_ms: long,
            evm_calls: n,
            json_depth: n,
            table_elements: long,
            command_bytes: long,
        }
    }

    #[test]
    fn the_smaller_of_job_and_protocol_counts_value_by_value() {
        let boundless = Limits { fuel_max: u64::MAX, memory_bytes: u64::MAX, ..all(u32::MAX) };
        assert_eq!(Limits::effective(&boundless), Limits::CEILING);
        assert_eq!(Limits::effective(&all(1)), all(1));
        assert_eq!(Limits::effective(&Limits::DEFAULT), Limits::DEFAULT);
    }
}
