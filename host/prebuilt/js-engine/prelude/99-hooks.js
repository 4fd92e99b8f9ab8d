// Globals, and the functions that the engine's C code calls.
const hidden = (target, name, value) => Object.defineProperty(target, name, { value, writable: true, configurable: true, enumerable: false });
hidden(Number.prototype, "toLocaleString", function toLocaleString(locale, options) { return localeNumber(Number(this), locale, options); });
hidden(BigInt.prototype, "toLocaleString", function toLocaleString(locale, options) { return localeNumber(BigInt(this), locale, options); });
hidden(Date.prototype, "toLocaleString", function toLocaleString(locale, options) { return localeDate(this, locale, options, true, true); });
hidden(Date.prototype, "toLocaleDateString", function toLocaleDateString(locale, options) { return localeDate(this, locale, options, true, false); });
hidden(Date.prototype, "toLocaleTimeString", function toLocaleTimeString(locale, options) { return localeDate(this, locale, options, false, true); });
hidden(Math, "random", () => N.random());
hidden(setTimeout, PROMISIFIED, later);
hidden(setImmediate, PROMISIFIED, soon);

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
function entry(exports, names) {
  if (typeof exports !== "object" || exports === null) return undefined;
  for (const name of names) if (isFunction(exports[name])) return exports[name];
}

// The one script's own, made here so that a run finds it made.
const module = { exports: {}, id: ".", filename: "/script.js", loaded: false, children: [], paths: [], require: (name) => require(name) };
Object.assign(module.require, { main: module, resolve: (name) => name, cache: {} });

const unhandled = new Map();

// The engine makes its built-in functions when they are first read: all of them here, so that a run finds them made.
const made = new Set(), toMake = [globalThis];
while (toMake.length) {
  const o = toMake.pop();
  if (made.has(o) || (!isFunction(o) && (typeof o !== "object" || o === null))) continue;
  made.add(o);
  for (const { value, get, set } of Object.values(Object.getOwnPropertyDescriptors(o))) toMake.push(value, get, set);
  toMake.push(Object.getPrototypeOf(o));
}
made.clear();

return {
  describe,
  require,
  rejection(promise, reason, handled) { if (handled) unhandled.delete(promise); else unhandled.set(promise, reason); },
  // One turn of the event loop; false when nothing is left to wait for.
  step() {
    if (fatal) throw fatal.e;
    if (unhandled.size) {
      const all = [...unhandled];
      unhandled.clear();
      for (const [promise, reason] of all)
        if (!emit("unhandledRejection", reason, promise) && !emit("uncaughtException", reason, "unhandledRejection")) throw reason;
      return true;
    }
    if (N.deliver()) return true;
    if (timers.length && timers.some((t) => !t.background)) {
      try { fireTimer(); } catch (e) { uncaught(e); }
      if (fatal) throw fatal.e;
      return true;
    }
    return false;
  },
  runCommonJs(wrapper) {
    wrapper.call(module.exports, module.exports, module.require, module, "/script.js", "/");
    return module;
  },
  // What the exported function gives, in an array; null where there is none, or the script has already printed: the end.
  callExported(exports) {
    if (exitCode) exit();
    const f = printed ? undefined : isFunction(exports) ? exports : entry(exports, ["default", "resolve", "main"]) ?? entry(exports?.default, ["resolve", "main"]);
    if (!f) { atExit(); return null; }
    const value = f(theContext());
    return [isFunction(value?.then) ? Promise.resolve(value) : value];
  },
  // The result as JSON; null where it stands in what was printed. What becomes JSON may still run the author's code.
  result(v) {
    const text = printed || exitCode ? null : toJson(v);
    atExit();
    if (exitCode) exit();
    return printed ? null : text;
  },
};
