//! Scripts for Argus keepers in Rust.
//!
//! A script is a function from the [`Context`] of a run to the arguments of a call, or to the call itself:
//!
//! ```
//! use argus_script::{Context, Result, U256, arguments, http, script, Arguments};
//!
//! #[script]
//! fn price(_: Context) -> Result<Arguments> {
//!     let quote = http::get("https://api.example.com/eth").send()?.json()?;
//!     Ok(arguments![U256::parse_units(&quote["usd"].to_string(), 8)?])
//! }
//! # fn main() {}
//! ```
//!
//! Built for `wasm32-unknown-unknown` as a `cdylib` it is what keepers run. Built natively it is an ordinary
//! function: [`test`] answers its calls from a recording, so that `cargo test` needs neither network nor sandbox.
//! Everything here goes through the host's calls; there is no clock, randomness, file or socket besides.

pub mod abi;
#[cfg(any(target_arch = "wasm32", test))]
mod by_size;
pub mod env;
pub mod evm;
#[doc(hidden)]
pub mod guest;
#[cfg(target_arch = "wasm32")]
mod heap;
pub mod http;
pub mod storage;
#[cfg(not(target_arch = "wasm32"))]
pub mod test;
mod types;

pub use argus_script_macro::script;
pub use serde_json::{Value, json};
pub use types::{
    Address, Arguments, Call, Context, Error, HostError, Result, Trigger, U256, from_hex, to_hex,
};

/// Says "not now": the task ends without a call and without a fault.
///
/// ```
/// # use argus_script::{Result, skip};
/// # fn enough() -> Result<()> {
/// return Err(skip("the balance is high enough"));
/// # }
/// ```
pub fn skip(reason: impl Into<String>) -> Error {
    Error::Skip(reason.into())
}

/// The arguments of the call, each anything that becomes JSON: integers, strings, booleans, [`U256`], [`Address`],
/// vectors of them.
#[macro_export]
macro_rules! arguments {
    ($($value:expr),* $(,)?) => {
        $crate::Arguments(vec![$($crate::Value::from($value)),*])
    };
}
