// The Merkle root of claims, as a distributor contract checks it: sorted pairs of keccak256.
import { ethers } from "ethers";

type Claim = { account: string; amount: string };

const leaf = ({ account, amount }: Claim): string => ethers.solidityPackedKeccak256(["address", "uint256"], [account, BigInt(amount)]);
const pair = (a: string, b: string): string => ethers.keccak256(ethers.concat(a < b ? [a, b] : [b, a]));

function root(leaves: readonly string[]): string {
  let level = [...leaves].sort();
  while (level.length > 1) {
    const next: string[] = [];
    for (let i = 0; i < level.length; i += 2) next.push(i + 1 < level.length ? pair(level[i]!, level[i + 1]!) : level[i]!);
    level = next;
  }
  return level[0] ?? ethers.ZeroHash;
}

const claims = (await (await fetch("https://rewards.example/epoch/7")).json()) satisfies Claim[] as Claim[];
const total = claims.reduce((sum, c) => sum + BigInt(c.amount), 0n);
console.log(JSON.stringify([root(claims.map(leaf)), total.toString(), claims.length]));
