// One request: its address, its deadline, its tries.
import { ArgusError, ConnectionError, DeadlineError, Refusal } from "./errors.js";
import { stringify } from "./json.js";

export interface Options {
  /** The key that requests carry; without one only public routes answer. */
  key?: string;
  /** Longest time of one call with all its tries; 120,000. */
  deadlineMs?: number;
  /** Most tries of what is safe to send again, 1 for no second one; 3. */
  tries?: number;
  /** Where the runtime has no WebSocket of its own. */
  webSocket?: typeof WebSocket;
}

export interface Ask {
  method: string;
  /** Parts of the path under `/api`: whatever is in them, they stay parts. A text is a path with its query. */
  path: readonly (string | number)[] | string;
  query?: Record<string, string | number | undefined>;
  body?: unknown;
  /** Under a name of its own, so that it is done once however often it is sent. */
  once?: boolean;
  /** Longest answer, bytes; 64 MiB. */
  max?: number;
}

export interface Answer {
  headers: Headers;
  bytes: Uint8Array;
}

/** Creating a job runs its script first, and the platform gives that 110 seconds. */
const DEADLINE_MS = 120_000;
const TRIES = 3;
const ANSWER_MAX = 64 << 20;
/** Before the second try; each pause after is twice as long. */
const PAUSE_MS = 200;

export class Http {
  readonly base: string;
  readonly #key: string | undefined;
  readonly #deadlineMs: number;
  readonly #tries: number;

  constructor(url: string, options: Options) {
    const origin = url.replace(/\/+$/, "").replace(/\/api$/, "");
    const parsed = URL.canParse(`${origin}/api`) ? new URL(`${origin}/api`) : undefined;
    if (!parsed || !/^https?:$/.test(parsed.protocol)) throw new ArgusError(`${url} is no http or https URL`);
    this.base = parsed.href;
    this.#key = options.key;
    this.#deadlineMs = options.deadlineMs ?? DEADLINE_MS;
    this.#tries = Math.max(1, options.tries ?? TRIES);
  }

  /** The address of a WebSocket, whose key browsers can put nowhere else. */
  socketUrl(): string {
    const url = new URL(`${this.base}/ws/tasks`.replace(/^http/, "ws"));
    if (this.#key !== undefined) url.searchParams.set("api_key", this.#key);
    return url.href;
  }

  async send(ask: Ask): Promise<Answer> {
    const end = AbortSignal.timeout(this.#deadlineMs);
    let left = ask.method === "GET" || ask.once ? this.#tries : 1;
    const name = ask.once ? crypto.randomUUID() : undefined;
    for (let pause = PAUSE_MS; ; pause *= 2) {
      left -= 1;
      try {
        return await this.#once(ask, name, end);
      } catch (error) {
        if (end.aborted) throw new DeadlineError(this.#deadlineMs);
        const again = error instanceof ConnectionError || (error instanceof Refusal && error.isTransient);
        if (!again || left === 0) throw error;
        const wait = (error instanceof Refusal ? error.retryAfterMs : undefined) ?? pause;
        if (!(await slept(wait, end))) throw new DeadlineError(this.#deadlineMs);
      }
    }
  }

  async #once(ask: Ask, name: string | undefined, signal: AbortSignal): Promise<Answer> {
    const url = this.#url(ask);
    const headers: Record<string, string> = {};
    if (this.#key !== undefined) headers["x-api-key"] = this.#key;
    if (ask.body !== undefined) headers["content-type"] = "application/json";
    if (name !== undefined) headers["idempotency-key"] = name;
    const body = ask.body === undefined ? {} : { body: stringify(ask.body) };
    let response: Response, bytes: Uint8Array | undefined;
    try {
      response = await fetch(url, { method: ask.method, headers, signal, redirect: "manual", ...body });
      bytes = await taken(response, ask.max ?? ANSWER_MAX);
    } catch (cause) {
      throw new ConnectionError(url, cause);
    }
    if (!bytes) throw new ArgusError(`the answer has more than ${ask.max ?? ANSWER_MAX} bytes`);
    if (response.ok) return { headers: response.headers, bytes };
    const after = Number(response.headers.get("retry-after") ?? NaN);
    const text = new TextDecoder().decode(bytes);
    throw new Refusal(response.status, text, Number.isFinite(after) ? after * 1000 : undefined);
  }

  #url(ask: Ask): string {
    if (typeof ask.path === "string") {
      const url = new URL(`${this.base}/${ask.path.replace(/^\/+/, "")}`);
      if (!url.href.startsWith(`${this.base}/`)) throw new ArgusError(`${ask.path} is no path under /api`);
      return url.href;
    }
    const parts = ask.path.map(String);
    const wrong = parts.find((part) => part === "" || part === "." || part === "..");
    if (wrong !== undefined) throw new ArgusError(`"${wrong}" is no name of anything`);
    const url = new URL(`${this.base}/${parts.map(encodeURIComponent).join("/")}`);
    for (const [name, value] of Object.entries(ask.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    return url.href;
  }
}

/** A body; undefined where it is longer than it may be. */
async function taken(response: Response, max: number): Promise<Uint8Array | undefined> {
  const reader = response.body?.getReader();
  const parts: Uint8Array[] = [];
  let length = 0;
  for (let part = await reader?.read(); part?.value; part = await reader?.read()) {
    length += part.value.length;
    if (length > max) {
      await reader?.cancel();
      return undefined;
    }
    parts.push(part.value);
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Whether the time passed before the end came. */
export function slept(ms: number, end?: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const stop = () => {
      clearTimeout(timer);
      resolve(false);
    };
    const timer = setTimeout(() => {
      end?.removeEventListener("abort", stop);
      resolve(true);
    }, ms);
    if (end?.aborted) stop();
    else end?.addEventListener("abort", stop, { once: true });
  });
}
