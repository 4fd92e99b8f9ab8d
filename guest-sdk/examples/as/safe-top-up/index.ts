// A Safe pays an operator's account up to one ether once it falls below a half. The job's function is the module's
// execJobFromHub(address safe, address to, uint256 value, bytes data, uint8 operation).
import { Json, evmBalance, fail, quote, skip, start, units } from "../../../as/argus";

export { abi_alloc } from "../../../as/argus";
export function run(ptr: usize, len: u32): u64 {
  return start(ptr, len, script);
}

const CHAIN: u64 = 11155111;
const LEAST: u64 = 500_000_000_000_000_000;
const FULL: u64 = 1_000_000_000_000_000_000;

function script(context: Json): string {
  const given = context.get("arguments");
  const safe = given.at(0).text;
  const account = given.at(1).text;
  const balance = evmBalance(CHAIN, account);
  if (balance.length == 0) return fail("the balance cannot be read");
  // Balances past 18 ether do not fit into 64 bits, and are enough.
  if (balance.length > 19) return skip(account + " has enough");
  const held = units(balance, 0);
  if (held >= LEAST) return skip(account + " has enough");
  return "[" + quote(safe) + "," + quote(account) + ',"' + (FULL - held).toString() + '","0x",0]';
}
