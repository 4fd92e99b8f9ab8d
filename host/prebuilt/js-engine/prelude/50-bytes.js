// TextEncoder, TextDecoder, Buffer, base64.
function bytesOf(v) {
  if (v instanceof Uint8Array) return v;
  if (v instanceof ArrayBuffer) return new Uint8Array(v);
  if (ArrayBuffer.isView(v)) return new Uint8Array(v.buffer, v.byteOffset, v.byteLength);
  throw new TypeError("expected an ArrayBuffer or a view of one");
}

class TextEncoder {
  get encoding() { return "utf-8"; }
  encode(s = "") { return N.utf8Encode(String(s)); }
  encodeInto(s, into) {
    let read = 0, written = 0;
    for (const c of String(s)) {
      const b = N.utf8Encode(c);
      if (written + b.length > into.length) break;
      into.set(b, written);
      written += b.length;
      read += c.length;
    }
    return { read, written };
  }
}

class TextDecoder {
  constructor(label = "utf-8", options = {}) {
    const name = String(label).trim().toLowerCase();
    if (!["utf-8", "utf8", "unicode-1-1-utf-8"].includes(name)) throw new RangeError(`TextDecoder: only utf-8 is available, not "${label}"`);
    this.encoding = "utf-8";
    this.fatal = !!options.fatal;
    this.ignoreBOM = !!options.ignoreBOM;
  }
  decode(bytes) {
    if (bytes === undefined) return "";
    const s = N.utf8Decode(bytesOf(bytes), this.fatal);
    return !this.ignoreBOM && s.charCodeAt(0) === 0xfeff ? s.slice(1) : s;
  }
}

function latin1(bytes) {
  let s = "";
  for (let i = 0; i < bytes.length; i += 4096) s += String.fromCharCode.apply(null, bytes.subarray(i, i + 4096));
  return s;
}
const fromLatin1 = (s) => Uint8Array.from(s, (c) => c.charCodeAt(0) & 255);
const base64 = (bytes) => btoa(latin1(bytes));
const unbase64 = (s) => {
  const clean = s.replace(/[^A-Za-z0-9+/_-]/g, "").replace(/-/g, "+").replace(/_/g, "/");
  return fromLatin1(atob(clean.length % 4 === 1 ? clean.slice(0, -1) : clean));
};

function encodeAs(s, encoding = "utf8") {
  switch (String(encoding).toLowerCase()) {
    case "utf8": case "utf-8": return N.utf8Encode(s);
    case "hex": return N.unhex(s);
    case "base64": case "base64url": return unbase64(s);
    case "latin1": case "binary": case "ascii": return fromLatin1(s);
    default: throw new TypeError(`Unknown encoding: ${encoding}`);
  }
}

class Buffer extends Uint8Array {
  static from(v, encoding, length) {
    if (typeof v === "string") return Buffer.of8(encodeAs(v, encoding));
    if (v instanceof ArrayBuffer) return new Buffer(v, encoding, length);
    if (v && v.type === "Buffer" && Array.isArray(v.data)) return Buffer.of8(Uint8Array.from(v.data));
    return Buffer.of8(Uint8Array.from(v));
  }
  static of8(b) { return new Buffer(b.buffer, b.byteOffset, b.byteLength); }
  static alloc(n, fill) { const b = new Buffer(n); if (fill !== undefined) b.fill(fill); return b; }
  static allocUnsafe(n) { return new Buffer(n); }
  static isBuffer(v) { return v instanceof Buffer; }
  static isEncoding(e) { return ["utf8", "utf-8", "hex", "base64", "base64url", "latin1", "binary", "ascii"].includes(String(e).toLowerCase()); }
  static byteLength(v, encoding) { return typeof v === "string" ? encodeAs(v, encoding).length : v.byteLength; }
  static concat(list, total = list.reduce((n, b) => n + b.length, 0)) {
    const out = new Buffer(total);
    let at = 0;
    for (const b of list) { out.set(b.subarray(0, total - at), at); at += b.length; if (at >= total) break; }
    return out;
  }
  static compare(a, b) {
    for (let i = 0; i < Math.min(a.length, b.length); i++) if (a[i] !== b[i]) return a[i] < b[i] ? -1 : 1;
    return Math.sign(a.length - b.length);
  }
  toString(encoding = "utf8", start = 0, end = this.length) {
    const b = this.subarray(start, end);
    switch (String(encoding).toLowerCase()) {
      case "utf8": case "utf-8": return N.utf8Decode(b, false);
      case "hex": return N.hex(b);
      case "base64": return base64(b);
      case "base64url": return base64(b).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
      case "latin1": case "binary": return latin1(b);
      case "ascii": return latin1(b.map((x) => x & 127));
      default: throw new TypeError(`Unknown encoding: ${encoding}`);
    }
  }
  toJSON() { return { type: "Buffer", data: Array.from(this) }; }
  equals(other) { return Buffer.compare(this, other) === 0; }
  compare(other) { return Buffer.compare(this, other); }
  slice(a, b) { return this.subarray(a, b); }
  copy(into, at = 0, from = 0, to = this.length) { const part = this.subarray(from, Math.min(to, from + into.length - at)); into.set(part, at); return part.length; }
  write(s, at = 0, length, encoding) { const b = encodeAs(s, typeof length === "string" ? length : encoding).subarray(0, this.length - at); this.set(b, at); return b.length; }
  fill(v, from, to) {
    if (typeof v !== "string") return super.fill(v, from, to);
    const b = N.utf8Encode(v);
    for (let i = from ?? 0; i < (to ?? this.length) && b.length; i++) this[i] = b[i % b.length];
    return this;
  }
}
// readUInt8, writeBigInt64BE and the rest, over DataView.
for (const [name, method, size, big] of [["UInt8", "Uint8", 1], ["Int8", "Int8", 1], ["UInt16", "Uint16", 2], ["Int16", "Int16", 2],
  ["UInt32", "Uint32", 4], ["Int32", "Int32", 4], ["BigUInt64", "BigUint64", 8, true], ["BigInt64", "BigInt64", 8, true], ["Float", "Float32", 4], ["Double", "Float64", 8]]) {
  for (const order of size === 1 ? [""] : ["LE", "BE"]) {
    const view = (b) => new DataView(b.buffer, b.byteOffset, b.byteLength);
    const read = function (at = 0) { return view(this)["get" + method](at, order === "LE"); };
    const put = function (v, at = 0) { view(this)["set" + method](at, big ? BigInt(v) : v, order === "LE"); return at + size; };
    for (const alias of [name, name.replace("UInt", "Uint")]) {
      Object.defineProperty(Buffer.prototype, "read" + alias + order, { value: read, writable: true, configurable: true });
      Object.defineProperty(Buffer.prototype, "write" + alias + order, { value: put, writable: true, configurable: true });
    }
  }
}
