//! The rules of this repository, as functions that can be tested themselves.
