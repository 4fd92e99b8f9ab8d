// An exchange that wants each request signed with a key.
import { Json, fail, get, hmac, start, units } from "../../../../../guest-sdk/as/argus";

export { abi_alloc } from "../../../../../guest-sdk/as/argus";
export function run(ptr: usize, len: u32): u64 {
  return start(ptr, len, script);
}

function script(context: Json): string {
  const query = "symbol=ETHUSD";
  const url = "https://api.exchange.example/v1/price?" + query + "&signature=" + hmac("SIGNING_KEY", query);
  const reply = get(url);
  if (!reply.ok) return fail(reply.status ? "status " + reply.status.toString() : reply.error);
  return '["' + units(reply.json.get("price").text, 2).toString() + '"]';
}
