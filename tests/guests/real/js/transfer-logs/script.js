// Pays a rebate for what a customer sent to the shop in the last hundred blocks.
const { ethers } = require("ethers");

const TOKEN = "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48";
const SHOP = "0x00000000219ab540356cBB839Cbe05303d7705Fa";
const abi = ["event Transfer(address indexed from, address indexed to, uint256 value)"];

async function main() {
  const provider = new ethers.JsonRpcProvider("https://eth.example", 1);
  const token = new ethers.Contract(TOKEN, abi, provider);
  const [customer] = argus.context.arguments;
  const paid = await token.queryFilter(token.filters.Transfer(customer, SHOP), -100);
  for (const { blockNumber, args } of paid) console.error(`block ${blockNumber}: ${ethers.formatUnits(args.value, 6)}`);
  const sum = paid.reduce((sum, { args }) => sum + args.value, 0n);
  console.log(JSON.stringify([customer, String(sum / 100n), paid.map((log) => log.eventName)]));
}
main();
