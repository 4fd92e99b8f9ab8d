// What require() and import find. There is no module resolution: a script is
// one file, and everything here is built in.
const util = {
  inspect: (v, o) => inspect(v, o?.depth === null ? Infinity : o?.depth ?? 2), format: (...a) => format(a),
  promisify: (f) => (...a) => new Promise((ok, no) => f(...a, (e, v) => (e ? no(e) : ok(v)))),
  isDeepStrictEqual: (a, b) => inspect(a, Infinity) === inspect(b, Infinity), TextEncoder, TextDecoder, types: {}, deprecate: (f) => f, inherits() {},
};
const only = (reason) => () => { throw new Error(reason); };
const fs = {
  readFileSync: (path, options) => {
    if (path !== 0 && path !== "/dev/stdin") throw Object.assign(new Error(`ENOENT: no such file or directory, open '${path}' (a script has no files; only standard input)`), { code: "ENOENT" });
    return options ? contextText : Buffer.from(contextText);
  },
  writeSync: (fd, s) => { write(fd, s); return Buffer.byteLength(String(s)); },
  writeFileSync: (path, s) => { if (path === 1 || path === "/dev/stdout") write(OUT, s); else if (path === 2 || path === "/dev/stderr") write(ERR, s); else throw Object.assign(new Error(`EROFS: read-only file system, open '${path}' (a script has no files)`), { code: "EROFS" }); },
  existsSync: () => false,
};
function assert(ok, message) { if (!ok) throw isError(message) ? message : Object.assign(new Error(message ?? "Assertion failed"), { name: "AssertionError" }); }
assert.ok = assert;
assert.equal = (a, b, m) => assert(a == b, m ?? `${inspect(a)} == ${inspect(b)}`);
assert.strictEqual = (a, b, m) => assert(Object.is(a, b), m ?? `${inspect(a)} === ${inspect(b)}`);
assert.deepEqual = assert.deepStrictEqual = (a, b, m) => assert(util.isDeepStrictEqual(a, b), m ?? "values differ");

const later = (ms, v) => new Promise((ok) => setTimeout(ok, ms, v));
const fetchModule = Object.assign((...a) => fetch(...a), { default: fetch, fetch, Headers, Request, Response, AbortController });
const provided = new Map(Object.entries({
  process, console, util, fs, assert, crypto: nodeCrypto, buffer: { Buffer, atob, btoa },
  url: { URL, URLSearchParams, fileURLToPath: String }, timers: { setTimeout, setInterval, setImmediate, clearTimeout, clearInterval: clearTimeout, clearImmediate: clearTimeout },
  "timers/promises": { setTimeout: later, setImmediate: (v) => later(1, v) }, querystring: { stringify: (o) => new URLSearchParams(o).toString(), parse: (s) => Object.fromEntries(new URLSearchParams(s)) },
  perf_hooks: { performance }, events: { EventTarget, Event }, "node-fetch": fetchModule, "cross-fetch": fetchModule, "isomorphic-fetch": fetchModule, undici: fetchModule, argus,
  axios, ethers: ethersModule, "ethers/lib/utils": ethers.utils,
}));
const HINTS = { web3: "use ethers", viem: "use ethers", "@ethersproject/abi": "use ethers", "axios-retry": "use axios in a loop", http: "use fetch", https: "use fetch", got: "use fetch", dotenv: "secrets come from argus.secret(name)" };

function require(name) {
  const bare = String(name).replace(/^node:/, "");
  const found = provided.get(bare);
  if (found) return found;
  throw Object.assign(new Error(`Cannot find module '${name}': a script is one file${HINTS[bare] ? "; " + HINTS[bare] : ", bundle what it needs into it"}`), { code: "MODULE_NOT_FOUND" });
}
