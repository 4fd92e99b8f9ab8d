// Headers, Request, Response, fetch.
const HTTP_TIMEOUT_MS = 5000; // of one call; the host enforces the same

// One host call as a promise; settle turns the head of the reply into its value.
const parsed = (head, bytes, settle) => settle(JSON.parse(head));
const issue = (op, request, settle) => N.issue(op, JSON.stringify(request), parsed, settle);

function headerName(k) {
  const given = `${k}`, name = N.headerName(given);
  if (name === undefined) throw new TypeError(`Headers: "${given.slice(0, 60)}" is no header name`);
  return name;
}
function headerValue(v) {
  const given = `${v}`;
  if (N.isHeaderValue(given)) return given;
  const value = given.replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, "");
  if (/[\0\r\n]/.test(value)) throw new TypeError("Headers: a value must be on one line");
  return value;
}

let receivedHeaders; // those of an answer: the host gives names in lower case and values on one line
class Headers {
  static {
    receivedHeaders = (pairs) => { const h = new Headers(); for (const [k, v] of pairs) h.#map.set(k, h.#map.has(k) ? `${h.#map.get(k)}, ${v}` : v); return h; };
  }
  #map = new Map();
  constructor(init) {
    if (init === undefined || init === null) return;
    if (typeof init !== "object") throw new TypeError("Headers: give an object or a list of pairs");
    const isList = typeof init[Symbol.iterator] === "function";
    for (const pair of isList ? init : Object.entries(init)) {
      const [k, v, ...more] = pair;
      if (isList && (more.length || v === undefined)) throw new TypeError("Headers: each pair is a name and a value");
      this.append(k, v);
    }
  }
  append(k, v) { const n = headerName(k), old = this.#map.get(n), value = headerValue(v); this.#map.set(n, old === undefined ? value : `${old}, ${value}`); }
  set(k, v) { this.#map.set(headerName(k), headerValue(v)); }
  get(k) { return this.#map.get(headerName(k)) ?? null; }
  has(k) { return this.#map.has(headerName(k)); }
  delete(k) { this.#map.delete(headerName(k)); }
  getSetCookie() { return []; }
  get [Symbol.toStringTag]() { return "Headers"; }
  forEach(f, self) { for (const [k, v] of this) f.call(self, v, k, this); }
  *entries() { for (const k of [...this.#map.keys()].sort()) if (this.#map.has(k)) yield [k, this.#map.get(k)]; }
  *keys() { for (const [k] of this) yield k; }
  *values() { for (const [, v] of this) yield v; }
  [Symbol.iterator]() { return this.entries(); }
  [SHOWN]() { return Object.fromEntries(this); }
}

function bodyBytes(body) {
  if (body === undefined || body === null) return [null, null];
  if (typeof body === "string") return [N.utf8Encode(body), "text/plain;charset=UTF-8"];
  if (body instanceof URLSearchParams) return [N.utf8Encode(body.toString()), "application/x-www-form-urlencoded;charset=UTF-8"];
  if (body instanceof ArrayBuffer || ArrayBuffer.isView(body)) return [bytesOf(body).slice(), null];
  if (typeof body === "object") {
    if (isStream(body)) return [takeWhole(body), null];
    const kind = /FormData|Blob|Stream/.test(className(body)) ? className(body) : body[Symbol.asyncIterator] ? "async iterable" : null;
    if (kind) throw new TypeError(`fetch: ${kind} bodies are not available here; give a string, URLSearchParams or bytes`);
  }
  return [N.utf8Encode(String(body)), "text/plain;charset=UTF-8"];
}

// An async function costs as much fuel as all that these do, and a closure half of it.
function promised(f, body) {
  try { return Promise.resolve(f(body)); } catch (e) { return Promise.reject(e); }
}

// In place of a body: what follows is an answer of the host, or of another Response.
const RECEIVED = Symbol("received");
const unusable = () => new TypeError("Body is unusable: Body has already been read");
const noState = (what) => new TypeError(`Invalid state: ${what}`);

// A body that was received, as a stream of one piece. Nobody makes one but the getter of a body, when it is first read.
let streamOf, isStream, isDisturbed, leftOf, takeWhole;
class ReadableStream {
  static {
    streamOf = (bytes) => new ReadableStream(RECEIVED, bytes);
    isStream = (held) => #left in held;
    isDisturbed = (stream) => stream.#disturbed;
    leftOf = (stream) => {
      if (stream.#disturbed || stream.#reader) throw unusable();
      return stream.#left ?? new Uint8Array(0);
    };
    // For text() and its like; who reads the body that way holds the stream for good.
    takeWhole = (stream) => {
      const bytes = leftOf(stream);
      stream.#end();
      stream.#reader = RECEIVED;
      return bytes;
    };
  }
  static #Reader = class ReadableStreamDefaultReader {
    #stream;
    #closed; #settle; // the promise, and what ends it
    constructor(stream) {
      if (stream.#reader) throw noState("ReadableStream is locked");
      this.#stream = stream;
      stream.#reader = this;
    }
    #attached() {
      if (!this.#stream) throw noState("The reader is not attached to a stream");
      return this.#stream;
    }
    async read() {
      const value = this.#attached().#left;
      await this.cancel();
      return value === null ? { value: undefined, done: true } : { value, done: false };
    }
    async cancel() {
      this.#attached().#end();
      this.#settle?.resolve();
    }
    releaseLock() {
      if (!this.#stream) return;
      this.#stream.#reader = null;
      this.#stream = null;
      this.#settle?.reject(noState("Reader released"));
      this.#closed = undefined;
    }
    get closed() {
      if (this.#closed) return this.#closed;
      this.#settle = Promise.withResolvers();
      this.#closed = this.#settle.promise;
      this.#closed.catch(() => {});
      if (!this.#stream) this.#settle.reject(noState("Reader released"));
      else if (this.#stream.#left === null) this.#settle.resolve();
      return this.#closed;
    }
  };
  #left; // what was not read yet; null at the end
  #disturbed = false;
  #reader = null;
  constructor(key, bytes) {
    if (key !== RECEIVED) throw new TypeError("a ReadableStream cannot be made here: only the body of a Response or a Request is one");
    this.#left = bytes.length ? bytes : null;
  }
  #end() { this.#disturbed = true; this.#left = null; }
  get locked() { return this.#reader !== null; }
  get [Symbol.toStringTag]() { return "ReadableStream"; }
  getReader(options) {
    if (options?.mode !== undefined) throw new TypeError("getReader: a mode is not available here");
    return new ReadableStream.#Reader(this);
  }
  async cancel() {
    if (this.locked) throw noState("ReadableStream is locked");
    this.#end();
  }
  // No generator: one that is left by a throw would let go of the stream only after whoever catches that has gone on.
  values(options) {
    const reader = this.getReader();
    let isOver = false;
    const leave = () => { isOver = true; reader.releaseLock(); };
    return {
      async next() {
        if (isOver) return { value: undefined, done: true };
        const piece = await reader.read();
        if (piece.done) leave();
        return piece;
      },
      async return(value) {
        if (!isOver && !options?.preventCancel) reader.cancel();
        leave();
        return { value, done: true };
      },
      [Symbol.asyncIterator]() { return this; },
    };
  }
  [Symbol.asyncIterator](options) { return this.values(options); }
  tee() { throw new TypeError("tee() is not available here; use clone() of what it is the body of"); }
  pipeTo() { throw new TypeError("pipeTo() is not available here; use getReader() or for await"); }
  pipeThrough() { throw new TypeError("pipeThrough() is not available here; use getReader() or for await"); }
}

// Functions and no private methods of the class: those cost every answer fuel when it is made.
const takeText = (body) => { const s = N.utf8Decode(take(body), false); return s.charCodeAt(0) === 0xfeff ? s.slice(1) : s; };
const takeJson = (body) => JSON.parse(takeText(body));
const READ = []; // in place of bytes that were read
let heldBytes, withoutBytes, isRead, take; // of a Request or a Response; heldBytes: of one that is not read
class Body {
  static {
    heldBytes = (body) => { const held = body.#held; return held === null || !isStream(held) ? held : leftOf(held); };
    withoutBytes = (body) => { body.#held = null; return body; };
    isRead = (body) => body.bodyUsed || (body.#held !== null && isStream(body.#held) && body.#held.locked);
    take = (body) => {
      const held = body.#held;
      if (held === null) return new Uint8Array(0);
      if (held === READ) throw unusable();
      if (isStream(held)) return takeWhole(held);
      body.#held = READ;
      return held;
    };
  }
  #held; // bytes, the stream of them once somebody asked for that, READ, or null: there is no body. All in one: each field costs fuel
  constructor(bytes) { this.#held = bytes; }
  get bodyUsed() { return this.#held === READ || (this.#held !== null && isStream(this.#held) && isDisturbed(this.#held)); }
  get body() {
    const held = this.#held;
    if (held === null || isStream(held)) return held;
    const stream = this.#held = streamOf(held);
    if (held === READ) takeWhole(stream);
    return stream;
  }
  bytes() { return promised(take, this); }
  async arrayBuffer() { const b = take(this); return b.buffer.slice(b.byteOffset, b.byteOffset + b.byteLength); }
  text() { return promised(takeText, this); }
  async buffer() { return Buffer.of8(take(this)); } // node-fetch's
  json() { return promised(takeJson, this); }
  async blob() { throw new TypeError("blob() is not available here; use arrayBuffer() or bytes()"); }
  async formData() { throw new TypeError("formData() is not available here; use text() and URLSearchParams"); }
}

const METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"];
function requestMethod(given) {
  const method = String(given), upper = method.toUpperCase();
  if (METHODS.includes(upper)) return upper;
  if (N.headerName(method) === undefined || /^(connect|trace|track)$/i.test(method)) throw new TypeError(`fetch: method ${method.slice(0, 40)} is not allowed`);
  return method;
}

let givenSignal; // of a Request; null: it was given none
class Request extends Body {
  static { givenSignal = (request) => request.#signal; }
  #signal;
  constructor(input, init) {
    init ??= {};
    const from = input instanceof Request ? input : null;
    if (from && init.body === undefined && isRead(from)) throw new TypeError("Cannot construct a Request with a Request object that has already been used.");
    const [bytes, type] = init.body !== undefined ? bodyBytes(init.body) : [from ? heldBytes(from) : null, null];
    super(bytes);
    const url = new URL(from ? from.url : String(input));
    if (url.protocol !== "http:" && url.protocol !== "https:") throw new TypeError(`fetch failed: ${url.protocol} is not supported, use http: or https:`);
    if (url.username || url.password) throw new TypeError("Request cannot be constructed from a URL that includes credentials");
    this.url = url.href;
    this.method = requestMethod(init.method ?? from?.method ?? "GET");
    if (bytes !== null && (this.method === "GET" || this.method === "HEAD")) throw new TypeError("Request with GET/HEAD method cannot have body.");
    this.headers = new Headers(init.headers ?? from?.headers);
    if (type && !this.headers.has("content-type")) this.headers.set("content-type", type);
    this.redirect = init.redirect ?? from?.redirect ?? "follow";
    if (!["follow", "error", "manual"].includes(this.redirect)) throw new TypeError(`fetch: redirect "${this.redirect}" is not known`);
    this.#signal = init.signal === undefined && from ? from.#signal : init.signal ?? null;
    if (this.#signal !== null && !(this.#signal instanceof AbortSignal)) throw new TypeError("fetch: signal is no AbortSignal");
    this.timeout = init.timeout; // node-fetch's spelling
    if (from && init.body === undefined && bytes !== null) take(from);
  }
  get signal() { return (this.#signal ??= new AbortSignal(signalKey)); }
  clone() {
    if (isRead(this)) throw new TypeError("Request.clone: Body has already been consumed.");
    return new Request(this, { body: heldBytes(this) ?? undefined });
  }
}

const STATUS_TEXT = { 200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 301: "Moved Permanently", 302: "Found", 304: "Not Modified",
  400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 409: "Conflict", 422: "Unprocessable Entity",
  429: "Too Many Requests", 500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout" };

// What comes behind # is never sent, and no part of where an answer is from.
const bare = (url) => { const at = url.indexOf("#"); return at < 0 ? url : url.slice(0, at); };

const NO_BODY = [204, 205, 304], REDIRECTS = [301, 302, 303, 307, 308]; // statuses

// Where it stands in what a Response holds, an array, which costs less fuel than an object: its status, the host's head,
// the address that was asked for, and what the head says, which most scripts never want to know.
const STATUS = 0, HEAD = 1, ASKED = 2, SAID = 3;
const said = (of) => (of[SAID] ??= JSON.parse(of[HEAD]).ok);

class Response extends Body {
  #of;
  constructor(body = null, init, bytes = null) {
    if (body === RECEIVED) {
      super(bytes);
      this.#of = init;
      return;
    }
    const [given, type] = bodyBytes(body);
    super(given);
    init ??= {};
    const status = init.status === undefined ? 200 : Math.trunc(Number(init.status)), statusText = `${init.statusText ?? ""}`;
    if (/[^\t -~\x80-\xff]/.test(statusText)) throw new TypeError("Response: Invalid statusText");
    if (!(status >= 200 && status <= 599)) throw new RangeError("Response: status must be between 200 and 599");
    if (given !== null && NO_BODY.includes(status)) throw new TypeError(`Response: an answer of status ${status} has no body`);
    const headers = new Headers(init.headers);
    if (type && !headers.has("content-type")) headers.set("content-type", type);
    this.#of = [status, null, "", { statusText, headers, url: "", type: "default" }];
  }
  get status() { return this.#of[STATUS]; }
  get ok() { return this.status >= 200 && this.status <= 299; }
  get statusText() { return this.#of[SAID]?.statusText ?? STATUS_TEXT[this.status] ?? ""; }
  get headers() {
    const of = said(this.#of);
    return Array.isArray(of.headers) ? (of.headers = receivedHeaders(of.headers)) : of.headers;
  }
  get url() { return bare(said(this.#of).url ?? this.#of[ASKED]); }
  get redirected() { return this.url !== bare(this.#of[ASKED]); }
  get type() { return this.#of[SAID]?.type ?? "basic"; }
  clone() {
    if (isRead(this)) throw new TypeError("Response.clone: Body has already been consumed.");
    const { status, statusText, url, type } = this, headers = new Headers(this.headers);
    return new Response(RECEIVED, [status, null, this.#of[ASKED], { statusText, headers, url, type }], heldBytes(this)?.slice() ?? null);
  }
  [SHOWN]() {
    const { status, statusText, headers, bodyUsed, ok, redirected, type, url } = this;
    return { status, statusText, headers, bodyUsed, ok, redirected, type, url };
  }
  static json(v, init) {
    const text = JSON.stringify(v), h = new Headers(init?.headers);
    if (text === undefined) throw new TypeError("Value is not JSON serializable");
    if (!h.has("content-type")) h.set("content-type", "application/json");
    return new Response(text, { ...init, headers: h });
  }
  static redirect(url, status = 302) {
    const { href } = new URL(url);
    status = Math.trunc(Number(status));
    if (!REDIRECTS.includes(status)) throw new RangeError(`Response.redirect: ${status} is no status of a redirect: use ${REDIRECTS.join(", ")}`);
    return new Response(RECEIVED, [status, null, "", { statusText: "", headers: new Headers({ location: href }), url: "", type: "default" }]);
  }
  static error() { return new Response(RECEIVED, [0, null, "", { statusText: "", headers: new Headers(), url: "", type: "error" }]); }
}

function fetchError({ kind, message: reason }) {
  const e = new TypeError(`fetch failed: ${reason}`);
  Object.defineProperty(e, "kind", { value: kind, enumerable: false, configurable: true });
  Object.defineProperty(e, "cause", { value: new Error(reason), enumerable: false, configurable: true });
  return e;
}

// What becomes of a reply: bytes are its body, asked is the address that it answers; without a status it is a refusal.
const refusal = (head) => JSON.parse(head).err;
function landed(head, bytes, asked, status) {
  if (!status) throw fetchError(refusal(head));
  return new Response(RECEIVED, [status, head, asked], status > 203 && NO_BODY.includes(status) ? null : bytes);
}

const PLAIN_BEFORE = '{"method":"GET","url":"';
const PLAIN_AFTER = `","headers":[],"body":null,"timeout_ms":${HTTP_TIMEOUT_MS},"redirect":"follow"}`;
function fetch(input, init) {
  // Most ask for an address and nothing else, written as a Request would write it.
  if (init == null && typeof input === "string" && N.howWritten(input) === WRITTEN)
    return N.issue("http_fetch", `${PLAIN_BEFORE}${input}${PLAIN_AFTER}`, landed, input);
  return fetchRequest(input, init);
}

async function fetchRequest(input, init) {
  const request = new Request(input, init);
  const signal = givenSignal(request);
  signal?.throwIfAborted();
  let timeoutMs = Number(request.timeout) > 0 ? Math.min(Number(request.timeout), HTTP_TIMEOUT_MS) : HTTP_TIMEOUT_MS;
  const bySignal = signal?.deadline !== undefined && signal.deadline - N.now() <= timeoutMs;
  if (bySignal) timeoutMs = Math.max(signal.deadline - N.now(), 1);
  const bytes = heldBytes(request);
  // Put together here because JSON.stringify of the whole costs as much fuel as making the request; what stands between
  // quotes has none in it.
  const wire = `{"method":"${request.method}","url":${JSON.stringify(request.url)},"headers":${JSON.stringify([...request.headers])},`
    + `"body":${bytes === null ? "null" : `"0x${N.hex(bytes)}"`},"timeout_ms":${Math.ceil(timeoutMs)},"redirect":"${request.redirect}"}`;
  const settle = !bySignal ? landed : (head, bytes, asked, status) => {
    if (status || refusal(head).kind !== "timeout") return landed(head, bytes, asked, status);
    signalAbort(signal, timeoutError());
    throw signal.reason;
  };
  let answered = N.issue("http_fetch", wire, settle, request.url);
  if (request.method === "HEAD") answered = answered.then(withoutBytes);
  if (!signal) return answered;
  // An abort is seen at once; the call itself is out, and its answer is recorded like any other.
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    answered.then(resolve, reject);
  });
}
