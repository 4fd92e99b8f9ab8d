// Globals, and the functions that the engine's C code calls.
const hidden = (target, name, value) => Object.defineProperty(target, name, { value, writable: true, configurable: true, enumerable: false });
hidden(Number.prototype, "toLocaleString", function toLocaleString(locale, options) { return localeNumber(Number(this), locale, options); });
hidden(BigInt.prototype, "toLocaleString", function toLocaleString(locale, options) { return localeNumber(BigInt(this), locale, options); });
hidden(Date.prototype, "toLocaleString", function toLocaleString(locale, options) { return localeDate(this, locale, options, true, true); });
hidden(Date.prototype, "toLocaleDateString", function toLocaleDateString(locale, options) { return localeDate(this, locale, options, true, false); });
hidden(Date.prototype, "toLocaleTimeString", function toLocaleTimeString(locale, options) { return localeDate(this, locale, options, false, true); });
hidden(Math, "random", () => N.random());

for (const [name, value] of Object.entries({
  console, process, setTimeout, setInterval, setImmediate, clearTimeout, clearInterval: clearTimeout, clearImmediate: clearTimeout, queueMicrotask,
  performance, Event, EventTarget, AbortController, AbortSignal, TextEncoder, TextDecoder, Buffer, URL, URLSearchParams, Headers, Request, Response,
  fetch, crypto, structuredClone, argus, require, global: globalThis, self: globalThis,
})) hidden(globalThis, name, value);

const BIG = "@@bigint:";
function toJson(v) {
  const s = JSON.stringify(v, (_, x) => (typeof x === "bigint" ? BIG + x : x));
  // JSON writes NaN and the infinities as null, which is no call either.
  if (s === undefined || s === "null") throw new TypeError(`the exported function returned ${inspect(v)}, which is ${v === null ? "no result" : "not a JSON value"}`);
  return s.replace(/"@@bigint:(-?\d+)"/g, "$1");
}

const isFunction = (f) => typeof f === "function";
const unhandled = new Map();
const NOTHING = Symbol("nothing to call");

return {
  describe,
  require,
  begin(input) {
    const envelope = JSON.parse(input);
    context = envelope.context;
    contextText = JSON.stringify(envelope.context);
    environment = envelope.env ?? {};
    startedAt = N.now();
  },
  rejection(promise, reason, handled) { if (handled) unhandled.delete(promise); else unhandled.set(promise, reason); },
  // One turn of the event loop; false when nothing is left to wait for.
  step() {
    if (unhandled.size) {
      const [[promise, reason]] = unhandled;
      unhandled.clear();
      const handler = handlers.get("unhandledRejection") ?? handlers.get("uncaughtException");
      if (!handler) throw reason;
      handler(reason, promise);
      return true;
    }
    if (pending.length) { deliverOldest(); return true; }
    if (timers.some((t) => !t.background)) { fireTimer(); return true; }
    return false;
  },
  runCommonJs(wrapper) {
    const module = { exports: {}, id: ".", filename: "/script.js", loaded: false, children: [], paths: [] };
    const own = (name) => require(name);
    own.main = module;
    own.resolve = (name) => name;
    own.cache = {};
    wrapper.call(module.exports, module.exports, own, module, "/script.js", "/");
    return module;
  },
  // NOTHING where there is nothing to call or the script has already printed.
  callExported(exports) {
    if (printed || process.exitCode) return NOTHING;
    const names = isFunction(exports) ? [] : ["default", "resolve", "main"];
    let f = isFunction(exports) ? exports : exports && names.map((n) => exports[n]).find(isFunction);
    if (!f && exports?.default && typeof exports.default === "object") f = ["resolve", "main"].map((n) => exports.default[n]).find(isFunction);
    return f ? f(context) : NOTHING;
  },
  // The result as JSON; null where it stands in what was printed.
  result(v) {
    if (process.exitCode) N.exit(Number(process.exitCode) & 255);
    return printed || v === NOTHING ? null : toJson(v);
  },
};
