// Kind 7: tops a treasury up when its balance is low; the amount is what is missing.
import { ethers } from "ethers";

interface Decision {
  shouldExecute: boolean;
  targetContract: string;
  calldata: string;
  storageUpdates: Record<string, string>;
  metadata: { timestamp: number; reason: string; gasEstimate?: number };
}

const TREASURY = "0x00000000219ab540356cBB839Cbe05303d7705Fa";
const LOW = ethers.parseEther("1");
const TARGET = ethers.parseEther("5");

async function decide(): Promise<Decision> {
  const provider = new ethers.JsonRpcProvider(process.env.RPC_URL ?? "http://localhost:8545");
  const balance = await provider.getBalance(TREASURY);
  const missing = balance < LOW ? TARGET - balance : 0n;
  const calldata = new ethers.Interface(["function topUp(address to, uint256 amount)"]).encodeFunctionData("topUp", [TREASURY, missing]);
  return {
    shouldExecute: missing > 0n,
    targetContract: "0x8ba1f109551bD432803012645Ac136ddd64DBA72",
    calldata,
    storageUpdates: {},
    metadata: { timestamp: Date.now(), reason: `balance ${ethers.formatEther(balance)}`, gasEstimate: 60_000 },
  };
}

decide().then((d) => console.log(JSON.stringify(d, null, 2)));
