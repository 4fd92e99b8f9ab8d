// Event, EventTarget, AbortController, AbortSignal.
class Event {
  constructor(type, init = {}) { this.type = String(type); this.cancelable = !!init.cancelable; this.defaultPrevented = false; this.target = null; }
  preventDefault() { if (this.cancelable) this.defaultPrevented = true; }
  stopPropagation() {}
  stopImmediatePropagation() { this.stopped = true; }
}

class EventTarget {
  #listeners = new Map();
  addEventListener(type, f, options) {
    if (!f || options?.signal?.aborted) return;
    options?.signal?.addEventListener("abort", () => this.removeEventListener(type, f), { once: true });
    const list = this.#listeners.get(type) ?? [];
    if (!list.some((l) => l.f === f)) list.push({ f, once: !!options?.once });
    this.#listeners.set(type, list);
  }
  removeEventListener(type, f) {
    const list = this.#listeners.get(type);
    if (list) this.#listeners.set(type, list.filter((l) => l.f !== f));
  }
  dispatchEvent(event) {
    event.target = event.currentTarget = this;
    // What a listener throws reaches neither the others nor who dispatches.
    const tell = (f) => { try { if (typeof f === "function") f.call(this, event); else f.handleEvent(event); } catch (e) { uncaught(e); } };
    const direct = this["on" + event.type];
    if (typeof direct === "function") tell(direct);
    for (const l of [...(this.#listeners.get(event.type) ?? [])]) {
      if (l.once) this.removeEventListener(event.type, l.f);
      tell(l.f);
      if (event.stopped) break;
    }
    return !event.defaultPrevented;
  }
}

const signalKey = Symbol("signal");
const abortError = () => new DOMException("This operation was aborted", "AbortError");
const timeoutError = () => new DOMException("The operation was aborted due to timeout", "TimeoutError");

class AbortSignal extends EventTarget {
  constructor(key) {
    super();
    if (key !== signalKey) throw new TypeError("Illegal constructor");
    this.aborted = false;
    this.reason = undefined;
    this.onabort = null;
    this.deadline = undefined; // when the clock itself will abort it
  }
  throwIfAborted() { if (this.aborted) throw this.reason; }
  static abort(reason) { const s = new AbortSignal(signalKey); signalAbort(s, reason === undefined ? abortError() : reason); return s; }
  static timeout(ms) {
    const s = new AbortSignal(signalKey);
    s.deadline = N.now() + Number(ms);
    new Timeout(() => signalAbort(s, timeoutError()), [], ms, false).unref();
    return s;
  }
  static any(signals) {
    const s = new AbortSignal(signalKey);
    for (const other of signals) {
      if (other.aborted) { signalAbort(s, other.reason); break; }
      if (other.deadline !== undefined) s.deadline = Math.min(s.deadline ?? Infinity, other.deadline);
      other.addEventListener("abort", () => signalAbort(s, other.reason), { once: true });
    }
    return s;
  }
}

function signalAbort(signal, reason) {
  if (signal.aborted) return;
  signal.aborted = true;
  signal.reason = reason;
  signal.dispatchEvent(new Event("abort"));
}

class AbortController {
  constructor() { this.signal = new AbortSignal(signalKey); }
  abort(reason) { signalAbort(this.signal, reason === undefined ? abortError() : reason); }
}
