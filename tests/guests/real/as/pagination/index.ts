// A sum over the pages of a list, until one names no next.
import { Json, fail, get, start, units } from "../../../../../guest-sdk/as/argus";

export { abi_alloc } from "../../../../../guest-sdk/as/argus";
export function run(ptr: usize, len: u32): u64 {
  return start(ptr, len, script);
}

const ITEMS = "https://api.pages.example/items";

function script(context: Json): string {
  let sum: u64 = 0;
  let next = "1";
  while (next != "null" && next != "") {
    const reply = get(ITEMS + "?page=" + next);
    if (!reply.ok) return fail("page " + next + " is not to be had");
    const items = reply.json.get("items");
    for (let i = 0; i < items.length; i++) sum += units(items.at(i).get("amount").text, 0);
    next = reply.json.get("next").text;
  }
  return '["' + sum.toString() + '"]';
}
