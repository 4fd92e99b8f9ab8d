// a script has no type parameters and no lifetimes
use argus_script::{Arguments, Context, Result, arguments, script};

#[script]
fn price<T>(_: Context) -> Result<Arguments> {
    Ok(arguments![1])
}
