//! Holds nothing: the scripts are the examples of this crate.
