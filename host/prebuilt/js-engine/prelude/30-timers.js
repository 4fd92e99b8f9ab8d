// Timers live on the virtual clock: waiting costs no real time.
const timers = [];
const LONGEST_DELAY = 2147483647;
let lastTimer = 0;

class Timeout {
  constructor(f, args, delay, repeat) {
    const ms = Number(delay);
    this.delay = ms >= 1 && ms <= LONGEST_DELAY ? Math.trunc(ms) : 1;
    this.id = ++lastTimer;
    this.f = f; this.args = args; this.repeat = repeat;
    schedule(this);
  }
  background = false; // such a timer keeps no script alive
  ref() { this.background = false; return this; }
  unref() { this.background = true; return this; }
  hasRef() { return !this.background; }
  refresh() { cancel(this); schedule(this); return this; }
  close() { cancel(this); return this; }
  [Symbol.toPrimitive]() { return this.id; }
}

function schedule(t) {
  N.wake();
  t.due = N.now() + t.delay;
  let at = timers.length;
  while (at > 0 && timers[at - 1].due > t.due) at--;
  timers.splice(at, 0, t);
}

function cancel(t) {
  const at = timers.findIndex((x) => x === t || x.id === t);
  if (at >= 0) { timers[at].repeat = false; timers.splice(at, 1); }
  else if (t instanceof Timeout) t.repeat = false;
}

function callable(f, name) {
  if (typeof f !== "function") throw new TypeError(`${name}: the callback must be a function`);
  return f;
}
const setTimeout = (f, delay, ...args) => new Timeout(callable(f, "setTimeout"), args, delay, false);
const setInterval = (f, delay, ...args) => new Timeout(callable(f, "setInterval"), args, delay, true);
const setImmediate = (f, ...args) => new Timeout(callable(f, "setImmediate"), args, 1, false);
const clearTimeout = (t) => { if (t !== undefined && t !== null) cancel(typeof t === "string" ? Number(t) : t); };
const queueMicrotask = (f) => { callable(f, "queueMicrotask"); Promise.resolve().then(() => { try { f(); } catch (e) { uncaught(e); } }); };

function fireTimer() {
  const t = timers.shift();
  if (t.due > N.now()) N.advance(t.due);
  if (t.repeat) schedule(t);
  t.f(...t.args);
}

const sinceStart = () => N.now() - N.startedAt(); // ms
const performance = { now: sinceStart, get timeOrigin() { return N.startedAt(); }, mark() {}, measure() {}, toJSON: () => ({}) };
