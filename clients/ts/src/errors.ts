// What can go wrong. Every error of this package is an ArgusError.

/** One thing that is wrong with a body. */
export interface Fault {
  /** Where, as a path in the JSON: `[0].arguments[1]`. */
  path: string;
  code?: string;
  message: string;
  /** The line of a script. */
  line?: number;
}

export class ArgusError extends Error {
  override name = "ArgusError";
}

/** The platform answered with a refusal; `message` is its sentence, `code` its word for programs. */
export class Refusal extends ArgusError {
  override name = "Refusal";
  readonly status: number;
  readonly code: string;
  /** What the sentence sums up. */
  readonly details: unknown;
  /** When the platform wants to be asked again. */
  readonly retryAfterMs: number | undefined;

  constructor(status: number, text: string, retryAfterMs?: number) {
    let body: { error?: unknown; code?: unknown; details?: unknown } = {};
    try {
      body = JSON.parse(text) ?? {};
    } catch {
      // Whoever stands in front of the platform answers in words of its own.
    }
    super(typeof body.error === "string" ? body.error : text.slice(0, 200) || `HTTP ${status}`);
    this.status = status;
    this.code = typeof body.code === "string" ? body.code : "UNKNOWN";
    this.details = body.details;
    this.retryAfterMs = retryAfterMs;
  }

  /** Every fault of the body that was refused; none where it was refused for another reason. */
  get faults(): Fault[] {
    const details = Array.isArray(this.details) ? this.details : [];
    return details.filter((d) => typeof d?.path === "string" && typeof d?.message === "string");
  }

  /** Whether the same request may be taken later. */
  get isTransient(): boolean {
    return [429, 502, 503, 504].includes(this.status);
  }
}

/** The platform ran a job's script, and the script is refused. Nothing was stored. */
export class ScriptRefusal extends ArgusError {
  override name = "ScriptRefusal";
  /** What the script had logged. */
  readonly log: string;

  constructor(message: string, log: string) {
    super(message);
    this.log = log;
  }
}

/** No answer came, or it broke off. Whether a request that changes something was carried out is not known. */
export class ConnectionError extends ArgusError {
  override name = "ConnectionError";

  constructor(url: string, cause: unknown) {
    super(`${new URL(url).origin} does not answer: is the platform running, and is its URL right?`, { cause });
  }
}

/** The call's deadline passed, all tries included. */
export class DeadlineError extends ArgusError {
  override name = "DeadlineError";

  constructor(ms: number) {
    super(`no answer within ${ms} ms; ask for a later deadline, or look whether it was done`);
  }
}

/** A room of live changes cannot be joined, or gives no more. */
export class RoomError extends ArgusError {
  override name = "RoomError";
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}
