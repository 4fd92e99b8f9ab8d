// A Chainlink feed read through ethers, checked for age before it is used.
import { Contract, JsonRpcProvider } from "ethers";

const ABI = [
  "function decimals() view returns (uint8)",
  "function latestRoundData() view returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound)",
] as const;

async function main(): Promise<void> {
  const provider = new JsonRpcProvider("https://eth.example/rpc", 1);
  const feed = new Contract("0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419", ABI, provider);
  const [round, decimals] = await Promise.all([feed.latestRoundData(), feed.decimals()]);
  const age: number = Math.floor(Date.now() / 1000) - Number(round.updatedAt);
  console.error(`round ${round.roundId}, ${age} s old, block ${await provider.getBlockNumber()}`);
  if (age > 3600) throw new Error("the feed is stale");
  const cents: bigint = (round.answer as bigint) / 10n ** ((decimals as bigint) - 2n);
  console.log(JSON.stringify([cents.toString()]));
}

void main();
