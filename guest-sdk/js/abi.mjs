// The contract ABI for scripts: elementary types, arrays and tuples of them. A script is one file, so bundle it in:
//   npx esbuild script.ts --bundle --format=esm --outfile=build/script.js
// keccak256 is the engine's own.

const WORD = 64;
const MASK = (1n << 256n) - 1n;

/** Calldata of "name(types)" with these values. */
export function encodeCall(signature, values) {
  const plain = signature.replace(/\s+/g, "");
  const types = /^\w+\((.*)\)$/.exec(plain)?.[1];
  if (types === undefined) throw new TypeError(`${signature} is no signature: name(types)`);
  return argus.keccak256(plain).slice(0, 10) + encode(types, values).slice(2);
}

/** Values as the parameters "types", 0x hex. */
export function encode(types, values) {
  return "0x" + encodeList(split(types), values);
}

/** The values of the parameters "types". Integers are bigint. */
export function decode(types, data) {
  if (!/^0x([0-9a-fA-F]{2})*$/.test(data)) throw new TypeError(`${data} is no 0x hex`);
  return decodeList(split(types), data.slice(2));
}

/** Calls a function at the pinned block: read(1, token, "balanceOf(address)(uint256)", [owner]). */
export async function read(chainId, to, fn, values = []) {
  const parts = /^(\w+\(.*\))\s*(?:returns\s*)?\((.*)\)$/.exec(fn);
  if (!parts) throw new TypeError(`${fn} is no function: name(types)(types)`);
  return decode(parts[2], await argus.evm.call({ chainId, to, data: encodeCall(parts[1], values) }));
}

function split(types) {
  const found = [];
  let depth = 0, from = 0;
  if (types.trim() === "") return found;
  for (let at = 0; at <= types.length; at++) {
    const c = types[at];
    if (c === "(") depth++;
    else if (c === ")") depth--;
    else if ((c === undefined || c === ",") && depth === 0) { found.push(types.slice(from, at).trim()); from = at + 1; }
  }
  if (depth !== 0) throw new TypeError(`${types} has unequal parentheses`);
  return found;
}

const array = (type) => { const m = /^(.+)\[(\d*)\]$/.exec(type); return m && { item: m[1], length: m[2] === "" ? null : Number(m[2]) }; };
const tuple = (type) => (type.startsWith("(") && type.endsWith(")") ? split(type.slice(1, -1)) : null);

function isDynamic(type) {
  const list = array(type);
  if (list) return list.length === null || isDynamic(list.item);
  return tuple(type)?.some(isDynamic) ?? (type === "bytes" || type === "string");
}

// Hex digits in the head of what holds it.
function headOf(type) {
  if (isDynamic(type)) return WORD;
  const list = array(type);
  if (list) return headOf(list.item) * list.length;
  return tuple(type)?.reduce((sum, t) => sum + headOf(t), 0) ?? WORD;
}

const word = (n) => BigInt.asUintN(256, BigInt(n)).toString(16).padStart(WORD, "0");
const padded = (hex) => hex.padEnd(Math.ceil(hex.length / WORD) * WORD, "0");
const hexOf = (value) => {
  if (value instanceof Uint8Array) return [...value].map((b) => b.toString(16).padStart(2, "0")).join("");
  if (typeof value !== "string" || !/^0x([0-9a-fA-F]{2})*$/.test(value)) throw new TypeError(`${value} is no 0x hex`);
  return value.slice(2).toLowerCase();
};

function encodeList(types, values) {
  if (!Array.isArray(values) || types.length !== values.length) throw new TypeError(`${types.length} values are needed: ${types}`);
  let head = "", tail = "";
  const heads = types.reduce((sum, type) => sum + headOf(type), 0);
  types.forEach((type, i) => {
    const encoded = encodeOne(type, values[i]);
    if (isDynamic(type)) { head += word((heads + tail.length) / 2); tail += encoded; } else head += encoded;
  });
  return head + tail;
}

function encodeOne(type, value) {
  const list = array(type);
  if (list) {
    if (list.length !== null && value.length !== list.length) throw new TypeError(`${value.length} items do not fill ${type}`);
    const items = encodeList(value.map(() => list.item), value);
    return list.length === null ? word(value.length) + items : items;
  }
  const parts = tuple(type);
  if (parts) return encodeList(parts, value);
  if (type === "address") {
    const hex = hexOf(value);
    if (hex.length !== 40) throw new TypeError(`${value} is no address`);
    return hex.padStart(WORD, "0");
  }
  if (type === "bool") return word(value ? 1 : 0);
  if (type === "bytes" || type === "string") {
    const hex = type === "string" ? hexOf(new TextEncoder().encode(value)) : hexOf(value);
    return word(hex.length / 2) + padded(hex);
  }
  const fixed = /^bytes(\d+)$/.exec(type);
  if (fixed) {
    const hex = hexOf(value);
    if (hex.length !== 2 * Number(fixed[1])) throw new TypeError(`${value} is no ${type}`);
    return padded(hex);
  }
  const { signed, bits } = integer(type);
  const n = BigInt(value);
  if (n !== (signed ? BigInt.asIntN(bits, n) : BigInt.asUintN(bits, n))) throw new RangeError(`${value} does not fit into ${type}`);
  return word(n);
}

function integer(type) {
  const m = /^(u?)int(\d*)$/.exec(type);
  const bits = m && Number(m[2] || 256);
  if (!m || bits < 8 || bits > 256 || bits % 8) throw new TypeError(`${type} is no ABI type`);
  return { signed: m[1] === "", bits };
}

function decodeList(types, data) {
  let at = 0;
  return types.map((type) => {
    const from = isDynamic(type) ? lengthAt(data, at) * 2 : at;
    at += headOf(type);
    return decodeOne(type, data.slice(from));
  });
}

function wordAt(data, at) {
  if (data.length < at + WORD) throw new RangeError("the data ends before the value");
  return data.slice(at, at + WORD);
}

// One past the data would not be honest.
function lengthAt(data, at) {
  const n = BigInt("0x" + wordAt(data, at));
  if (n * 2n > BigInt(data.length)) throw new RangeError("a length or offset is past the data");
  return Number(n);
}

function decodeOne(type, data) {
  const list = array(type);
  if (list) {
    const length = list.length ?? lengthAt(data, 0);
    return decodeList(Array(length).fill(list.item), list.length === null ? data.slice(WORD) : data);
  }
  const parts = tuple(type);
  if (parts) return decodeList(parts, data);
  if (type === "bytes" || type === "string") {
    const hex = data.slice(WORD, WORD + 2 * lengthAt(data, 0));
    if (hex.length < 2 * lengthAt(data, 0)) throw new RangeError("the data ends before the value");
    return type === "bytes" ? "0x" + hex : new TextDecoder().decode(Uint8Array.from(hex.match(/../g) ?? [], (b) => parseInt(b, 16)));
  }
  const own = wordAt(data, 0);
  if (type === "address") return "0x" + own.slice(24);
  if (type === "bool") return BigInt("0x" + own) !== 0n;
  const fixed = /^bytes(\d+)$/.exec(type);
  if (fixed) return "0x" + own.slice(0, 2 * Number(fixed[1]));
  const { signed, bits } = integer(type);
  const n = BigInt("0x" + own) & MASK;
  return signed ? BigInt.asIntN(bits, n) : n;
}
