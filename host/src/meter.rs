//! Budgets that belong to a store: memory, tables, and the fuel that host work costs.

use argus_domain::limits::Limits;
use wasmtime::{AsContextMut, ResourceLimiter, Trap};

use crate::error::Stop;

/// Fuel of one call that is not counted as a host call (log, clock, random, timers, WASI), so that nothing
/// host-side is free.
pub(crate) const CALL_FUEL: u64 = 1_000;
/// Fuel of a try to grow memory or a table past its limit.
const FAILED_GROWTH_FUEL: u64 = 1_000;

/// What wasmtime says of a growth that it asks no limiter about.
const BEYOND_ITS_TYPE: &str = "memory growth exceeds memory type's limits";

/// Counts what wasmtime asks leave for.
#[derive(Debug)]
pub(crate) struct Meter {
    memory_max: u64,
    tables_max: u64,
    fuel_max: u64,
    memory: u64,
    memory_peak: u64,
    /// Whether the memory limit ever refused a growth: then a guest that says it is out of memory is.
    memory_refused: bool,
    /// Whether any growth was ever refused, that of a table too.
    refused: bool,
    table_elements: u64,
    /// Fuel that growth tries cost; wasmtime gives no way to charge it at once.
    owed: u64,
}

impl Meter {
    pub fn new(limits: &Limits) -> Self {
        Self {
            memory_max: limits.memory_bytes,
            tables_max: limits.table_elements,
            fuel_max: limits.fuel_max,
            memory: 0,
            memory_peak: 0,
            memory_refused: false,
            refused: false,
            table_elements: 0,
            owed: 0,
        }
    }

    /// Largest linear memory so far, bytes.
    pub fn memory_peak(&self) -> u64 {
        self.memory_peak
    }

    /// Whether the memory limit refused a growth.
    pub fn is_memory_refused(&self) -> bool {
        self.memory_refused
    }

    /// Whether any limit refused a growth.
    pub fn is_refused(&self) -> bool {
        self.refused
    }

    /// A try to grow past a limit: it costs fuel, and with all of the run's fuel owed it ends the run.
    fn failed_growth(&mut self) -> wasmtime::Result<bool> {
        self.refused = true;
        self.owed = self.owed.saturating_add(FAILED_GROWTH_FUEL);
        if self.owed > self.fuel_max { Err(Trap::OutOfFuel.into()) } else { Ok(false) }
    }

    /// Fuel still to be charged for growth tries; zero afterwards.
    pub fn take_owed(&mut self) -> u64 {
        std::mem::take(&mut self.owed)
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return self.failed_growth();
        }
        let (current, desired) = (current as u64, desired as u64);
        let total = self.memory.saturating_sub(current).saturating_add(desired);
        if total > self.memory_max {
            self.memory_refused = true;
            return self.failed_growth();
        }
        self.memory = total;
        self.memory_peak = self.memory_peak.max(total);
        Ok(true)
    }

    /// What the limits allowed and did not come about, and what no memory can be as large as. The guest may see the
    /// latter; the former is this machine's own affair, which no result may rest on.
    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        if error.to_string() == BEYOND_ITS_TYPE {
            Ok(())
        } else {
            Err(Stop::Machine(format!("{error:#}")).into())
        }
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return self.failed_growth();
        }
        let total = self.table_elements.saturating_sub(current as u64).saturating_add(desired as u64);
        if total > self.tables_max {
            return self.failed_growth();
        }
        self.table_elements = total;
        Ok(true)
    }
}

/// A store's data that holds a [`Meter`].
pub(crate) trait Metered {
    fn meter(&mut self) -> &mut Meter;
}

/// Takes `amount` fuel before the work it pays for is done.
///
/// # Errors
/// [`Trap::OutOfFuel`], as an instruction would have given.
pub(crate) fn charge<T: Metered + 'static>(
    mut store: impl AsContextMut<Data = T>,
    amount: u64,
) -> wasmtime::Result<()> {
    let mut store = store.as_context_mut();
    let amount = amount.saturating_add(store.data_mut().meter().take_owed());
    let left = store.get_fuel()?;
    match left.checked_sub(amount) {
        Some(rest) => store.set_fuel(rest),
        None => {
            store.set_fuel(0)?;
            Err(Trap::OutOfFuel.into())
        }
    }
}
