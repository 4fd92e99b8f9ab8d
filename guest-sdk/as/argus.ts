// Scripts for Argus keepers in AssemblyScript: JSON, HTTP, chain reads and the calling convention. One file, no
// package; assembly/index.ts exports abi_alloc and run:
//
//   import { Json, start } from "./argus";
//   export { abi_alloc } from "./argus";
//   export function run(ptr: usize, len: u32): u64 { return start(ptr, len, script); }
//
// A script takes the context and gives its result as JSON text: an array of arguments, skip("why") or fail("why").

// @ts-ignore: decorator
@external("host", "http_fetch") declare function hostHttpFetch(ptr: usize, len: u32): u64;
// @ts-ignore: decorator
@external("host", "evm_call") declare function hostEvmCall(ptr: usize, len: u32): u64;
// @ts-ignore: decorator
@external("host", "evm_balance") declare function hostEvmBalance(ptr: usize, len: u32): u64;
// @ts-ignore: decorator
@external("host", "env_now") declare function hostEnvNow(ptr: usize, len: u32): u64;
// @ts-ignore: decorator
@external("host", "log") declare function hostLog(ptr: usize, len: u32): u64;

/** The host places replies here. Nothing is freed: an instance lives for one run. */
export function abi_alloc(len: u32): usize {
  return heap.alloc(len);
}

/** What `run` of a script does. */
export function start(ptr: usize, len: u32, script: (context: Json) => string): u64 {
  return pack(script(Json.parse(String.UTF8.decodeUnsafe(ptr, len))));
}

/** What the compiler calls for `throw` and failed checks: asconfig.json names it. The message goes to the log. */
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  log((message ? message : "aborted") + " (" + (file ? file : "?") + ":" + line.toString() + ":" + column.toString() + ")");
  unreachable();
}

function pack(text: string): u64 {
  const bytes = String.UTF8.encode(text);
  return ((<u64>changetype<usize>(bytes)) << 32) | (<u64>bytes.byteLength);
}

function unpack(packed: u64): Json {
  return Json.parse(String.UTF8.decodeUnsafe(<usize>(packed >> 32), <usize>(packed & 0xffffffff)));
}

/** "Not now", as a result. */
export function skip(reason: string): string {
  return '{"skip":' + quote(reason) + "}";
}

/** A failure, as a result. */
export function fail(reason: string): string {
  return '{"error":' + quote(reason) + "}";
}

/** A line of the log. */
export function log(message: string): void {
  const request = String.UTF8.encode('{"message":' + quote(message) + "}");
  hostLog(changetype<usize>(request), request.byteLength);
}

/** Milliseconds since 1970: the due instant, moved on by the host calls since. */
export function now(): i64 {
  const request = String.UTF8.encode("{}");
  return I64.parseInt(unpack(hostEnvNow(changetype<usize>(request), request.byteLength)).get("ok").text);
}

/** An HTTP answer, or why there is none. */
export class Response {
  constructor(public status: i32, public body: string, public error: string) {}
  get ok(): bool { return this.status >= 200 && this.status < 300; }
  get json(): Json { return Json.parse(this.body); }
}

/** `GET url`. */
export function get(url: string): Response {
  return send('{"method":"GET","url":' + quote(url) + "}");
}

/** `POST url` with a JSON body. */
export function post(url: string, body: string): Response {
  return send(
    '{"method":"POST","url":' + quote(url) + ',"headers":[["content-type","application/json"]],"body":"' + toHex(body) + '"}',
  );
}

function send(request: string): Response {
  const bytes = String.UTF8.encode(request);
  const reply = unpack(hostHttpFetch(changetype<usize>(bytes), bytes.byteLength));
  const answer = reply.get("ok");
  if (!answer.exists) return new Response(0, "", reply.get("err").get("message").text);
  return new Response(<i32>I64.parseInt(answer.get("status").text), fromHex(answer.get("body").text), "");
}

/** `eth_call` at the pinned block: 0x hex, or an empty text with the reason in the log. */
export function evmCall(chainId: u64, to: string, data: string): string {
  const bytes = String.UTF8.encode(
    '{"chain_id":' + chainId.toString() + ',"to":' + quote(to) + ',"data":' + quote(data) + "}",
  );
  return answered(unpack(hostEvmCall(changetype<usize>(bytes), bytes.byteLength)));
}

/** Balance in wei, decimal, or an empty text with the reason in the log. */
export function evmBalance(chainId: u64, address: string): string {
  const bytes = String.UTF8.encode('{"chain_id":' + chainId.toString() + ',"address":' + quote(address) + "}");
  return answered(unpack(hostEvmBalance(changetype<usize>(bytes), bytes.byteLength)));
}

function answered(reply: Json): string {
  const answer = reply.get("ok");
  if (answer.exists) return answer.text;
  log(reply.get("err").get("message").text);
  return "";
}

/** An address or a number as a word of calldata, without 0x: `"0x70a08231" + word(owner)`. */
export function word(hex: string): string {
  return hex.substring(2).toLowerCase().padStart(64, "0");
}

/** The number of a word of at most 64 bits; the largest one where it does not fit. */
export function wordToU64(hex: string, index: i32 = 0): u64 {
  const own = hex.substring(2 + index * 64, 2 + (index + 1) * 64);
  for (let i = 0; i < 48; i++) if (own.charCodeAt(i) != 48) return u64.MAX_VALUE;
  return own.length == 64 ? U64.parseInt(own.substring(48), 16) : 0;
}

/** "3012.45" with 8 decimals is 301245000000; throws where the text is no number that fits. */
export function units(text: string, decimals: i32): u64 {
  let n: u64 = 0;
  let point = -1;
  let digits = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c == 46 && point < 0) { point = i; continue; }
    if (c < 48 || c > 57) throw new Error(text + " is no number");
    if (point >= 0 && i - point > decimals) continue;
    digits++;
    n = pushed(n, c - 48);
  }
  if (digits == 0) throw new Error(text + " is no number");
  const have = point < 0 ? 0 : min(text.length - point - 1, decimals);
  for (let i = have; i < decimals; i++) n = pushed(n, 0);
  return n;
}

function pushed(n: u64, digit: i32): u64 {
  if (n > (u64.MAX_VALUE - <u64>digit) / 10) throw new Error("a number does not fit into 64 bits");
  return n * 10 + <u64>digit;
}

/** A text as JSON. */
export function quote(text: string): string {
  let out = '"';
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c == 34 || c == 92) out += "\\" + text.charAt(i);
    else if (c < 32) out += "\\u00" + (c < 16 ? "0" : "1") + (c & 15).toString(16);
    else out += text.charAt(i);
  }
  return out + '"';
}

function toHex(text: string): string {
  const bytes = Uint8Array.wrap(String.UTF8.encode(text));
  let out = "0x";
  for (let i = 0; i < bytes.length; i++) out += (bytes[i] < 16 ? "0" : "") + bytes[i].toString(16);
  return out;
}

function fromHex(hex: string): string {
  const bytes = new Uint8Array((hex.length - 2) / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = <u8>(digit(hex.charCodeAt(2 + 2 * i)) * 16 + digit(hex.charCodeAt(3 + 2 * i)));
  return String.UTF8.decode(bytes.buffer);
}

function digit(c: i32): i32 {
  return c <= 57 ? c - 48 : (c | 32) - 87;
}

/** A JSON value as a part of its text, read where it is asked for. What is absent has no text. */
export class Json {
  private constructor(private source: string, private from: i32, private to: i32) {}

  /** The value of a text. */
  static parse(text: string): Json {
    const from = Json.blank(text, 0);
    return new Json(text, from, Json.end(text, from));
  }

  get exists(): bool { return this.to > this.from; }

  /** A text's characters; of anything else, its JSON. */
  get text(): string {
    const raw = this.source.substring(this.from, this.to);
    return raw.length > 1 && raw.charCodeAt(0) == 34 ? Json.unescape(raw.substring(1, raw.length - 1)) : raw;
  }

  /** A member of an object. */
  get(name: string): Json {
    let at = this.first(123);
    while (at < this.to && this.source.charCodeAt(at) == 34) {
      const end = Json.end(this.source, at);
      const found = Json.unescape(this.source.substring(at + 1, end - 1)) == name;
      at = Json.blank(this.source, Json.blank(this.source, end) + 1);
      const value = new Json(this.source, at, Json.end(this.source, at));
      if (found) return value;
      at = Json.blank(this.source, Json.blank(this.source, value.to) + 1);
    }
    return this.nothing();
  }

  /** An item of an array. */
  at(index: i32): Json {
    let at = this.first(91);
    for (let i = 0; at < this.to && this.source.charCodeAt(at) != 93; i++) {
      const value = new Json(this.source, at, Json.end(this.source, at));
      if (i == index) return value;
      at = Json.blank(this.source, Json.blank(this.source, value.to) + 1);
    }
    return this.nothing();
  }

  /** How many items an array has. */
  get length(): i32 {
    let n = 0;
    let at = this.first(91);
    while (at < this.to && this.source.charCodeAt(at) != 93) {
      n++;
      at = Json.blank(this.source, Json.blank(this.source, Json.end(this.source, at)) + 1);
    }
    return n;
  }

  private nothing(): Json { return new Json(this.source, 0, 0); }

  // Where the first item or name is, if this begins with that bracket; else the end.
  private first(bracket: i32): i32 {
    return this.exists && this.source.charCodeAt(this.from) == bracket ? Json.blank(this.source, this.from + 1) : this.to;
  }

  private static blank(s: string, at: i32): i32 {
    while (at < s.length && s.charCodeAt(at) <= 32) at++;
    return at;
  }

  // Past the value that begins at `at`.
  private static end(s: string, at: i32): i32 {
    let depth = 0;
    while (at < s.length) {
      const c = s.charCodeAt(at);
      if (c == 34) {
        at++;
        while (at < s.length && s.charCodeAt(at) != 34) at += s.charCodeAt(at) == 92 ? 2 : 1;
      } else if (c == 91 || c == 123) depth++;
      else if (c == 93 || c == 125) {
        if (depth == 0) return at;
        depth--;
      } else if (depth == 0) {
        if (c == 44 || c <= 32) return at;
        at++;
        continue;
      }
      at++;
      if (depth == 0) return at;
    }
    return min(at, s.length);
  }

  private static unescape(s: string): string {
    if (!s.includes("\\")) return s;
    let out = "";
    for (let i = 0; i < s.length; i++) {
      if (s.charCodeAt(i) != 92) { out += s.charAt(i); continue; }
      const c = s.charAt(++i);
      if (c == "u") { out += String.fromCharCode(<i32>I64.parseInt(s.substring(i + 1, i + 5), 16)); i += 4; }
      else out += c == "n" ? "\n" : c == "t" ? "\t" : c == "r" ? "\r" : c == "b" ? "\b" : c == "f" ? "\f" : c;
    }
    return out;
  }
}

// @ts-ignore: decorator
@external("host", "evm_block_number") declare function hostEvmBlockNumber(ptr: usize, len: u32): u64;
// @ts-ignore: decorator
@external("host", "evm_logs") declare function hostEvmLogs(ptr: usize, len: u32): u64;
// @ts-ignore: decorator
@external("host", "env_random") declare function hostEnvRandom(ptr: usize, len: u32): u64;
// @ts-ignore: decorator
@external("host", "env_secret") declare function hostEnvSecret(ptr: usize, len: u32): u64;
// @ts-ignore: decorator
@external("host", "env_hmac") declare function hostEnvHmac(ptr: usize, len: u32): u64;
// @ts-ignore: decorator
@external("host", "storage_get") declare function hostStorageGet(ptr: usize, len: u32): u64;
// @ts-ignore: decorator
@external("host", "storage_set") declare function hostStorageSet(ptr: usize, len: u32): u64;
// @ts-ignore: decorator
@external("host", "storage_delete") declare function hostStorageDelete(ptr: usize, len: u32): u64;

/** Height of the pinned block, decimal, or an empty text with the reason in the log. */
export function evmBlockNumber(chainId: u64): string {
  const bytes = String.UTF8.encode('{"chain_id":' + chainId.toString() + "}");
  return answered(unpack(hostEvmBlockNumber(changetype<usize>(bytes), bytes.byteLength)));
}

/** Logs of a contract with that first topic in the blocks from..to: an array; absent, and the reason in the log. */
export function evmLogs(chainId: u64, address: string, topic: string, from: u64, to: u64): Json {
  const bytes = String.UTF8.encode(
    '{"chain_id":' + chainId.toString() + ',"address":' + quote(address) + ',"topics":[' + quote(topic) +
    '],"from_block":' + from.toString() + ',"to_block":' + to.toString() + "}",
  );
  return Json.parse(answered(unpack(hostEvmLogs(changetype<usize>(bytes), bytes.byteLength))));
}

/** Bytes that follow from job and task, as 0x hex. */
export function random(len: u32): string {
  const bytes = String.UTF8.encode('{"len":' + len.toString() + "}");
  return answered(unpack(hostEnvRandom(changetype<usize>(bytes), bytes.byteLength)));
}

/** The placeholder of a secret that the job was granted: the host puts the secret in as a request leaves. */
export function secret(name: string): string {
  const bytes = String.UTF8.encode('{"name":' + quote(name) + "}");
  return answered(unpack(hostEnvSecret(changetype<usize>(bytes), bytes.byteLength)));
}

/**
 * HMAC-SHA256 of a text under a secret that the job was granted, of at least 16 bytes, in a job whose agreement is
 * trust-performer; in "hex" or "base64". Placeholders in the text stand for their values. The result is recorded: it is
 * no secret. An empty text, with the reason in the log, where there is none.
 */
export function hmac(secret: string, data: string, encoding: string = "hex"): string {
  const bytes = String.UTF8.encode(
    '{"name":' + quote(secret) + ',"data":"' + toHex(data) + '","encoding":' + quote(encoding) + "}",
  );
  return answered(unpack(hostEnvHmac(changetype<usize>(bytes), bytes.byteLength)));
}

/** What the job remembers under a key; null where there is nothing. */
export function storageGet(key: string): string | null {
  const bytes = String.UTF8.encode('{"key":' + quote(key) + "}");
  const value = answered(unpack(hostStorageGet(changetype<usize>(bytes), bytes.byteLength)));
  return value.startsWith("0x") ? fromHex(value) : null;
}

/** Remembers a text; it counts once the run's call is on the chain. */
export function storageSet(key: string, value: string): void {
  const bytes = String.UTF8.encode('{"key":' + quote(key) + ',"value":"' + toHex(value) + '"}');
  answered(unpack(hostStorageSet(changetype<usize>(bytes), bytes.byteLength)));
}

/** Forgets a value. */
export function storageDelete(key: string): void {
  const bytes = String.UTF8.encode('{"key":' + quote(key) + "}");
  answered(unpack(hostStorageDelete(changetype<usize>(bytes), bytes.byteLength)));
}
