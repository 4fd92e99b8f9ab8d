// What a script has besides the language itself. Put this file into "files" or "types" of tsconfig.json, with
// "lib": ["ES2022"] and without "DOM": what is not declared here is not there.

declare namespace Argus {
  /** What a script is told. Also on standard input, as JSON. Integers that may pass 2^53 are decimal strings. */
  interface Context {
    job_id: string;
    task_id: string;
    /** RFC 3339; the script's clock starts here. */
    due: string;
    attempt: number;
    trigger: Trigger;
    /** The job's static arguments. */
    arguments: unknown[];
    /** Per chain id: the block at which the run reads. */
    pinned: Record<string, { number: number; hash: string }>;
  }

  type Trigger =
    | { kind: "time" | "manual" }
    | { kind: "condition"; value: string; observed_at: string }
    | { kind: "event"; chain_id: number; block_number: number; tx_hash: string; log: Log };

  interface Log {
    address: string;
    topics: string[];
    data: string;
    block_number: number;
    block_hash: string;
    transaction_hash: string;
    log_index: number;
  }

  /** A value of the ABI: bigint and decimal strings are exact, bytes and addresses are 0x hex. */
  type Argument = string | number | bigint | boolean | Argument[] | { [name: string]: Argument };
  /** The arguments of the call, in order. */
  type Arguments = Argument[];
  /** What a script of a job of kind 7 gives. */
  interface Decision {
    shouldExecute: boolean;
    targetContract?: string;
    calldata?: string;
    storageUpdates?: Record<string, unknown>;
    metadata?: { reason?: string; [name: string]: unknown };
  }

  /** Why a host call was not answered. A limit ends the run and cannot be caught. */
  interface HostError extends Error {
    kind: "invalid" | "denied" | "timeout" | "transport" | "reverted";
    /** Revert data. */
    data?: string;
  }
}

/** What only this platform has. All chain reads are at the block pinned for the run. */
declare const argus: {
  readonly version: string;
  readonly context: Argus.Context;
  evm: {
    /** `eth_call`; gives 0x hex. A revert rejects with a {@link Argus.HostError}. */
    call(request: { chainId: number | string; to: string; data?: string | Uint8Array }): Promise<string>;
    blockNumber(chainId: number | string): Promise<number>;
    /** In wei. */
    balance(chainId: number | string, address: string): Promise<bigint>;
    /** Of at most 10,000 blocks; a topic of null matches any. */
    logs(request: {
      chainId: number | string;
      address?: string;
      topics?: (string | null)[];
      fromBlock?: number | bigint;
      toBlock?: number | bigint;
    }): Promise<Argus.Log[]>;
  };
  /** What the job remembers; writes count once the run's call is on the chain. */
  storage: {
    get(key: string): string | null;
    set(key: string, value: string | Uint8Array): void;
    delete(key: string): void;
  };
  /** The placeholder of a secret that the job was granted: the host puts the secret in as a request leaves. */
  secret(name: string): string;
  /**
   * HMAC-SHA256 of a text or bytes under a secret of at least 16 bytes, in a job whose agreement is trust-performer.
   * Placeholders in a text stand for their values. The result is recorded: it is no secret. `createHmac` of `crypto`
   * does the same where its key is a secret's placeholder.
   */
  hmac(secret: string, data: string | Uint8Array, encoding?: "hex" | "base64"): string;
  log(...values: unknown[]): void;
  /** Says "not now": the task ends without a call and without a fault. */
  skip(reason?: string): never;
  /** Of a text, or of the bytes that 0x hex names; 0x hex. */
  keccak256(value: string | Uint8Array): string;
  sha256(value: string | Uint8Array): string;
};

// --- as in Node and browsers ---

interface Console {
  /** stdout, as info and debug: exactly one JSON value, the result. */
  log(...values: unknown[]): void;
  info(...values: unknown[]): void;
  debug(...values: unknown[]): void;
  /** stderr, as warn: the log. */
  error(...values: unknown[]): void;
  warn(...values: unknown[]): void;
}
declare const console: Console;

declare class Headers {
  constructor(init?: Record<string, string> | [string, string][] | Headers);
  get(name: string): string | null;
  has(name: string): boolean;
  set(name: string, value: string): void;
  append(name: string, value: string): void;
  delete(name: string): void;
  /** Always empty: an answer's cookies are not seen. */
  getSetCookie(): string[];
  forEach(each: (value: string, name: string) => void): void;
  entries(): IterableIterator<[string, string]>;
  keys(): IterableIterator<string>;
  values(): IterableIterator<string>;
  [Symbol.iterator](): IterableIterator<[string, string]>;
}
interface RequestInit {
  method?: string;
  headers?: Record<string, string> | [string, string][] | Headers;
  body?: string | Uint8Array | ArrayBuffer | URLSearchParams;
  redirect?: "follow" | "manual" | "error";
  signal?: AbortSignal;
}
/** A body as a stream: it was received whole and comes in one piece. Only a body is one. */
interface ReadableStream extends AsyncIterable<Uint8Array> {
  readonly locked: boolean;
  getReader(): ReadableStreamDefaultReader;
  cancel(reason?: unknown): Promise<void>;
  values(options?: { preventCancel?: boolean }): AsyncIterableIterator<Uint8Array>;
}
interface ReadableStreamDefaultReader {
  read(): Promise<{ done: false; value: Uint8Array } | { done: true; value: undefined }>;
  cancel(reason?: unknown): Promise<void>;
  releaseLock(): void;
  readonly closed: Promise<undefined>;
}
/** A body is read once, whole or as a stream. */
interface Body {
  readonly body: ReadableStream | null;
  readonly bodyUsed: boolean;
  json(): Promise<any>;
  text(): Promise<string>;
  arrayBuffer(): Promise<ArrayBuffer>;
  bytes(): Promise<Uint8Array>;
}
interface Request extends Body {}
declare class Request {
  constructor(input: string | URL | Request, init?: RequestInit);
  readonly url: string;
  readonly method: string;
  readonly headers: Headers;
  clone(): Request;
}
interface Response extends Body {}
declare class Response {
  constructor(body?: string | Uint8Array | ArrayBuffer | URLSearchParams | null, init?: { status?: number; statusText?: string; headers?: RequestInit["headers"] });
  static redirect(url: string | URL, status?: 301 | 302 | 303 | 307 | 308): Response;
  static json(value: unknown, init?: { status?: number; statusText?: string; headers?: RequestInit["headers"] }): Response;
  readonly status: number;
  readonly statusText: string;
  readonly ok: boolean;
  readonly headers: Headers;
  readonly url: string;
  readonly redirected: boolean;
  readonly type: string;
  clone(): Response;
}
/** Through the host: no sockets. 5 s a call at most; each redirect counts as a call. */
declare function fetch(input: string | URL | Request, init?: RequestInit | null): Promise<Response>;

declare class AbortSignal {
  readonly aborted: boolean;
  readonly reason: unknown;
  throwIfAborted(): void;
  static abort(reason?: unknown): AbortSignal;
  static timeout(ms: number): AbortSignal;
  static any(signals: AbortSignal[]): AbortSignal;
}
declare class AbortController {
  readonly signal: AbortSignal;
  abort(reason?: unknown): void;
}
declare class URLSearchParams {
  constructor(init?: string | Record<string, string> | [string, string][]);
  get(name: string): string | null;
  set(name: string, value: string): void;
  append(name: string, value: string): void;
  toString(): string;
}
declare class URL {
  constructor(url: string | URL, base?: string | URL);
  static canParse(url: string | URL, base?: string | URL): boolean;
  href: string;
  readonly origin: string;
  protocol: string;
  username: string;
  password: string;
  host: string;
  hostname: string;
  port: string;
  pathname: string;
  search: string;
  hash: string;
  readonly searchParams: URLSearchParams;
  toString(): string;
}
declare class TextEncoder {
  encode(text?: string): Uint8Array;
}
declare class TextDecoder {
  decode(bytes?: ArrayBuffer | Uint8Array): string;
}
declare function atob(text: string): string;
declare function btoa(text: string): string;
declare function structuredClone<T>(value: T): T;
declare function queueMicrotask(run: () => void): void;
/** Waiting moves the script's clock and costs no time. */
declare function setTimeout(run: (...values: any[]) => void, ms?: number, ...values: unknown[]): unknown;
declare function clearTimeout(timer: unknown): void;
declare function setInterval(run: (...values: any[]) => void, ms?: number, ...values: unknown[]): unknown;
declare function clearInterval(timer: unknown): void;
declare const performance: { now(): number };
declare const crypto: {
  /** Follows from job and task: every keeper gets the same. */
  getRandomValues<T extends ArrayBufferView>(into: T): T;
  randomUUID(): string;
  subtle: { digest(name: string, data: ArrayBuffer | Uint8Array): Promise<ArrayBuffer> };
};
declare const process: {
  readonly argv: string[];
  /** ARGUS_* and TRIGGERX_*: JOB_ID, TASK_ID, DUE, ATTEMPT, TRIGGER_KIND, CHAIN_ID. */
  readonly env: Record<string, string | undefined>;
  /** 0 with a result printed, 64 to skip, anything else is a failure. */
  exit(code?: number): never;
  /** What the script ends with where it does not call exit. */
  exitCode: number | undefined;
};
