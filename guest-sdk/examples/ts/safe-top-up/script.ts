// A Safe pays an operator's account up to one ether once it falls below a half. The job's function is the module's
// execJobFromHub(address safe, address to, uint256 value, bytes data, uint8 operation).
const CHAIN = 11155111;
const LEAST = 5n * 10n ** 17n;
const FULL = 10n ** 18n;
const CALL = 0;

export default async function main(context: Argus.Context): Promise<Argus.Arguments> {
  const [safe, account] = context.arguments.map(String);
  const held = await argus.evm.balance(CHAIN, account);
  if (held >= LEAST) argus.skip(`${account} has ${held} wei: enough`);
  return [safe, account, (FULL - held).toString(), "0x", CALL];
}
