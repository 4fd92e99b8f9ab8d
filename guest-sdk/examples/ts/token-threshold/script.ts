// Reports an owner once it holds 1,000 units of a token with six decimals, read at the block pinned for the run.
const CHAIN = 1;
const TOKEN = "0xa0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0";
const LEAST = 1_000_000_000n;

export default async function main(context: Argus.Context): Promise<Argus.Arguments> {
  const owner = String(context.arguments[0]);
  const selector = argus.keccak256("balanceOf(address)").slice(0, 10);
  const held = BigInt(await argus.evm.call({ chainId: CHAIN, to: TOKEN, data: selector + owner.slice(2).padStart(64, "0") }));
  if (held < LEAST) argus.skip(`${owner} holds ${held}, less than ${LEAST}`);
  return [owner, held];
}
