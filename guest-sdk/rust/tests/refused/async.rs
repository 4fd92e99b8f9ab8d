// a script is no `async fn`: its host calls wait by themselves
use argus_script::{Arguments, Context, Result, arguments, script};

#[script]
async fn price(_: Context) -> Result<Arguments> {
    Ok(arguments![1])
}
