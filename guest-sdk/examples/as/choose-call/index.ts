// For a job of kind 7: moves to the pool with the best rate, if it is worth a transaction.
import { Json, fail, get, quote, start, units, word } from "../../../as/argus";

export { abi_alloc } from "../../../as/argus";
export function run(ptr: usize, len: u32): u64 {
  return start(ptr, len, script);
}

const RATES = "https://api.rates.example/best";
const REBALANCE = "0xf4993018"; // rebalance(uint256)
const LEAST_BPS: u64 = 500;

function script(context: Json): string {
  const reply = get(RATES);
  if (!reply.ok) return fail("the rates are not to be had");
  const best = reply.json;
  const rate = units(best.get("apy_bps").text, 0);
  if (rate < LEAST_BPS) return '{"shouldExecute":false,"metadata":{"reason":"the best rate is too low"}}';
  const calldata = REBALANCE + word("0x" + rate.toString(16));
  return '{"shouldExecute":true,"targetContract":' + quote(best.get("pool").text) + ',"calldata":"' + calldata + '"}';
}
