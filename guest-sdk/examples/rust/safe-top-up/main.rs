//! A Safe pays an operator's account up to one ether once it falls below a half. The job's function is the module's
//! `execJobFromHub(address safe, address to, uint256 value, bytes data, uint8 operation)`.

use argus_script::{Address, Arguments, Context, Result, U256, Value, arguments, evm, script, skip};

const CHAIN: u64 = 11_155_111;
const LEAST: u64 = 500_000_000_000_000_000;
const FULL: u64 = 1_000_000_000_000_000_000;
const CALL: u8 = 0;

#[script]
fn top_up(context: Context) -> Result<Arguments> {
    let given = |i: usize| context.arguments.get(i).and_then(Value::as_str).unwrap_or_default();
    let (safe, account): (Address, Address) = (given(0).parse()?, given(1).parse()?);
    let held = evm::balance(CHAIN, account)?;
    if held >= U256::from(LEAST) {
        return Err(skip(format!("{account} has {held} wei: enough")));
    }
    let missing = U256::from(FULL).checked_sub(held).unwrap_or_default();
    Ok(arguments![safe, account, missing, "0x", CALL])
}
