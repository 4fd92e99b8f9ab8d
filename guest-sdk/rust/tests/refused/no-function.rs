// `#[script]` stands before the function that is the script
use argus_script::{Arguments, Context, Result, arguments, script};

#[script]
struct Price;
