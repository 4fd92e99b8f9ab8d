// What require() and import find. There is no module resolution: a script is
// one file, and everything here is built in.
const isSame = (a, b, strict) => (strict ? Object.is(a, b) : a == b || (a !== a && b !== b));

// Node's comparison. Sets and maps are compared by the keys that they have, where those are no objects, and else by order.
function isDeepEqual(a, b, strict, seen = []) {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return isSame(a, b, strict);
  if (a === b || seen.some(([x, y]) => x === a && y === b)) return true;
  if (strict && Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  const inside = [...seen, [a, b]], equal = (x, y) => isDeepEqual(x, y, strict, inside);
  const both = (type) => a instanceof type || b instanceof type, neither = (type) => !(a instanceof type && b instanceof type);
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  for (const type of [Date, Number, String, Boolean, BigInt]) if (both(type) && (neither(type) || !Object.is(a.valueOf(), b.valueOf()))) return false;
  if (both(RegExp) && (neither(RegExp) || String(a) !== String(b) || a.lastIndex !== b.lastIndex)) return false;
  if (both(Error) && (neither(Error) || a.name !== b.name || a.message !== b.message || !equal(a.cause, b.cause))) return false;
  if (both(URL) && (neither(URL) || a.href !== b.href)) return false;
  if (both(Promise) || both(WeakMap) || both(WeakSet)) return false;
  if (both(ArrayBuffer)) return !neither(ArrayBuffer) && Buffer.compare(bytesOf(a), bytesOf(b)) === 0;
  if (ArrayBuffer.isView(a) || ArrayBuffer.isView(b)) return className(a) === className(b) && Buffer.compare(bytesOf(a), bytesOf(b)) === 0;
  for (const type of [Map, Set]) if (both(type)) {
    if (neither(type) || a.size !== b.size) return false;
    const left = [...b.keys()];
    for (const key of a.keys()) {
      const at = left.findIndex((other) => (typeof key === "object" ? equal(key, other) : Object.is(key, other)));
      if (at < 0 || (type === Map && !equal(a.get(key), b.get(left[at])))) return false;
      left.splice(at, 1);
    }
  }
  const own = (o) => Reflect.ownKeys(o).filter((k) => Object.prototype.propertyIsEnumerable.call(o, k) && (strict || typeof k === "string"));
  const keys = own(a);
  return keys.length === own(b).length && keys.every((k) => Object.prototype.propertyIsEnumerable.call(b, k) && equal(a[k], b[k]))
    && (!Array.isArray(a) || a.length === b.length) && (a[SHOWN] === undefined || !strict || equal(a[SHOWN](), b[SHOWN]()));
}

// By what the engine keeps in a value, whatever its prototype and its tag say: as an example has it.
function kinds(...examples) {
  const known = examples.map(N.kind);
  return (v) => known.includes(N.kind(v));
}
const typedArrays = [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, BigInt64Array, BigUint64Array, Float16Array, Float32Array, Float64Array];
const asyncGenerator = async function* () {}, generator = function* () {};
const types = guarded({
  isDate: kinds(new Date(0)), isRegExp: kinds(/x/), isNativeError: kinds(new Error()), isPromise: kinds(Promise.resolve()), isProxy: kinds(new Proxy({}, {})),
  isMap: kinds(new Map()), isSet: kinds(new Set()), isWeakMap: kinds(new WeakMap()), isWeakSet: kinds(new WeakSet()),
  isMapIterator: kinds(new Map().keys()), isSetIterator: kinds(new Set().keys()),
  isNumberObject: kinds(Object(0)), isStringObject: kinds(Object("")), isBooleanObject: kinds(Object(false)), isBigIntObject: kinds(Object(0n)), isSymbolObject: kinds(Object(Symbol.iterator)),
  isBoxedPrimitive: kinds(Object(0), Object(""), Object(false), Object(0n), Object(Symbol.iterator)),
  isAsyncFunction: kinds(async () => {}, asyncGenerator), isGeneratorFunction: kinds(generator, asyncGenerator), isGeneratorObject: kinds(generator(), asyncGenerator()),
  isArgumentsObject: kinds((function () { return arguments; })(), new Function("return arguments")()),
  isArrayBuffer: kinds(new ArrayBuffer(0)), isSharedArrayBuffer: kinds(new SharedArrayBuffer(0)), isAnyArrayBuffer: kinds(new ArrayBuffer(0), new SharedArrayBuffer(0)),
  isDataView: kinds(new DataView(new ArrayBuffer(0))), isArrayBufferView: (v) => ArrayBuffer.isView(v), isTypedArray: kinds(...typedArrays.map((Type) => new Type())),
  ...Object.fromEntries(typedArrays.map((Type) => [`is${Type.name}`, kinds(new Type())])),
}, "util.types");

// timers/promises, and what util.promisify makes of timers.
const PROMISIFIED = Symbol.for("nodejs.util.promisify.custom");
const later = (ms, value, { signal } = {}) => new Promise((ok, no) => {
  const timer = setTimeout(ok, ms, value);
  const stop = () => { clearTimeout(timer); no(Object.assign(new Error("The operation was aborted", { cause: signal.reason }), { name: "AbortError", code: "ABORT_ERR" })); };
  if (signal?.aborted) stop(); else signal?.addEventListener("abort", stop, { once: true });
});
const soon = (value, options) => later(1, value, options);

const util = {
  inspect: (v, o) => inspect(v, o?.depth === null ? Infinity : o?.depth ?? 2), format: (...a) => format(a),
  promisify: Object.assign((f) => f[PROMISIFIED] ?? ((...a) => new Promise((ok, no) => f(...a, (e, v) => (e ? no(e) : ok(v))))), { custom: PROMISIFIED }),
  isDeepStrictEqual: (a, b) => isDeepEqual(a, b, true), TextEncoder, TextDecoder, types, deprecate: (f) => f, inherits() {},
};
const only = (reason) => () => { throw new Error(reason); };
const fs = {
  readFileSync: (path, options) => {
    if (path !== 0 && path !== "/dev/stdin") throw Object.assign(new Error(`ENOENT: no such file or directory, open '${path}' (a script has no files; only standard input)`), { code: "ENOENT" });
    return options ? N.context() : Buffer.from(N.context());
  },
  writeSync: (fd, s) => { write(fd, s); return Buffer.byteLength(String(s)); },
  writeFileSync: (path, s) => { if (path === 1 || path === "/dev/stdout") write(OUT, s); else if (path === 2 || path === "/dev/stderr") write(ERR, s); else throw Object.assign(new Error(`EROFS: read-only file system, open '${path}' (a script has no files)`), { code: "EROFS" }); },
  existsSync: () => false,
};
function assert(ok, message) { if (!ok) throw isError(message) ? message : Object.assign(new Error(message ?? "Assertion failed"), { name: "AssertionError" }); }
assert.ok = assert;
assert.equal = (a, b, m) => assert(a == b, m ?? `${inspect(a)} == ${inspect(b)}`);
assert.notEqual = (a, b, m) => assert(a != b, m ?? `${inspect(a)} != ${inspect(b)}`);
assert.strictEqual = (a, b, m) => assert(Object.is(a, b), m ?? `${inspect(a)} === ${inspect(b)}`);
assert.notStrictEqual = (a, b, m) => assert(!Object.is(a, b), m ?? `${inspect(a)} !== ${inspect(b)}`);
assert.deepEqual = (a, b, m) => assert(isDeepEqual(a, b, false), m ?? "values differ");
assert.notDeepEqual = (a, b, m) => assert(!isDeepEqual(a, b, false), m ?? "values are equal");
assert.deepStrictEqual = (a, b, m) => assert(isDeepEqual(a, b, true), m ?? "values differ");
assert.notDeepStrictEqual = (a, b, m) => assert(!isDeepEqual(a, b, true), m ?? "values are equal");
assert.match = (s, re, m) => assert(re.test(s), m ?? `${inspect(s)} does not match ${re}`);
assert.doesNotMatch = (s, re, m) => assert(!re.test(s), m ?? `${inspect(s)} matches ${re}`);
assert.fail = (m) => assert(false, m ?? "Failed");
const isExpected = (e, expected) => expected === undefined || typeof expected === "string" || (expected instanceof RegExp ? expected.test(String(e))
  : isFunction(expected) ? (expected.prototype !== undefined && e instanceof expected) || (expected !== Error && !Error.isPrototypeOf(expected) && expected(e) === true)
  : Object.keys(expected).every((k) => (expected[k] instanceof RegExp && typeof e[k] === "string" ? expected[k].test(e[k]) : isDeepEqual(e[k], expected[k], true))));
assert.throws = (f, expected, m) => {
  try { f(); } catch (e) { if (!isExpected(e, expected)) throw e; return; }
  assert.fail(m ?? (typeof expected === "string" ? expected : "Missing expected exception."));
};
assert.rejects = async (p, expected, m) => {
  try { await (isFunction(p) ? p() : p); } catch (e) { if (!isExpected(e, expected)) throw e; return; }
  assert.fail(m ?? (typeof expected === "string" ? expected : "Missing expected rejection."));
};
assert.strict = Object.assign((ok, m) => assert(ok, m), assert, { equal: assert.strictEqual, notEqual: assert.notStrictEqual, deepEqual: assert.deepStrictEqual, notDeepEqual: assert.notDeepStrictEqual });

const fetchModule = Object.assign((...a) => fetch(...a), { default: fetch, fetch, Headers, Request, Response, AbortController });
const provided = new Map(Object.entries({
  process, console, util, "util/types": types, fs, assert, crypto: nodeCrypto, buffer: { Buffer, atob, btoa },
  url: { URL, URLSearchParams, fileURLToPath: String }, timers: { setTimeout, setInterval, setImmediate, clearTimeout, clearInterval: clearTimeout, clearImmediate: clearTimeout },
  "timers/promises": guarded({ setTimeout: later, setImmediate: soon }, "timers/promises"), querystring: { stringify: (o) => new URLSearchParams(o).toString(), parse: (s) => Object.fromEntries(new URLSearchParams(s)) },
  perf_hooks: { performance }, events: guarded({ EventTarget, Event }, "events", () => "use EventTarget, which events has"), "node-fetch": fetchModule, "cross-fetch": fetchModule, "isomorphic-fetch": fetchModule, undici: fetchModule, argus,
  axios, ethers: ethersModule, "ethers/lib/utils": ethers.utils,
}));
const HINTS = { web3: "use ethers", viem: "use ethers", "@ethersproject/abi": "use ethers", "axios-retry": "use axios in a loop", http: "use fetch", https: "use fetch", got: "use fetch", dotenv: "secrets come from argus.secret(name)" };

function require(name) {
  const bare = String(name).replace(/^node:/, "");
  const found = provided.get(bare);
  if (found) return found;
  throw Object.assign(new Error(`Cannot find module '${name}': a script is one file${HINTS[bare] ? "; " + HINTS[bare] : ", bundle what it needs into it"}`), { code: "MODULE_NOT_FOUND" });
}
