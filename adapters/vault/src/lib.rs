//! Cryptography of secrets: how they are stored, and how they come to a keeper.
//!
//! Owns keys and ciphers, and nothing else: it reads no file, keeps no value and decides nothing about who may have
//! one. What is encrypted is bound to what it is for, so that it opens nowhere else.

mod kek;
mod post;

pub use kek::{BadKeys, KeyVault};
pub use post::OwnLetterbox;
