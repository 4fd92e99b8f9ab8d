// A rate from a service that fails at times: three tries, then it is a failure.
import { Json, fail, get, log, start, units } from "../../../../../guest-sdk/as/argus";

export { abi_alloc } from "../../../../../guest-sdk/as/argus";
export function run(ptr: usize, len: u32): u64 {
  return start(ptr, len, script);
}

const RATE = "https://api.flaky.example/rate";
const TRIES = 3;

function script(context: Json): string {
  for (let i = 0; i < TRIES; i++) {
    const reply = get(RATE);
    if (reply.ok) return '["' + units(reply.json.get("rate").text, 6).toString() + '"]';
    log(reply.status ? "status " + reply.status.toString() : reply.error);
  }
  return fail("the service failed " + TRIES.toString() + " times");
}
