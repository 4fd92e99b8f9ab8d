// Hashes and seeded randomness: the part of Web Crypto and node:crypto that
// scripts use. Ciphers, signatures and key derivation are not here.
function dataBytes(v, encoding) { return typeof v === "string" ? encodeAs(v, encoding ?? "utf8") : bytesOf(v); }

// By name without its dashes: the function, and the block size that HMAC needs.
const HASHES = { sha1: [N.sha1, 64], sha256: [N.sha256, 64], sha384: [N.sha384, 128], sha512: [N.sha512, 128], keccak256: [N.keccak256, 136] };
function hasher(name) {
  const text = String(name?.name ?? name), found = HASHES[text.toLowerCase().replace("-", "")];
  if (!found) throw new DOMException(`${text} is not available here; use SHA-1, SHA-256, SHA-384, SHA-512 or keccak256`, "NotSupportedError");
  return found;
}

const crypto = {
  getRandomValues(into) {
    if (!ArrayBuffer.isView(into)) throw new TypeError("getRandomValues: expected an integer typed array");
    if (into.byteLength > 65536) throw new DOMException("getRandomValues: at most 65536 bytes", "QuotaExceededError");
    bytesOf(into).set(N.randomBytes(into.byteLength));
    return into;
  },
  randomUUID() {
    const b = N.randomBytes(16);
    b[6] = (b[6] & 0x0f) | 0x40;
    b[8] = (b[8] & 0x3f) | 0x80;
    return N.hex(b).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  },
  subtle: new Proxy({ digest: async (name, data) => hasher(name)[0](bytesOf(data)).buffer },
    { get: (t, k) => t[k] ?? (typeof k === "string" && k !== "then" ? async () => { throw new DOMException(`crypto.subtle.${k} is not available here`, "NotSupportedError"); } : undefined) }),
};

class Hash {
  #parts = []; #f;
  constructor(f) { this.#f = f; }
  update(v, encoding) { this.#parts.push(dataBytes(v, encoding)); return this; }
  digest(encoding) { const out = Buffer.of8(this.#f(Buffer.concat(this.#parts))); return encoding ? out.toString(encoding) : out; }
}

function hmac([f, block], key) {
  const k = new Uint8Array(block);
  k.set(key.length > block ? f(key) : key);
  return (data) => f(Buffer.concat([k.map((b) => b ^ 0x5c), f(Buffer.concat([k.map((b) => b ^ 0x36), data]))]));
}

// A key that is a secret's placeholder names the secret: the host computes with it.
function hmacUnder(secret, algorithm) {
  if (hasher(algorithm) !== HASHES.sha256) throw new DOMException(`an HMAC under the secret ${secret} is SHA-256 here, not ${algorithm}`, "NotSupportedError");
  return (data) => N.unhex(argus.hmac(secret, data));
}
function secretOf(key) {
  if (typeof key !== "string" || !key.startsWith("argussecret")) return undefined;
  return Object.entries(theEnvironment()).find(([, value]) => value === key)?.[0];
}

const nodeCrypto = {
  createHash: (name) => new Hash(hasher(name)[0]),
  createHmac(name, key) {
    const secret = secretOf(key);
    return new Hash(secret ? hmacUnder(secret, name) : hmac(hasher(name), dataBytes(key)));
  },
  randomBytes: (n) => Buffer.of8(N.randomBytes(n)),
  randomInt: (a, b) => (b === undefined ? Math.floor(N.random() * a) : a + Math.floor(N.random() * (b - a))),
  randomUUID: crypto.randomUUID, getRandomValues: crypto.getRandomValues, webcrypto: crypto, subtle: crypto.subtle,
  getHashes: () => Object.keys(HASHES),
  timingSafeEqual: (a, b) => Buffer.compare(bytesOf(a), bytesOf(b)) === 0,
};

function structuredClone(value) {
  const seen = new Map();
  const copy = (v) => {
    if (typeof v === "function" || typeof v === "symbol") throw new DOMException(`${String(v).slice(0, 60)} could not be cloned.`, "DataCloneError");
    if (typeof v !== "object" || v === null) return v;
    if (seen.has(v)) return seen.get(v);
    const keep = (out) => { seen.set(v, out); return out; };
    if (v instanceof Date) return keep(new Date(v.getTime()));
    if (v instanceof RegExp) return keep(new RegExp(v.source, v.flags));
    if (v instanceof ArrayBuffer) return keep(v.slice(0));
    if (ArrayBuffer.isView(v)) { const b = copy(v.buffer); return keep(v instanceof DataView ? new DataView(b, v.byteOffset, v.byteLength) : new v.constructor(b, v.byteOffset, v.length)); }
    if (v instanceof Map) { const out = keep(new Map()); for (const [k, x] of v) out.set(copy(k), copy(x)); return out; }
    if (v instanceof Set) { const out = keep(new Set()); for (const x of v) out.add(copy(x)); return out; }
    if (isError(v)) { const out = keep(new v.constructor(v.message)); out.stack = v.stack; return out; }
    if (v instanceof Promise || v instanceof WeakMap || v instanceof WeakSet) throw new DOMException(`${inspect(v)} could not be cloned.`, "DataCloneError");
    const out = keep(Array.isArray(v) ? new Array(v.length) : {});
    for (const k of Object.keys(v)) out[k] = copy(v[k]);
    return out;
  };
  return copy(value);
}
