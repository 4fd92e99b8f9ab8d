// What a script finds beyond the language itself: names by place, for the guide's table.
const LANGUAGE = new Set(
  `Array ArrayBuffer Atomics AggregateError AsyncDisposableStack BigInt BigInt64Array BigUint64Array Boolean DataView Date
  DisposableStack Error EvalError FinalizationRegistry Float16Array Float32Array Float64Array Function Infinity Int16Array
  Int32Array Int8Array InternalError Iterator JSON Map Math NaN Number Object Promise Proxy RangeError ReferenceError Reflect
  RegExp Set SharedArrayBuffer String SuppressedError Symbol SyntaxError TypeError URIError Uint16Array Uint32Array Uint8Array
  Uint8ClampedArray WeakMap WeakRef WeakSet decodeURI decodeURIComponent encodeURI encodeURIComponent escape eval globalThis
  isFinite isNaN parseFloat parseInt undefined unescape`.split(/\s+/),
);
const names = (value) => Object.getOwnPropertyNames(value).filter((name) => !/^(_.*|length|name|prototype|default)$/.test(name));

// A member that is only there to say why it is not.
function refuses(member) {
  try {
    new member();
  } catch (error) {
    return error.message.includes("is not available in a script");
  }
  return false;
}

const { ethers } = require("ethers");
const [absent, there] = [[], []];
for (const name of names(ethers)) (typeof ethers[name] === "function" && refuses(ethers[name]) ? absent : there).push(name);

export default () => [
  ["globals", names(globalThis).filter((name) => !LANGUAGE.has(name))],
  ["`process`", names(process)],
  ["`crypto`, `crypto.subtle`", [...names(crypto), ...names(crypto.subtle)].filter((name) => name !== "subtle")],
  ["`argus`", names(argus)],
  ["`argus.evm`, `argus.storage`", [...names(argus.evm), ...names(argus.storage)]],
  ["a body's stream", names(Object.getPrototypeOf(new Response("").body))],
  ["`Buffer`", names(Buffer).filter((name) => name !== "of8")],
  ['`require("util").types`', names(require("util").types)],
  ['`require("axios")`', names(require("axios"))],
  ['`require("node-fetch")`', names(require("node-fetch"))],
  ['`require("ethers")`', there],
  ["of `ethers` not, and each says why", absent],
].map(([place, found]) => [place, found.sort()]);
