//! The `argus` command.

fn main() {}
