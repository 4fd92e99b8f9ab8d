//! A node's gas price over JSON-RPC, hexadecimal to decimal.

use argus_script::{Arguments, Context, Result, U256, arguments, http, json, script};

const NODE: &str = "https://rpc.example/";

#[script]
fn gas_price(_: Context) -> Result<Arguments> {
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_gasPrice", "params": [] });
    let reply = http::post_json(NODE, &request).send()?.json()?;
    Ok(arguments![reply["result"].as_str().unwrap_or_default().parse::<U256>()?])
}
