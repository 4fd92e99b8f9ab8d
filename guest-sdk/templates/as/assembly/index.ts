// The middle price of two sources, in USD with 8 decimals. If one does not answer, the other counts alone; if they
// are more than 2 % apart, nothing is reported.
import { Json, Response, fail, get, log, now, skip, start, units } from "./argus";

export { abi_alloc } from "./argus";
export function run(ptr: usize, len: u32): u64 {
  return start(ptr, len, script);
}

const COINBASE = "https://api.coinbase.com/v2/prices/ETH-USD/spot";
const KRAKEN = "https://api.kraken.com/0/public/Ticker?pair=ETHUSD";
const DECIMALS = 8;
const APART_MAX_PERCENT: u64 = 2;

function script(context: Json): string {
  const due = now() / 1000;
  const a = price(get(COINBASE), (reply) => reply.get("data").get("amount"));
  const b = price(get(KRAKEN), (reply) => reply.get("result").get("XETHZUSD").get("c").at(0));
  if (a == 0 && b == 0) return fail("no source answered");

  const low = a == 0 ? b : b == 0 ? a : min(a, b);
  const high = max(a, b);
  if ((high - low) * 100 > low * APART_MAX_PERCENT) {
    return skip("the sources are too far apart: " + low.toString() + " and " + high.toString());
  }
  return '["' + ((low + high) / 2).toString() + '",' + due.toString() + "]";
}

// 0 where there is none: no price is that.
function price(reply: Response, where: (reply: Json) => Json): u64 {
  if (!reply.ok) {
    log("no price: " + (reply.error.length ? reply.error : "status " + reply.status.toString()));
    return 0;
  }
  return units(where(reply.json).text, DECIMALS);
}
