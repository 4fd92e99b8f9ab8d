//! Reports an owner once it holds 1,000 units of a token with six decimals, read at the block pinned for the run.

use argus_script::{Address, Arguments, Context, Result, U256, Value, abi, arguments, evm, script, skip};

const CHAIN: u64 = 1;
const TOKEN: Address = Address([0xa0; 20]);
const LEAST: u64 = 1_000_000_000;

#[script]
fn threshold(context: Context) -> Result<Arguments> {
    let owner: Address = context.arguments.first().and_then(Value::as_str).unwrap_or_default().parse()?;
    let held = evm::read(CHAIN, TOKEN, "balanceOf(address)(uint256)", &[owner.into()])?;
    let held = held.first().map_or(Ok(U256::ZERO), abi::Token::uint)?;
    if held < U256::from(LEAST) {
        return Err(skip(format!("{owner} holds {held}, less than {LEAST}")));
    }
    Ok(arguments![owner, held])
}
