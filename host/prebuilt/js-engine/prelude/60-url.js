// URL and URLSearchParams after the WHATWG standard. Not here: IDNA (a host
// name outside ASCII is an error; write its xn-- form).
const DEFAULT_PORT = { "http:": "80", "https:": "443", "ws:": "80", "wss:": "443", "ftp:": "21", "file:": "" };
const special = (scheme) => scheme in DEFAULT_PORT;

// By whole stretches of what is encoded and what is not: a character at a time costs a long text more fuel than a run has.
const percent = (s, unsafe) => s.replace(unsafe, (run) => N.hex(N.utf8Encode(run)).toUpperCase().replace(/../g, "%$&"));
const IN_PATH = /[^!$&-;=@-Z\[\]_a-z~|\\^%']+/g;
const IN_QUERY = /[^!$%&(-;=?-~]+/g;
const IN_QUERY_ANY = /[^!$%&'(-;=?-~]+/g;
const IN_HASH = /[^!#-;=?-_a-z{-~]+/g;
const IN_USER = /[^!$%&'()*+,\-.0-9A-Z_a-z~]+/g;
const IN_OPAQUE = /[^ -~]+/g;
const IN_FORM = /[^A-Za-z0-9*\-._ ]+/g;

const percentDecode = (s) => s.toWellFormed().replace(/(?:%[0-9A-Fa-f]{2})+/g, (run) => N.utf8Decode(N.unhex(run.replace(/%/g, "")), false));

// An IPv4 address in any of its spellings as four decimals; the host itself
// where it is none; undefined where it looks like one and is wrong.
function ipv4(host) {
  const parts = host.split(".");
  if (parts.at(-1) === "" && parts.length > 1) parts.pop();
  if (!/^([0-9]+|0x[0-9a-f]*)$/i.test(parts.at(-1))) return host;
  if (parts.length > 4) return undefined;
  const numbers = parts.map((p) => {
    if (/^0x[0-9a-f]*$/i.test(p)) return p.length === 2 ? 0 : parseInt(p, 16);
    if (/^0[0-7]+$/.test(p)) return parseInt(p, 8);
    return /^[0-9]+$/.test(p) && (p === "0" || p[0] !== "0") ? parseInt(p, 10) : NaN;
  });
  const last = numbers.pop();
  if (Number.isNaN(last) || numbers.some((n) => !(n <= 255)) || last >= 256 ** (4 - numbers.length)) return undefined;
  let value = last;
  numbers.forEach((n, i) => { value += n * 256 ** (3 - i); });
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
}

function ipv6(inner) {
  let s = inner.toLowerCase();
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(s);
  if (dotted) {
    const b = dotted[2].split(".").map(Number);
    if (b.some((n) => n > 255)) return undefined;
    s = dotted[1] + ((b[0] << 8) | b[1]).toString(16) + ":" + ((b[2] << 8) | b[3]).toString(16);
  }
  const halves = s.split("::");
  if (halves.length > 2) return undefined;
  const side = (h) => (h === "" ? [] : h.split(":"));
  const head = side(halves[0]), tail = halves.length === 2 ? side(halves[1]) : [];
  const gap = 8 - head.length - tail.length;
  if (halves.length === 2 ? gap < 1 : gap !== 0) return undefined;
  const words = [...head, ...Array(halves.length === 2 ? gap : 0).fill("0"), ...tail];
  if (!words.every((w) => /^[0-9a-f]{1,4}$/.test(w))) return undefined;
  const n = words.map((w) => parseInt(w, 16));
  let best = { at: -1, len: 1 };
  for (let i = 0; i < 8; i++) { let j = i; while (j < 8 && n[j] === 0) j++; if (j - i > best.len) best = { at: i, len: j - i }; if (j > i) i = j; }
  if (best.at < 0) return `[${n.map((w) => w.toString(16)).join(":")}]`;
  const hex = (list) => list.map((w) => w.toString(16)).join(":");
  return `[${hex(n.slice(0, best.at))}::${hex(n.slice(best.at + best.len))}]`;
}

function parseHost(raw, isSpecial) {
  if (raw.startsWith("[")) return raw.endsWith("]") ? ipv6(raw.slice(1, -1)) : undefined;
  if (!isSpecial) return /[\0\t\n\r #/<>?@[\\\]^|]/.test(raw) ? undefined : raw;
  const host = percentDecode(raw).toLowerCase();
  if (host === "" || /[\0-\x20"#%/:<>?@[\\\]^`{|}\x7f]/.test(host) || /[^\0-\x7f]/.test(host)) return undefined;
  return ipv4(host);
}

function normalPath(path, isSpecial) {
  const out = [];
  const segments = (isSpecial ? path.replace(/\\/g, "/") : path).split("/");
  segments.forEach((segment, i) => {
    const plain = segment.replace(/%2e/gi, ".");
    const isLast = i === segments.length - 1;
    if (plain === "..") { if (out.length > 1) out.pop(); if (isLast) out.push(""); }
    else if (plain === ".") { if (isLast) out.push(""); }
    else out.push(percent(segment, IN_PATH));
  });
  const joined = out.join("/");
  return joined.startsWith("/") ? joined : "/" + joined;
}

// Most URLs are already as they should be: parsed by one expression, to what the rules below would give.
const HOST = "(?:[a-z0-9-]+\\.)*[a-z][a-z0-9-]*", PATH = "\\/[!$&-;=@-Z\\[\\]_a-z~|^]*", QUERY = "\\?[!$%&(-;=?-\\[\\]-~]+";
const PLAIN = new RegExp(`^(https?):\\/\\/(${HOST})(?::([1-9][0-9]{0,3}))?(${PATH})?(${QUERY})?$`);
function plainUrl(s) {
  const m = PLAIN.exec(s);
  if (!m || m[4]?.includes("/.")) return undefined;
  const protocol = m[1] + ":", port = m[3] ?? "";
  return { protocol, username: "", password: "", hostname: m[2], port: port === DEFAULT_PORT[protocol] ? "" : port, pathname: m[4] ?? "/", search: m[5] ?? "", hash: "" };
}

function parseUrl(input, base) {
  const plain = plainUrl(input);
  if (plain) return plain;
  const s = input.replace(/^[\0-\x20]+|[\0-\x20]+$/g, "").replace(/[\t\n\r]/g, "");
  const m = /^([A-Za-z][A-Za-z0-9+.-]*):(.*)$/s.exec(s);
  const hashAt = (t) => { const i = t.indexOf("#"); return i < 0 ? [t, ""] : [t.slice(0, i), t.slice(i + 1) === "" ? "" : "#" + percent(t.slice(i + 1), IN_HASH)]; };
  const queryAt = (t, sp) => { const i = t.indexOf("?"); return i < 0 ? [t, null] : [t.slice(0, i), t.slice(i + 1) === "" ? "" : "?" + percent(t.slice(i + 1), sp ? IN_QUERY : IN_QUERY_ANY)]; };
  if (m && !(base && special(m[1].toLowerCase() + ":") && base.protocol === m[1].toLowerCase() + ":" && !/^[/\\]/.test(m[2]))) {
    const protocol = m[1].toLowerCase() + ":", isSpecial = special(protocol);
    const [beforeHash, hash] = hashAt(m[2]);
    const [beforeQuery, search] = queryAt(beforeHash, isSpecial);
    let rest = beforeQuery;
    const u = { protocol, username: "", password: "", hostname: "", port: "", pathname: "", search: search ?? "", hash };
    if (isSpecial && protocol !== "file:") rest = "//" + rest.replace(/^[/\\]+/, "");
    if (!rest.startsWith("//")) { u.pathname = rest.startsWith("/") ? normalPath(rest, isSpecial) : percent(rest, IN_OPAQUE); u.opaque = !rest.startsWith("/"); return u; }
    return authority(u, rest.slice(2), isSpecial);
  }
  if (!base) return undefined;
  const relative = m ? m[2] : s;
  if (base.opaque && !relative.startsWith("#")) return undefined;
  const isSpecial = special(base.protocol);
  const [beforeHash, hash] = hashAt(relative);
  const [path, search] = queryAt(beforeHash, isSpecial);
  const u = { ...base, hash };
  const slashed = isSpecial ? path.replace(/\\/g, "/") : path;
  if (slashed.startsWith("//")) return authority({ ...u, search: search ?? "", username: "", password: "", port: "" }, slashed.slice(2), isSpecial);
  if (slashed === "") { u.search = search ?? base.search; return u; }
  u.search = search ?? "";
  u.pathname = normalPath(slashed.startsWith("/") ? slashed : base.pathname.replace(/[^/]*$/, "") + slashed, isSpecial);
  return u;
}

function authority(u, rest, isSpecial) {
  const end = rest.search(isSpecial ? /[/\\]/ : /\//);
  let host = end < 0 ? rest : rest.slice(0, end);
  const at = host.lastIndexOf("@");
  if (at >= 0) {
    const [user, ...pass] = host.slice(0, at).split(":");
    u.username = percent(user, IN_USER);
    u.password = percent(pass.join(":"), IN_USER);
    host = host.slice(at + 1);
  }
  const port = /:([0-9]*)$/.exec(host.startsWith("[") ? host.slice(host.indexOf("]") + 1) : host);
  if (port) {
    host = host.slice(0, host.length - port[0].length);
    if (port[1] !== "") {
      if (Number(port[1]) > 65535) return undefined;
      u.port = String(Number(port[1]));
      if (u.port === DEFAULT_PORT[u.protocol]) u.port = "";
    }
  } else if (/:[^\]]*$/.test(host) && !host.startsWith("[")) return undefined;
  u.hostname = host === "" && !(isSpecial && u.protocol !== "file:") ? "" : parseHost(host, isSpecial);
  if (u.hostname === undefined) return undefined;
  u.pathname = end < 0 ? (isSpecial ? "/" : "") : normalPath(rest.slice(end), isSpecial);
  return u;
}

const formEncode = (s) => percent(s, IN_FORM).replace(/ /g, "+");
const formDecode = (s) => percentDecode(s.replace(/\+/g, " "));

class URLSearchParams {
  #pairs = []; #changed = () => {};
  constructor(init = "", changed) {
    if (changed) this.#changed = changed;
    if (typeof init === "object" && init !== null) {
      const pairs = typeof init[Symbol.iterator] === "function" ? init : Object.entries(init);
      for (const [k, v] of pairs) this.#pairs.push([String(k), String(v)]);
    } else this.#parse(String(init));
  }
  [SHOWN]() { return Object.fromEntries(this.#pairs); }
  #parse(s) {
    for (const part of s.replace(/^\?/, "").split("&")) {
      if (part === "") continue;
      const i = part.indexOf("=");
      this.#pairs.push(i < 0 ? [formDecode(part), ""] : [formDecode(part.slice(0, i)), formDecode(part.slice(i + 1))]);
    }
  }
  get size() { return this.#pairs.length; }
  append(k, v) { this.#pairs.push([String(k), String(v)]); this.#changed(); }
  delete(k, v) { this.#pairs = this.#pairs.filter((p) => p[0] !== String(k) || (v !== undefined && p[1] !== String(v))); this.#changed(); }
  get(k) { return this.#pairs.find((p) => p[0] === String(k))?.[1] ?? null; }
  getAll(k) { return this.#pairs.filter((p) => p[0] === String(k)).map((p) => p[1]); }
  has(k, v) { return this.#pairs.some((p) => p[0] === String(k) && (v === undefined || p[1] === String(v))); }
  set(k, v) {
    const at = this.#pairs.findIndex((p) => p[0] === String(k));
    if (at < 0) this.#pairs.push([String(k), String(v)]);
    else { this.#pairs[at][1] = String(v); this.#pairs = this.#pairs.filter((p, i) => i <= at || p[0] !== String(k)); }
    this.#changed();
  }
  sort() { this.#pairs.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0)); this.#changed(); }
  forEach(f, self) { for (const [k, v] of this.#pairs) f.call(self, v, k, this); }
  *entries() { for (const p of this.#pairs) yield [...p]; }
  *keys() { for (const p of this.#pairs) yield p[0]; }
  *values() { for (const p of this.#pairs) yield p[1]; }
  [Symbol.iterator]() { return this.entries(); }
  toString() { return this.#pairs.map(([k, v]) => `${formEncode(k)}=${formEncode(v)}`).join("&"); }
}

class URL {
  #u; #params;
  constructor(input, base) {
    let parent;
    if (base !== undefined) {
      parent = parseUrl(String(base));
      if (!parent) throw Object.assign(new TypeError("Invalid URL"), { code: "ERR_INVALID_URL", input: String(input), base: String(base) });
    }
    this.#u = parseUrl(String(input), parent);
    if (!this.#u) throw Object.assign(new TypeError(`Invalid URL: ${String(input).slice(0, 200)}`), { code: "ERR_INVALID_URL", input: String(input) });
  }
  [SHOWN]() {
    const { href, origin, protocol, username, password, host, hostname, port, pathname, search, searchParams, hash } = this;
    return { href, origin, protocol, username, password, host, hostname, port, pathname, search, searchParams, hash };
  }
  static canParse(input, base) { try { new URL(input, base); return true; } catch { return false; } }
  static parse(input, base) { try { return new URL(input, base); } catch { return null; } }
  get protocol() { return this.#u.protocol; }
  get username() { return this.#u.username; }
  get password() { return this.#u.password; }
  get hostname() { return this.#u.hostname; }
  get port() { return this.#u.port; }
  get pathname() { return this.#u.pathname; }
  get search() { return this.#u.search; }
  get hash() { return this.#u.hash; }
  get host() { return this.#u.hostname + (this.#u.port && ":" + this.#u.port); }
  get origin() { return special(this.#u.protocol) && this.#u.protocol !== "file:" ? `${this.#u.protocol}//${this.host}` : "null"; }
  get href() {
    const u = this.#u, user = u.username || u.password ? u.username + (u.password && ":" + u.password) + "@" : "";
    const slashes = u.hostname !== "" || u.protocol === "file:" ? "//" : "";
    return `${u.protocol}${slashes}${user}${this.host}${u.pathname}${u.search}${u.hash}`;
  }
  set href(v) { this.#u = new URL(v).#u; this.#params = undefined; }
  set protocol(v) { const p = String(v).replace(/:.*$/s, "").toLowerCase() + ":"; if (special(p) === special(this.#u.protocol)) { this.#u.protocol = p; if (this.#u.port === DEFAULT_PORT[p]) this.#u.port = ""; } }
  set username(v) { this.#u.username = percent(String(v), IN_USER); }
  set password(v) { this.#u.password = percent(String(v), IN_USER); }
  set hostname(v) { const h = parseHost(String(v), special(this.#u.protocol)); if (h !== undefined) this.#u.hostname = h; }
  set host(v) { const u = authority({ ...this.#u, port: "" }, String(v), special(this.#u.protocol)); if (u) { this.#u.hostname = u.hostname; this.#u.port = u.port; } }
  set port(v) { const p = /^[0-9]*/.exec(String(v))[0]; if (p === "") this.#u.port = ""; else if (Number(p) <= 65535) this.#u.port = String(Number(p)) === DEFAULT_PORT[this.#u.protocol] ? "" : String(Number(p)); }
  set pathname(v) { if (!this.#u.opaque) this.#u.pathname = normalPath((String(v).startsWith("/") ? "" : "/") + String(v).replace(/\?/g, "%3F").replace(/#/g, "%23"), special(this.#u.protocol)); }
  set search(v) { const s = String(v).replace(/^\?/, ""); this.#u.search = s === "" ? "" : "?" + percent(s.replace(/#/g, "%23"), special(this.#u.protocol) ? IN_QUERY : IN_QUERY_ANY); this.#params = undefined; }
  set hash(v) { const s = String(v).replace(/^#/, ""); this.#u.hash = s === "" ? "" : "#" + percent(s, IN_HASH); }
  get searchParams() {
    this.#params ??= new URLSearchParams(this.#u.search, () => { const s = this.#params.toString(); this.#u.search = s === "" ? "" : "?" + s; });
    return this.#params;
  }
  toString() { return this.href; }
  toJSON() { return this.href; }
}
