//! What Argus counts: one table, and the figures that are registered by its rows.
//!
//! A figure is registered by a row of [`table`] and cannot be otherwise, so that its name, its labels and their values,
//! and its help are in one place; docs/metrics.md is that table as text. Which rows a process registers follows from its
//! roles. This crate measures nothing itself, reads no clock and opens no socket.

mod figures;
mod metric;
mod read;
pub mod table;

pub use figures::{Counter, Counters, Figures, Gauge, Gauges, TEXT, Times, Unregistered};
pub use metric::{Kind, Label, Metric, Role, Unit, Values};
pub use read::{Sample, Value};
