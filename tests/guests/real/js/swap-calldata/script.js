// Chooses the call: a swap whose least output follows the price, encoded with ethers.
const { ethers } = require("ethers");
const fetch = require("node-fetch");

const ROUTER = "0x7a250d5630B4cF539739dF2C5dAcb4c659F2488D";
const router = new ethers.Interface([
  "function swapExactTokensForTokens(uint256 amountIn, uint256 amountOutMin, address[] path, address to, uint256 deadline) returns (uint256[] amounts)",
]);

async function main() {
  const response = await fetch("https://dex.example/quote?pair=USDC-WETH");
  const quote = await response.json();
  const amountIn = ethers.parseUnits("2500", 6);
  const expected = (amountIn * 10n ** 30n) / ethers.parseUnits(quote.price, 18);
  const slippageBps = 50n;
  const calldata = router.encodeFunctionData("swapExactTokensForTokens", [
    amountIn,
    (expected * (10_000n - slippageBps)) / 10_000n,
    ["0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48", "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"],
    "0x8ba1f109551bD432803012645Ac136ddd64DBA72",
    Math.floor(Date.now() / 1000) + 600,
  ]);
  console.log(
    JSON.stringify({
      shouldExecute: Number(quote.price) < 2600,
      targetContract: ROUTER,
      calldata,
      storageUpdates: { lastPrice: quote.price },
      metadata: { timestamp: Math.floor(Date.now() / 1000), reason: `price ${quote.price}, at least ${ethers.formatEther(expected)} WETH` },
    }),
  );
}

main();
