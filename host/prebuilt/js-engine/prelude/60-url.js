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

const invalidUrl = (input, why = "") => Object.assign(new TypeError(`Invalid URL: ${input.slice(0, 200)}${why}`), { code: "ERR_INVALID_URL", input });

// undefined where it is none. Behind file: comes the empty one, mostly.
function parseHost(raw, protocol) {
  if (raw === "" && (protocol === "file:" || !special(protocol))) return "";
  if (raw.startsWith("[")) return raw.endsWith("]") ? ipv6(raw.slice(1, -1)) : undefined;
  if (!special(protocol)) return /[\0\t\n\r #/:<>?@[\\\]^|]/.test(raw) ? undefined : percent(raw, IN_OPAQUE);
  const host = percentDecode(raw).toLowerCase();
  if (/[^\0-\x7f]/.test(host)) throw invalidUrl(raw, ": a host name outside ASCII is written in its xn-- form here; Node's url.domainToASCII gives it");
  if (host === "" || /[\0-\x20#%/:<>?@[\\\]^|\x7f]/.test(host)) return undefined;
  return protocol === "file:" && host === "localhost" ? "" : ipv4(host);
}

// A host, and what comes behind the colon after it, if there is one: the first that is in no brackets.
const hostAndPort = (s) => /^((?:\[[^\]]*\]|[^:])*)(?::(.*))?$/s.exec(s).slice(1);

// As a URL shows it: a scheme's own port is left out. undefined where it is none.
function parsePort(digits, protocol) {
  const port = String(Number(digits));
  return Number(port) > 65535 ? undefined : port === DEFAULT_PORT[protocol] ? "" : port;
}

function normalPath(path, isSpecial) {
  const out = [];
  const [, ...segments] = (isSpecial ? path.replace(/\\/g, "/") : path).replace(/^(?!\/)/, "/").split("/");
  segments.forEach((segment, i) => {
    const plain = segment.replace(/%2e/gi, ".");
    const isLast = i === segments.length - 1;
    if (plain === "..") { out.pop(); if (isLast) out.push(""); }
    else if (plain === ".") { if (isLast) out.push(""); }
    else out.push(percent(segment, IN_PATH));
  });
  return "/" + out.join("/");
}

// Of a URL are kept: protocol, username, password, hostname (null where it has no place for one), port, pathname, search
// and hash with their marks (null where there is not even the mark), and whether the path is opaque (mailto:x).
const searchOf = (text, isSpecial) => "?" + percent(text, isSpecial ? IN_QUERY : IN_QUERY_ANY);
const hashOf = (text) => "#" + percent(text, IN_HASH);
const split = (s, mark) => { const at = s.indexOf(mark); return at < 0 ? [s, null] : [s.slice(0, at), s.slice(at + 1)]; };
const onOneLine = (s) => s.replace(/[\t\n\r]/g, "");

// Most URLs are already as they should be: what the engine says that of is only taken apart.
const OTHERWISE = 0, WRITTEN = 1; // what N.howWritten says
const PARTS = /^(https?:)\/\/([^:/]*):?([^/]*)([^?]*)(.*)$/;
function plainUrl(s) {
  if (N.howWritten(s) === OTHERWISE) return undefined;
  const [, protocol, hostname, port, pathname, search] = PARTS.exec(s);
  return { protocol, username: "", password: "", hostname, port, pathname: pathname || "/", search: search || null, hash: null, opaque: false };
}

function parseUrl(input, base) {
  const plain = plainUrl(input);
  if (plain) return plain;
  const s = onOneLine(input.replace(/^[\0-\x20]+|[\0-\x20]+$/g, ""));
  const m = /^([A-Za-z][A-Za-z0-9+.-]*):(.*)$/s.exec(s), scheme = m && m[1].toLowerCase() + ":";
  // What begins with its base's scheme and has no host is relative all the same.
  const isWhole = m && !(base?.protocol === scheme && special(scheme) && !m[2].startsWith("//"));
  if (!isWhole && !base) return undefined;
  const protocol = isWhole ? scheme : base.protocol, isSpecial = special(protocol);
  const [beforeHash, fragment] = split(m ? m[2] : s, "#"), [text, query] = split(beforeHash, "?");
  const rest = isSpecial ? text.replace(/\\/g, "/") : text;
  if (!isWhole && base.opaque && (rest !== "" || query !== null || fragment === null)) return undefined;
  const own = { protocol, username: "", password: "", hostname: protocol === "file:" ? "" : null, port: "", pathname: "", opaque: false,
    search: query === null ? null : searchOf(query, isSpecial), hash: fragment === null ? null : hashOf(fragment) };
  if (rest.startsWith("//") || (isWhole && isSpecial && protocol !== "file:"))
    return authority(own, rest.slice(isSpecial && protocol !== "file:" ? rest.search(/[^/]|$/) : 2), isSpecial);
  if (isWhole) {
    own.opaque = !isSpecial && !rest.startsWith("/");
    own.pathname = own.opaque ? percent(rest, IN_OPAQUE) : normalPath(rest, isSpecial);
    return own;
  }
  const u = { ...base, search: own.search, hash: own.hash };
  if (rest === "") u.search ??= query === null ? base.search : null;
  else u.pathname = normalPath(rest.startsWith("/") ? rest : base.pathname.replace(/[^/]*$/, "") + rest, isSpecial);
  return u;
}

function authority(u, rest, isSpecial) {
  const [before, path] = split(rest, "/"), at = before.lastIndexOf("@");
  if (at >= 0) {
    const [user, pass] = split(before.slice(0, at), ":");
    u.username = percent(user, IN_USER);
    u.password = percent(pass ?? "", IN_USER);
  }
  const given = before.slice(at + 1), [host, port] = u.protocol === "file:" ? [given] : hostAndPort(given);
  if ((port && /[^0-9]/.test(port)) || (host === "" && (port !== undefined || at >= 0))) return undefined;
  u.hostname = parseHost(host, u.protocol);
  if (port) u.port = parsePort(port, u.protocol);
  if (u.hostname === undefined || u.port === undefined) return undefined;
  if (path !== null || isSpecial) u.pathname = normalPath("/" + (path ?? ""), isSpecial);
  return u;
}

const formEncode = (s) => percent(s, IN_FORM).replace(/ /g, "+");
const formDecode = (s) => percentDecode(s.replace(/\+/g, " "));

let readAnew; // (params, text): what they hold from now on, where somebody has them
class URLSearchParams {
  static { readAnew = (params, text) => { if (params) { params.#pairs = []; params.#parse(text); } }; }
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

// What changes the parts of a URL. A private method of the class would cost every URL fuel when it is made.
const hostOf = (u) => (u.hostname ?? "") + (u.port && ":" + u.port);
const hasHost = (u) => !!u.hostname && u.protocol !== "file:";
function setHost(u, text, withPort) {
  const given = onOneLine(text).split(special(u.protocol) ? /[/\\?#]/ : /[/?#]/, 1)[0];
  const [host, port] = u.protocol === "file:" ? [given] : hostAndPort(given);
  if (u.opaque || (port !== undefined && (!withPort || host === "")) || (host === "" && (u.username || u.password || u.port))) return;
  const hostname = parseHost(host, u.protocol);
  if (hostname === undefined) return;
  u.hostname = hostname;
  if (port) setPort(u, port);
}
function setPort(u, text) {
  const given = onOneLine(text), digits = /^[0-9]*/.exec(given)[0];
  if (!hasHost(u) || (digits === "" && given !== "")) return;
  u.port = digits === "" ? "" : parsePort(digits, u.protocol) ?? u.port;
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
    if (!this.#u) throw invalidUrl(String(input));
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
  get hostname() { return this.#u.hostname ?? ""; }
  get port() { return this.#u.port; }
  get pathname() { return this.#u.pathname; }
  get search() { return this.#u.search === "?" ? "" : this.#u.search ?? ""; }
  get hash() { return this.#u.hash === "#" ? "" : this.#u.hash ?? ""; }
  get host() { return hostOf(this.#u); }
  get origin() { return special(this.#u.protocol) && this.#u.protocol !== "file:" ? `${this.#u.protocol}//${hostOf(this.#u)}` : "null"; }
  get href() {
    const u = this.#u, user = u.username || u.password ? u.username + (u.password && ":" + u.password) + "@" : "";
    // A path that would read as a host without it has a dot in front.
    const before = u.hostname !== null ? `//${user}${hostOf(u)}` : !u.opaque && u.pathname.startsWith("//") ? "/." : "";
    return `${u.protocol}${before}${u.pathname}${u.search ?? ""}${u.hash ?? ""}`;
  }
  // By the standard a part that cannot be is not taken, without a word, and of some only the beginning.
  set href(v) { this.#u = new URL(v).#u; readAnew(this.#params, this.search); }
  set protocol(v) {
    const u = this.#u, m = /^([A-Za-z][A-Za-z0-9+.-]*)(?::|$)/.exec(onOneLine(String(v)));
    const protocol = m && m[1].toLowerCase() + ":";
    if (!m || special(protocol) !== special(u.protocol)) return;
    if ((protocol === "file:" && (u.username || u.password || u.port)) || (u.protocol === "file:" && !u.hostname)) return;
    u.protocol = protocol;
    if (u.port === DEFAULT_PORT[protocol]) u.port = "";
  }
  set username(v) { if (hasHost(this.#u)) this.#u.username = percent(String(v), IN_USER); }
  set password(v) { if (hasHost(this.#u)) this.#u.password = percent(String(v), IN_USER); }
  set host(v) { setHost(this.#u, String(v), true); }
  set hostname(v) { setHost(this.#u, String(v), false); }
  set port(v) { setPort(this.#u, String(v)); }
  set pathname(v) {
    const u = this.#u, path = onOneLine(String(v));
    if (!u.opaque) u.pathname = path === "" && !special(u.protocol) && u.hostname !== null ? "" : normalPath(path, special(u.protocol));
  }
  set search(v) {
    const given = String(v);
    this.#u.search = given === "" ? null : searchOf(onOneLine(given.replace(/^\?/, "")), special(this.#u.protocol));
    readAnew(this.#params, this.search);
  }
  set hash(v) { const given = String(v); this.#u.hash = given === "" ? null : hashOf(onOneLine(given.replace(/^#/, ""))); }
  get searchParams() {
    this.#params ??= new URLSearchParams(this.search, () => { const s = this.#params.toString(); this.#u.search = s === "" ? null : "?" + s; });
    return this.#params;
  }
  toString() { return this.href; }
  toJSON() { return this.href; }
}
