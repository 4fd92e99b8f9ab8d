//! A feed on chain that has stood still is a failure, not a price.

use argus_script::{Arguments, Context, Error, Result, U256, arguments, env, evm, script};

const FEED: &str = "0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419";
const LATEST_ROUND: &str = "latestRoundData()(uint80,uint256,uint256,uint256,uint80)";
const HOUR_S: u64 = 3600;

#[script]
fn price(_: Context) -> Result<Arguments> {
    let round = evm::read(1, FEED.parse()?, LATEST_ROUND, &[])?;
    let [_, answer, _, updated, _] = &round[..] else {
        return Err(Error::Failed("the feed gave no round".to_owned()));
    };
    let updated = updated.uint()?;
    let oldest = U256::from(env::now_ms() / 1000 - HOUR_S);
    if updated < oldest {
        return Err(Error::Failed(format!("the feed stands still since {updated}")));
    }
    Ok(arguments![answer.uint()?])
}
