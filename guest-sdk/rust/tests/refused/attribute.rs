// `#[script]` takes nothing
use argus_script::{Arguments, Context, Result, arguments, script};

#[script(main)]
fn price(_: Context) -> Result<Arguments> {
    Ok(arguments![1])
}
