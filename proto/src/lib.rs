//! The protobuf form of domain values: what services send each other and what stores keep.
//!
//! This crate owns the `.proto` files under `argus/v1`, the types generated from them and the conversions between
//! these and the domain. It decides nothing and stores nothing. Reading never panics: whatever the bytes, the answer
//! is a value or a [`Malformed`] that names the field.

mod access;
mod act;
mod attempt;
mod call;
mod decision;
mod difference;
mod fact;
mod field;
mod job;
mod keeper;
mod module;
mod state;
mod task;
mod trigger;

use std::sync::Arc;

use prost::Message;

pub use field::Malformed;

/// The generated messages.
#[allow(
    missing_docs,
    clippy::large_enum_variant,
    reason = "generated: what a message is for stands in argus/v1/*.proto, and its variants are as large as they say"
)]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/argus.v1.rs"));
}

/// A domain value that has a protobuf form.
pub trait Wire: Sized {
    /// Its form.
    type Message: Message + Default;

    /// The form of this value. Lossless.
    fn to_wire(&self) -> Self::Message;

    /// The value of a form.
    ///
    /// # Errors
    /// [`Malformed`] with the first field that is missing or holds what it may not.
    fn from_wire(message: Self::Message) -> Result<Self, Malformed>;
}

/// A shared value has the form of the value.
impl<T: Wire> Wire for Arc<T> {
    type Message = T::Message;

    fn to_wire(&self) -> Self::Message {
        (**self).to_wire()
    }

    fn from_wire(message: Self::Message) -> Result<Self, Malformed> {
        T::from_wire(message).map(Self::new)
    }
}

/// The bytes of a value.
pub fn encode<T: Wire>(value: &T) -> Vec<u8> {
    value.to_wire().encode_to_vec()
}

/// The value of bytes.
///
/// # Errors
/// [`Malformed`] where they are no protobuf, or a field is missing or holds what it may not.
pub fn decode<T: Wire>(bytes: &[u8]) -> Result<T, Malformed> {
    let message = T::Message::decode(bytes).map_err(|e| Malformed::new("", format!("no protobuf: {e}")))?;
    T::from_wire(message)
}
