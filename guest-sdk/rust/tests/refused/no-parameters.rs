// a script takes the run's context and nothing else: `(context: Context)`
use argus_script::{Arguments, Context, Result, arguments, script};

#[script]
fn price() -> Result<Arguments> {
    Ok(arguments![1])
}
