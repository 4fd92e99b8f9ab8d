// A component of the world in wit/, in JavaScript: guest-sdk/check.sh makes it with componentize-qjs.
import { fetch } from "argus:script/http@1.1.0";
import { log } from "argus:script/log@1.1.0";
import { nowMs } from "argus:script/env@1.1.0";

export function resolve(context) {
  if (context.arguments[0] === '"skip"') throw { tag: "skip", val: "not today" };
  log("info", `due ${context.due}`);
  const reply = fetch({ method: "get", url: "https://a.example/price", headers: [], redirect: "follow" });
  const price = JSON.parse(String.fromCharCode(...reply.body));
  return [JSON.stringify(price.usd), String(nowMs())];
}
