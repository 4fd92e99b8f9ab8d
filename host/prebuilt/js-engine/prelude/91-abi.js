// Ethereum's ABI: values, types and the codec. Names, results and errors are
// those of ethers 6, so that a script that is tested with it meets the same.
const ETHERS_VERSION = "6.17.0";

function ethersText(v) {
  if (typeof v === "bigint") return String(v);
  if (v instanceof Uint8Array) return "0x" + N.hex(v);
  if (Array.isArray(v)) return `[ ${v.map(ethersText).join(", ")} ]`;
  if (typeof v === "object" && v !== null) return `{ ${Object.keys(v).sort().map((k) => `${JSON.stringify(k)}: ${ethersText(v[k])}`).join(", ")} }`;
  return typeof v === "string" ? JSON.stringify(v) : String(v);
}

function ethersError(message, code, info = {}) {
  const details = [...Object.entries(info).map(([k, v]) => `${k}=${ethersText(v)}`), `code=${code}`, `version=${ETHERS_VERSION}`];
  const E = code === "INVALID_ARGUMENT" ? TypeError : code === "NUMERIC_FAULT" || code === "BUFFER_OVERRUN" ? RangeError : Error;
  return Object.assign(new E(`${message} (${details.join(", ")})`), { code, shortMessage: message }, info);
}
function badArgument(message, argument, value) { throw ethersError(message, "INVALID_ARGUMENT", { argument, value }); }
function overflow(message, operation, value) { throw ethersError(message, "NUMERIC_FAULT", { operation, fault: "overflow", value }); }

// ---- integers and bytes ----

function getBigInt(value, name = "value") {
  switch (typeof value) {
    case "bigint": return value;
    case "number":
      if (!Number.isInteger(value)) badArgument("underflow", name, value);
      if (!Number.isSafeInteger(value)) badArgument("overflow", name, value);
      return BigInt(value);
    case "string":
      if (value === "") badArgument("invalid BigNumberish string: empty string", name, value);
      try {
        return value[0] === "-" && value[1] !== "-" ? -BigInt(value.slice(1)) : BigInt(value);
      } catch { badArgument(`invalid BigNumberish string: Cannot convert ${value.replace(/^-/, "")} to a BigInt`, name, value); }
  }
  if (value?._isBigNumber) return value.toBigInt();
  return badArgument("invalid BigNumberish value", name, value);
}
function getUint(value, name) {
  const n = getBigInt(value, name);
  if (n < 0n) throw ethersError("unsigned value cannot be negative", "NUMERIC_FAULT", { fault: "overflow", operation: "getUint", value });
  return n;
}
function getNumber(value, name = "value") {
  const n = getBigInt(value, name);
  if (n < -9007199254740991n || n > 9007199254740991n) badArgument("overflow", name, value);
  return Number(n);
}

const isHexString = (v, length) => typeof v === "string" && /^0x[0-9A-Fa-f]*$/.test(v)
  && (typeof length !== "number" || v.length === 2 + 2 * length) && (length !== true || v.length % 2 === 0);
const isBytesLike = (v) => isHexString(v, true) || v instanceof Uint8Array;
// Bytes as lower-case digits without 0x: what everything below works on.
function hexOf(v, name = "value") {
  if (v instanceof Uint8Array) return N.hex(v);
  return isHexString(v, true) ? v.slice(2).toLowerCase() : badArgument("invalid BytesLike value", name, v);
}
const getBytes = (v, name) => (v instanceof Uint8Array ? v : N.unhex(hexOf(v, name)));
const hexlify = (v) => "0x" + hexOf(v);
const keccakOf = (v) => "0x" + N.hex(N.keccak256(getBytes(v, "data")));
function toUtf8Bytes(s) {
  if (typeof s !== "string") badArgument("invalid string value", "str", s);
  if (!s.isWellFormed()) badArgument("invalid surrogate pair", "str", s);
  return N.utf8Encode(s);
}
function toUtf8String(v) {
  const bytes = getBytes(v, "bytes");
  try { return N.utf8Decode(bytes, true); } catch { return badArgument("invalid codepoint; the bytes are not UTF-8", "bytes", v); }
}
const idOf = (text) => keccakOf(toUtf8Bytes(text));

function getAddress(address) {
  if (typeof address !== "string" || !/^(0x)?[0-9a-fA-F]{40}$/.test(address)) badArgument("invalid address", "address", address);
  const digits = address.replace(/^0x/, ""), lower = digits.toLowerCase();
  const hash = N.hex(N.keccak256(N.utf8Encode(lower)));
  let out = "0x";
  for (let i = 0; i < 40; i++) out += hash[i] >= "8" ? lower[i].toUpperCase() : lower[i];
  if (/[A-F]/.test(digits) && /[a-f]/.test(digits) && out !== "0x" + digits) badArgument("bad address checksum", "address", address);
  return out;
}
const isAddress = (v) => { try { getAddress(v); return true; } catch { return false; } };

// ---- types ----

const ABI_TOKEN = /\s*(?:([A-Za-z_$][A-Za-z0-9_$]*)|([0-9]+)|([(),[\]]))\s*/y;
const DATA_WORDS = new Set(["memory", "calldata", "storage", "payable", "indexed"]);

// A reader of human-readable ABI text.
class AbiText {
  constructor(text) { this.text = text; this.at = 0; this.token = undefined; this.next(); }
  next() {
    const taken = this.token;
    if (this.at >= this.text.length) { this.token = undefined; return taken; }
    ABI_TOKEN.lastIndex = this.at;
    const m = ABI_TOKEN.exec(this.text);
    if (!m) badArgument(`unexpected character at position ${this.at} of the ABI text`, "value", this.text);
    this.at = ABI_TOKEN.lastIndex;
    this.token = m[1] ?? m[2] ?? m[3];
    return taken;
  }
  take(token) { if (this.token !== token) return false; this.next(); return true; }
  expect(token) { if (!this.take(token)) badArgument(`expected "${token}" and found ${this.token === undefined ? "the end" : `"${this.token}"`}`, "value", this.text); }
  isWord() { return this.token !== undefined && /^[A-Za-z_$]/.test(this.token); }
  end() { if (this.token !== undefined) badArgument(`unexpected "${this.token}"`, "value", this.text); }
  params(canIndex) {
    const out = [];
    this.expect("(");
    if (this.take(")")) return out;
    do out.push(this.param(canIndex)); while (this.take(","));
    this.expect(")");
    return out;
  }
  param(canIndex) {
    let type;
    if (this.token === "(" || this.token === "tuple") {
      this.take("tuple");
      type = new ParamType("tuple", this.params(false));
    } else {
      if (!this.isWord()) this.expect("a type");
      type = new ParamType(this.next());
    }
    while (this.take("[")) {
      const length = /^[0-9]/.test(this.token ?? "") ? Number(this.next()) : -1;
      this.expect("]");
      type = type.arrayOf(length);
    }
    let name = "", indexed = canIndex ? false : null;
    while (this.isWord()) {
      const word = this.next();
      if (word === "indexed" && canIndex) indexed = true;
      else if (!DATA_WORDS.has(word)) { if (name) badArgument(`unexpected "${word}"`, "value", this.text); name = word; }
    }
    return type.named(name, indexed);
  }
}

function baseName(type) {
  if (type === "uint" || type === "int") return type + "256";
  const number = /^u?int([1-9][0-9]*)$/.exec(type);
  if (number && number[1] <= 256 && number[1] % 8 === 0) return type;
  const fixed = /^bytes([1-9][0-9]*)$/.exec(type);
  if ((fixed && fixed[1] <= 32) || ["address", "bool", "string", "bytes"].includes(type)) return type;
  return badArgument("invalid type", "type", type);
}

class ParamType {
  constructor(type, components = null, array = null) {
    this.name = "";
    this.indexed = null;
    this.components = components;
    this.arrayLength = array ? array.length : null;
    this.arrayChildren = array ? array.of : null;
    this.baseType = array ? "array" : components ? "tuple" : baseName(type);
    this.type = array ? `${array.of.type}[${array.length < 0 ? "" : array.length}]` : components ? `tuple(${components.map((c) => c.type).join(",")})` : this.baseType;
    const width = /^(u?)int([0-9]+)$/.exec(this.baseType);
    this.bits = width ? Number(width[2]) : 0;
    this.signed = !!width && width[1] === "";
    this.size = /^bytes[0-9]/.test(this.baseType) ? Number(this.baseType.slice(5)) : 0;
    this.dynamic = this.baseType === "string" || this.baseType === "bytes"
      || (array ? array.length < 0 || array.of.dynamic : components ? components.some((c) => c.dynamic) : false);
    // Bytes that it takes where it stands: itself, or the offset to it.
    this.headSize = this.dynamic ? 32 : array ? array.length * array.of.headSize : components ? components.reduce((n, c) => n + c.headSize, 0) : 32;
  }
  arrayOf(length) { return new ParamType(null, null, { of: this, length }); }
  named(name, indexed) { return Object.assign(Object.create(ParamType.prototype), this, { name: name || "", indexed: indexed ?? null }); }
  isArray() { return this.baseType === "array"; }
  isTuple() { return this.baseType === "tuple"; }
  isIndexable() { return this.indexed !== null; }
  format(kind = "sighash") {
    const inner = this.isArray() ? this.arrayChildren.format(kind) + this.type.slice(this.type.lastIndexOf("["))
      : this.isTuple() ? `(${this.components.map((c) => c.format(kind)).join(kind === "full" ? ", " : ",")})` : this.baseType;
    return kind === "sighash" ? inner : inner + (this.indexed ? " indexed" : "") + (kind === "full" && this.name ? " " + this.name : "");
  }
  static from(v, canIndex = false) {
    if (v instanceof ParamType) return v;
    if (typeof v === "string") { const t = new AbiText(v), p = t.param(canIndex); t.end(); return p; }
    if (typeof v?.type !== "string") badArgument("invalid param", "param", v);
    const indexed = canIndex ? !!v.indexed : null;
    const tuple = /^tuple((\[[0-9]*\])*)$/.exec(v.type);
    if (!tuple) { const t = new AbiText(v.type), p = t.param(false); t.end(); return p.named(v.name, indexed); }
    let type = new ParamType("tuple", (v.components ?? []).map((c) => ParamType.from(c)));
    for (const [, n] of tuple[1].matchAll(/\[([0-9]*)\]/g)) type = type.arrayOf(n === "" ? -1 : Number(n));
    return type.named(v.name, indexed);
  }
}

// ---- encoding: everything is a string of hexadecimal digits ----

const word = (n) => n.toString(16).padStart(64, "0");
const padRight = (hex) => (hex.length % 64 ? hex + "0".repeat(64 - (hex.length % 64)) : hex);

function badValue(p, message, value) { throw ethersError(message, "INVALID_ARGUMENT", { argument: p.name, value, type: p.type }); }

function encodeInteger(p, value) {
  const n = getBigInt(value, p.name || "value"), limit = 1n << BigInt(p.signed ? p.bits - 1 : p.bits);
  if (n >= limit || n < (p.signed ? -limit : 0n)) badValue(p, "value out-of-bounds", value);
  return word(n < 0n ? (1n << 256n) + n : n);
}

function encodeValue(p, value) {
  if (p.isTuple()) return encodeList(p.components, value, p.name);
  if (p.isArray()) {
    if (!Array.isArray(value)) badValue(p, "expected array value", value);
    const fixed = p.arrayLength >= 0;
    if (fixed && value.length !== p.arrayLength) {
      const few = value.length < p.arrayLength;
      throw ethersError(`${few ? "missing" : "too many"} argument${few ? "" : "s"}: coder array${p.name && " " + p.name}`, few ? "MISSING_ARGUMENT" : "UNEXPECTED_ARGUMENT", { count: value.length, expectedCount: p.arrayLength });
    }
    return (fixed ? "" : word(value.length)) + encodeList(value.map(() => p.arrayChildren), value, p.name);
  }
  if (p.bits) return encodeInteger(p, value);
  switch (p.baseType) {
    case "address": {
      const text = typeof value === "object" && value !== null ? value.target ?? value.address : value;
      try { return getAddress(text).slice(2).toLowerCase().padStart(64, "0"); } catch (e) { return badValue(p, e.shortMessage, value); }
    }
    case "bool": return word(value ? 1 : 0);
    case "string": { const hex = N.hex(toUtf8Bytes(value)); return word(hex.length / 2) + padRight(hex); }
    case "bytes": { const hex = hexOf(value); return word(hex.length / 2) + padRight(hex); }
    default: {
      const hex = hexOf(value);
      if (hex.length !== 2 * p.size) badValue(p, "incorrect data length", value);
      return padRight(hex);
    }
  }
}

function encodeList(params, values, name) {
  let list = values;
  if (!Array.isArray(values)) {
    if (typeof values !== "object" || values === null) badArgument("invalid tuple value", "tuple", values);
    const names = params.map((p) => p.name);
    if (names.includes("")) badArgument("cannot encode object for signature with missing names", "values", values);
    if (new Set(names).size < names.length) badArgument("cannot encode object for signature with duplicate names", "values", values);
    list = names.map((n) => values[n]);
  }
  if (list.length !== params.length) badArgument("types/value length mismatch", "tuple", values);
  let tailAt = params.reduce((n, p) => n + p.headSize, 0);
  let head = "", tail = "";
  params.forEach((p, i) => {
    const hex = encodeValue(p, list[i]);
    if (!p.dynamic) { head += hex; return; }
    head += word(tailAt);
    tail += hex;
    tailAt += hex.length / 2;
  });
  return head + tail;
}

// ---- decoding ----

// A list whose values have names, too. An item that could not be decoded is
// an error to whoever reads it, not to whoever reads the others.
class Result extends Array {
  static get [Symbol.species]() { return Array; }
  static fromItems(items, names = []) {
    const r = new Result();
    const counts = new Map();
    for (const n of names) counts.set(n, (counts.get(n) ?? 0) + 1);
    const owned = items.map((_, i) => (names[i] && counts.get(names[i]) === 1 ? names[i] : null));
    items.forEach((item, i) => {
      const field = item instanceof Error ? { get() { throw Object.assign(new Error(`deferred error during ABI decoding triggered accessing index ${i}`), { error: item }); }, configurable: true } : { value: item, writable: true, configurable: true };
      if (item instanceof Error) Object.defineProperty(r, i, { ...field, enumerable: true }); else r[i] = item;
      if (owned[i] !== null && !(owned[i] in r)) Object.defineProperty(r, owned[i], field);
    });
    return Object.defineProperty(r, "_names", { value: owned, enumerable: false });
  }
  getValue(name) { const i = this._names.indexOf(name); return i < 0 ? undefined : this[i]; }
  toArray(deep) { return Array.from(this, (v) => (deep && v instanceof Result ? v.toArray(true) : v)); }
  toObject(deep) {
    const out = {};
    this._names.forEach((name, i) => {
      if (name === null) throw ethersError(`value at index ${i} unnamed`, "UNSUPPORTED_OPERATION", { operation: "toObject()" });
      const v = this[i];
      out[name] = deep && v instanceof Result ? (v._names.includes(null) ? v.toArray(true) : v.toObject(true)) : v;
    });
    return out;
  }
}

function outOfBounds(data, bytes, message = "data out-of-bounds") { throw ethersError(message, "BUFFER_OVERRUN", { length: data.hex.length / 2, offset: bytes }); }

function wordAt(data, at) {
  if (!(2 * (at + 32) <= data.hex.length)) outOfBounds(data, at + 32);
  return data.hex.slice(2 * at, 2 * at + 64);
}
function indexAt(data, at) {
  const n = BigInt("0x" + wordAt(data, at));
  return n > 9007199254740991n ? overflow("overflow", "readIndex", n) : Number(n);
}
function bytesAt(data, at) {
  const length = indexAt(data, at), start = 2 * (at + 32), aligned = 64 * Math.ceil(length / 32);
  if (start + aligned > data.hex.length && !(data.loose && start + 2 * length <= data.hex.length)) outOfBounds(data, at + 32 + length);
  return data.hex.slice(start, start + 2 * length);
}

function decodeValue(p, data, at) {
  if (p.isTuple()) return decodeList(p.components, data, at);
  if (p.isArray()) {
    const count = p.arrayLength >= 0 ? p.arrayLength : indexAt(data, at);
    if (p.arrayLength < 0 && count * 64 > data.hex.length) outOfBounds(data, count * 32, "insufficient data length");
    return decodeList(Array(count).fill(p.arrayChildren.named("")), data, p.arrayLength >= 0 ? at : at + 32);
  }
  if (p.bits) {
    const width = BigInt(p.bits), raw = BigInt.asUintN(p.bits, BigInt("0x" + wordAt(data, at)));
    const n = p.signed && raw >> (width - 1n) ? raw - (1n << width) : raw;
    return data.integer ? data.integer(n, p.bits) : n;
  }
  switch (p.baseType) {
    case "address": {
      const hex = wordAt(data, at);
      if (!hex.startsWith("0".repeat(24))) overflow("value exceeds width (20 bytes)", "toBeHex", BigInt("0x" + hex));
      return getAddress("0x" + hex.slice(24));
    }
    case "bool": return /[^0]/.test(wordAt(data, at));
    case "string": return toUtf8String("0x" + bytesAt(data, at));
    case "bytes": return "0x" + bytesAt(data, at);
    default: return "0x" + wordAt(data, at).slice(0, 2 * p.size);
  }
}

function decodeList(params, data, base) {
  let at = base;
  const items = params.map((p) => {
    const here = at;
    at += p.headSize;
    // Offsets lead out of the data's end as any other read does.
    const there = p.dynamic ? base + indexAt(data, here) : here;
    try { return decodeValue(p, data, there); } catch (e) { if (e.code === "BUFFER_OVERRUN" || !(e instanceof Error)) throw e; return e; }
  });
  return Result.fromItems(items, params.map((p) => p.name || null));
}

class AbiCoder {
  #integer;
  // integer(n, bits): what a decoded number becomes; itself where there is none.
  constructor(integer) { this.#integer = typeof integer === "function" ? integer : undefined; }
  encode(types, values) {
    if (types.length !== values.length) throw ethersError(`${values.length < types.length ? "missing argument" : "too many arguments"}: types/values length mismatch`, values.length < types.length ? "MISSING_ARGUMENT" : "UNEXPECTED_ARGUMENT", { count: values.length, expectedCount: types.length });
    return "0x" + encodeList(types.map((t) => ParamType.from(t)), Array.from(values), "");
  }
  decode(types, data, loose) { return decodeList(types.map((t) => ParamType.from(t)), { hex: hexOf(data, "data"), loose: !!loose, integer: this.#integer }, 0); }
  getDefaultValue(types) {
    const zero = (p) => (p.isTuple() ? Result.fromItems(p.components.map(zero), p.components.map((c) => c.name || null))
      : p.isArray() ? Array(Math.max(p.arrayLength, 0)).fill(zero(p.arrayChildren))
      : p.bits ? 0n : p.baseType === "address" ? "0x" + "0".repeat(40) : p.baseType === "bool" ? false : p.baseType === "string" ? "" : "0x" + "00".repeat(p.size));
    return Result.fromItems(types.map((t) => zero(ParamType.from(t))), []);
  }
  static defaultAbiCoder() { return defaultCoder; }
}
const defaultCoder = new AbiCoder();
