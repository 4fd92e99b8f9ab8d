// An API that wants its key in the query.
import { Json, fail, get, secret, start, units } from "../../../../../guest-sdk/as/argus";

export { abi_alloc } from "../../../../../guest-sdk/as/argus";
export function run(ptr: usize, len: u32): u64 {
  return start(ptr, len, script);
}

function script(context: Json): string {
  const reply = get("https://legacy.prices.example/latest?access_key=" + secret("ACCESS_KEY"));
  if (!reply.ok) return fail(reply.status ? "status " + reply.status.toString() : reply.error);
  return '["' + units(reply.json.get("usd").text, 6).toString() + '"]';
}
