// A registry that answers with tuples, and reverts with an error of its own.
import { ethers, isCallException } from "ethers";

type Info = { token: string; weight: bigint; symbol: string };

const ABI = [
  "function tokens(uint256 index) view returns (address token, tuple(uint256 weight, string symbol) info)",
  "function threshold() view returns (uint256)",
  "error NotReady(uint256 at)",
];

export default async function (): Promise<unknown[]> {
  const registry = new ethers.Contract("0x1111111111111111111111111111111111111111", ABI, new ethers.JsonRpcProvider("https://eth.example"));
  const { token, info } = await registry.tokens(3);
  const found: Info = { token, ...info.toObject() };
  let readyAt = 0n;
  try {
    await registry.threshold();
  } catch (error) {
    if (!isCallException(error) || error.revert?.name !== "NotReady") throw error;
    readyAt = error.revert.args.at === Array.prototype.at ? error.revert.args[0] : 0n;
  }
  return [found.token, found.weight, found.symbol, readyAt];
}
