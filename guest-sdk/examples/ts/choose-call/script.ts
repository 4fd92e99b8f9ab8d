// For a job of kind 7: moves to the pool with the best rate, if it is worth a transaction.
const RATES = "https://api.rates.example/best";
const LEAST_BPS = 500;

export default async function main(): Promise<Argus.Decision> {
  const best: { pool: string; apy_bps: number } = await (await fetch(RATES)).json();
  if (best.apy_bps < LEAST_BPS) {
    return { shouldExecute: false, metadata: { reason: `the best rate is ${best.apy_bps} basis points` } };
  }
  const selector = argus.keccak256("rebalance(uint256)").slice(0, 10);
  const word = best.apy_bps.toString(16).padStart(64, "0");
  return { shouldExecute: true, targetContract: best.pool, calldata: selector + word };
}
