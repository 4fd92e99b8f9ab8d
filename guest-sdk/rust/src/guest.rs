//! The calling convention of core modules: JSON both ways, every reply placed by our own allocator.

#[cfg(target_arch = "wasm32")]
pub use wasm::{alloc, run, run_blind};

use serde_json::Value;

use crate::{Arguments, Call, Context, HostError};

/// What a script gives.
#[diagnostic::on_unimplemented(
    message = "a script gives `Result<Arguments>` or `Result<Call>`, not `Result<{Self}>`",
    label = "gives `Result<{Self}>`"
)]
pub trait Answer: Into<Value> {}

impl Answer for Arguments {}
impl Answer for Call {}

/// Compiles where a function is a script.
pub const fn check<A: Answer>(_: fn(Context) -> crate::Result<A>) {}

macro_rules! host_calls {
    ($($name:ident),* $(,)?) => {
        #[cfg(target_arch = "wasm32")]
        mod import {
            #[link(wasm_import_module = "host")]
            unsafe extern "C" {
                $(pub fn $name(ptr: u32, len: u32) -> u64;)*
            }
        }

        $(
            #[cfg(target_arch = "wasm32")]
            #[doc(hidden)]
            pub fn $name(request: Value) -> Result<Value, HostError> {
                wasm::ask(import::$name, &request)
            }

            #[cfg(not(target_arch = "wasm32"))]
            #[doc(hidden)]
            pub fn $name(request: Value) -> Result<Value, HostError> {
                crate::test::answer(stringify!($name), &request)
            }
        )*
    };
}

host_calls! {
    http_fetch, evm_call, evm_block_number, evm_balance, evm_logs, log, env_now, env_random, env_secret, env_hmac,
    storage_get, storage_set, storage_delete,
}

#[cfg(target_arch = "wasm32")]
mod wasm {
    use std::alloc::Layout;

    use serde_json::{Value, json};

    use crate::{Context, Error, HostError, Result};

    /// Room for `len` bytes that [`take`] gives back, or that the host reads after the run.
    pub fn alloc(len: u32) -> u32 {
        let Ok(layout) = Layout::array::<u8>(len.max(1) as usize) else { return 0 };
        // SAFETY: the layout has a size above zero.
        unsafe { std::alloc::alloc(layout) as u32 }
    }

    /// The bytes that the host placed through [`alloc`].
    fn take(ptr: u32, len: u32) -> Vec<u8> {
        // SAFETY: the host filled exactly `len` bytes that `alloc(len)` gave, and gives them away once. A vector of
        // capacity zero is never freed, so that the one byte of an empty reply is lost and nothing else.
        unsafe { Vec::from_raw_parts(ptr as *mut u8, len as usize, len as usize) }
    }

    fn unpack(packed: u64) -> Vec<u8> {
        take((packed >> 32) as u32, packed as u32)
    }

    pub fn ask(
        import: unsafe extern "C" fn(u32, u32) -> u64,
        request: &Value,
    ) -> std::result::Result<Value, HostError> {
        let request = request.to_string();
        // SAFETY: the host reads the request's bytes during the call and no others.
        let reply = unsafe { import(request.as_ptr() as u32, request.len() as u32) };
        crate::types::reply(&unpack(reply))
    }

    /// Runs a script on the context that lies there.
    pub fn run<A: Into<Value>>(ptr: u32, len: u32, script: impl FnOnce(Context) -> Result<A>) -> u64 {
        let context = take(ptr, len);
        answered(|| {
            let context = serde_json::from_slice(&context);
            script(context.map_err(|error| Error::Failed(format!("the context cannot be read: {error}")))?)
        })
    }

    /// Runs a script that does not look at its context: reading it is a good part of what a small script costs.
    pub fn run_blind<A: Into<Value>>(ptr: u32, len: u32, script: impl FnOnce(Context) -> Result<A>) -> u64 {
        drop(take(ptr, len));
        answered(|| script(Context::nothing()))
    }

    fn answered<A: Into<Value>>(script: impl FnOnce() -> Result<A>) -> u64 {
        std::panic::set_hook(Box::new(|panic| crate::env::log(&panic.to_string())));
        let answer = match script() {
            Ok(answer) => answer.into(),
            Err(Error::Skip(reason)) => json!({ "skip": reason }),
            Err(Error::Failed(reason)) => json!({ "error": reason }),
        };
        let text = answer.to_string().into_bytes().leak();
        (text.as_ptr() as u64) << 32 | text.len() as u64
    }
}
