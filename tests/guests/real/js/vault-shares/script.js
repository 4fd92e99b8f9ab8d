// The value of a vault's share, read with ethers at the block that the job pins.
const { Contract, JsonRpcProvider, formatUnits } = require("ethers");

const VAULT = "0x83F20F44975D03b1b09e64809B757c47f942BEeA";
const ABI = [
  "function convertToAssets(uint256 shares) view returns (uint256)",
  "function decimals() view returns (uint8)",
];

module.exports = async () => {
  const vault = new Contract(VAULT, ABI, new JsonRpcProvider(process.env.RPC_URL, 1));
  const decimals = await vault.decimals();
  const assets = await vault.convertToAssets(10n ** BigInt(decimals));
  console.error(`a share is worth ${formatUnits(assets, decimals)}`);
  return [VAULT, assets.toString()];
};
