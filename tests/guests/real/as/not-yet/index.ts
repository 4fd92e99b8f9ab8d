// Pays a claim out once it has been accepted for a day.
import { Json, fail, get, now, skip, start, units } from "../../../../../guest-sdk/as/argus";

export { abi_alloc } from "../../../../../guest-sdk/as/argus";
export function run(ptr: usize, len: u32): u64 {
  return start(ptr, len, script);
}

const CLAIM = "https://claims.example/claims/7";
const DAY_S: i64 = 86400;

function script(context: Json): string {
  const reply = get(CLAIM);
  if (!reply.ok) return fail("the claim cannot be read");
  const accepted = I64.parseInt(reply.json.get("accepted").text);
  if (now() / 1000 < accepted + DAY_S) return skip("the day is not over");
  return '["' + units(reply.json.get("amount").text, 6).toString() + '"]';
}
