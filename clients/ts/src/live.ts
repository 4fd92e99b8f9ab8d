// Tasks as they change, over a WebSocket that is opened again wherever it broke off.
import { ConnectionError, Refusal, RoomError } from "./errors.js";
import { slept, type Http } from "./http.js";
import { parse } from "./json.js";
import type { Event, Room, Task } from "./types.js";

/** Most tries to connect again, and the pause before the second one; each one after is twice as long. */
const TRIES = 8;
const PAUSE_MS = 200;
/** Silence after which the platform is asked for a sign of life, and after as long again given up. */
const SILENCE_MS = 30_000;
/** Most frames that wait for a reader. Past it the connection is closed, and opened again when they are read. */
const WAITING_MAX = 10_000;
/** The key was revoked. */
const CLOSE_REVOKED = 4401;

interface Frame {
  type: string;
  data: Record<string, unknown>;
}

/** What a socket said, in its order, for one reader. */
class Inbox {
  readonly frames: Frame[] = [];
  closed: { code: number; reason: string } | undefined;
  isOpen = false;
  heardAt = Date.now();
  #wake: (() => void) | undefined;

  constructor(readonly socket: WebSocket) {
    socket.addEventListener("open", () => this.#heard(() => (this.isOpen = true)));
    socket.addEventListener("message", ({ data }) =>
      this.#heard(() => {
        if (this.frames.push(parse(String(data)) as Frame) > WAITING_MAX) socket.close();
      }),
    );
    socket.addEventListener("close", ({ code, reason }) => this.#heard(() => (this.closed = { code, reason })));
    // Not every runtime tells of a close after it.
    socket.addEventListener("error", () => this.#heard(() => (this.closed = { code: 1006, reason: "" })));
  }

  #heard(change: () => void): void {
    if (this.closed) return;
    change();
    this.heardAt = Date.now();
    this.#wake?.();
  }

  /** Until something happens, or the time is over. */
  async wait(ms: number): Promise<void> {
    const over = new AbortController();
    await Promise.race([new Promise<void>((resolve) => (this.#wake = resolve)), slept(ms, over.signal)]);
    over.abort();
  }
}

export async function* listen(
  socketOf: typeof WebSocket,
  http: Http,
  room: Room,
  since: number | undefined,
): AsyncGenerator<Event> {
  let position = since;
  // A room that is joined again tells what was missed, and so needs no snapshot.
  let hasBegun = since !== undefined;
  for (;;) {
    const inbox = await opened(socketOf, http);
    try {
      const data = { room, since: position === undefined ? undefined : String(position) };
      inbox.socket.send(JSON.stringify({ type: "SUBSCRIBE", data }));
      for await (const { type, data } of frames(inbox)) {
        if (type === "ERROR") throw new RoomError(String(data["code"]), String(data["message"]));
        if (type === "SUCCESS") {
          const joined = number((data["data"] as Record<string, unknown> | undefined)?.["since"]);
          // A platform behind what was told was restored from a copy: it begins anew, with how things are.
          const isBehind = joined !== undefined && position !== undefined && joined < position;
          if (isBehind) hasBegun = false;
          if (isBehind || position === undefined) position = joined;
        } else if (type === "JOB_TASKS_SNAPSHOT") {
          if (!hasBegun) yield { kind: "snapshot", tasks: data["tasks"] as Task[], position: position ?? 0 };
          hasBegun = true;
        } else {
          const seq = number(data["seq"]);
          if (seq === undefined) continue;
          // An owner's room counts by itself, across jobs.
          position = number(data["since"]) ?? seq;
          hasBegun = true;
          yield { kind: "change", type, task: data["changes"] as Task, seq, position };
        }
      }
    } finally {
      inbox.socket.close();
    }
  }
}

/** Frames of a connection until it ends; a revoked key is an error, every other end is one to come back from. */
async function* frames(inbox: Inbox): AsyncGenerator<Frame> {
  let asked = false;
  for (;;) {
    for (let frame = inbox.frames.shift(); frame; frame = inbox.frames.shift()) {
      asked = false;
      if (frame.type !== "PONG") yield frame;
    }
    if (inbox.closed?.code === CLOSE_REVOKED) throw new RoomError("KEY_REVOKED", inbox.closed.reason);
    if (inbox.closed) return;
    await inbox.wait(SILENCE_MS);
    if (inbox.frames.length > 0 || inbox.closed || Date.now() - inbox.heardAt < SILENCE_MS) continue;
    if (asked) return;
    asked = true;
    inbox.socket.send(JSON.stringify({ type: "PING" }));
  }
}

async function opened(socketOf: typeof WebSocket, http: Http): Promise<Inbox> {
  for (let left = TRIES, pause = PAUSE_MS; ; pause *= 2) {
    left -= 1;
    const inbox = new Inbox(new socketOf(http.socketUrl()));
    await inbox.wait(SILENCE_MS);
    if (inbox.isOpen && !inbox.closed) return inbox;
    inbox.socket.close();
    await explain(http, left === 0);
    if (left === 0) throw new ConnectionError(http.base, new Error("it opens no WebSocket"));
    await slept(pause);
  }
}

/** A WebSocket does not say why it was refused; a request beside it is told. */
async function explain(http: Http, isLast: boolean): Promise<void> {
  try {
    await http.send({ method: "GET", path: ["ws", "health"] });
  } catch (error) {
    if (isLast || !(error instanceof ConnectionError || (error instanceof Refusal && error.isTransient))) throw error;
  }
}

/** Positions are numbers or decimal text. */
function number(value: unknown): number | undefined {
  const read = typeof value === "string" && value !== "" ? Number(value) : value;
  return typeof read === "number" && Number.isSafeInteger(read) ? read : undefined;
}
