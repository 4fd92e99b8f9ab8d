// Reacts to the event that fired the job: large transfers only.
const { Interface, formatUnits } = require("ethers");

const erc20 = new Interface(["event Transfer(address indexed from, address indexed to, uint256 value)"]);

module.exports = {
  async resolve({ trigger }) {
    if (trigger.kind !== "event") throw new Error(`made for events, not for ${trigger.kind}`);
    const { args } = erc20.parseLog(trigger.log);
    console.error(`${args.from} -> ${args.to}: ${formatUnits(args.value, 6)} USDC`);
    if (args.value < 1_000_000n * 10n ** 6n) argus.skip("a small transfer");
    return [args.from, args.to, args.value];
  },
};
