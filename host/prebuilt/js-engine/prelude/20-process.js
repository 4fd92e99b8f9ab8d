// process and console. stdout is the result, stderr is the log.
const OUT = 1, ERR = 2;
let printed = false;
// Many scripts read neither, so they are parsed when they are first read.
const parseJson = JSON.parse;
let parsedContext, parsedEnvironment;
const theContext = () => (parsedContext ??= parseJson(N.context()));
const theEnvironment = () => (parsedEnvironment ??= parseJson(N.environment()));

function text(chunk) {
  if (typeof chunk === "string") return chunk;
  if (ArrayBuffer.isView(chunk)) return N.utf8Decode(bytesOf(chunk), false);
  return String(chunk);
}

function write(stream, chunk) {
  const s = text(chunk), isVisible = N.write(stream, s);
  if (stream === OUT && !printed) printed = isVisible || /[^\s\x85]/.test(s); // what the host takes for blank, too
  return true;
}

function stream(fd) {
  return {
    fd, isTTY: false, writable: true, columns: 80,
    write(chunk, encoding, done) {
      write(fd, chunk);
      const callback = typeof encoding === "function" ? encoding : done;
      if (typeof callback === "function") queueMicrotask(callback);
      return true;
    },
    end(chunk) { if (chunk !== undefined) write(fd, chunk); },
    on() { return this; }, once() { return this; },
  };
}

const listeners = new Map(); // of process, by event
function listen(event, listener) {
  if (typeof listener !== "function") throw new TypeError("process.on: the listener must be a function");
  listeners.set(event, [...(listeners.get(event) ?? []), listener]);
  return process;
}
function unlisten(event, listener) {
  const all = listeners.get(event) ?? [], at = all.findLastIndex((one) => one === listener || one.listener === listener);
  if (at >= 0) listeners.set(event, all.toSpliced(at, 1));
  return process;
}
function emit(event, ...args) {
  const all = listeners.get(event) ?? [];
  for (const listener of all) listener.apply(process, args);
  return all.length > 0;
}

// What was thrown where nobody can catch it, and no listener was there to be told: it ends the run, in the next turn.
let fatal;
function uncaught(e) {
  if (emit("uncaughtException", e, "uncaughtException") || fatal) return;
  fatal = { e };
  N.wake();
}

// The end of a run, once: by itself, by process.exit or by an exit code that was set.
let isOver = false, exitCode;
function checkedCode(code) {
  const n = typeof code === "string" && code.trim() ? Number(code) : code ?? undefined;
  if (n === undefined || Number.isInteger(n)) return n;
  throw Object.assign(new TypeError(`The "code" argument must be of type number. Received ${inspect(code)}`), { code: "ERR_INVALID_ARG_TYPE" });
}
function atExit() {
  if (isOver) return;
  isOver = true;
  if (listeners.size) emit("exit", exitCode ?? 0);
}
function exit() {
  atExit();
  N.exit((exitCode ?? 0) & 255);
}

const process = {
  argv: ["node", "script.js"], argv0: "node", execArgv: [], execPath: "node", pid: 1, ppid: 0,
  platform: "linux", arch: "wasm32", title: "script",
  get exitCode() { return exitCode; },
  set exitCode(code) { exitCode = checkedCode(code); },
  version: "v20.0.0", versions: { node: "20.0.0", quickjs: "0.16.2" }, release: { name: "node" },
  stdout: stream(OUT), stderr: stream(ERR),
  stdin: { fd: 0, isTTY: false, setEncoding() {}, async *[Symbol.asyncIterator]() { yield N.context(); },
    on(event, f) { if (event === "data") queueMicrotask(() => f(N.context())); if (event === "end") setTimeout(f, 0); return this; } },
  get env() { return theEnvironment(); },
  cwd: () => "/", uptime: () => sinceStart() / 1000,
  hrtime: Object.assign((since) => {
    const ns = BigInt(Math.round(sinceStart() * 1e6)) - (since ? BigInt(since[0]) * 1000000000n + BigInt(since[1]) : 0n);
    return [Number(ns / 1000000000n), Number(ns % 1000000000n)];
  }, { bigint: () => BigInt(Math.round(sinceStart() * 1e6)) }),
  memoryUsage: () => ({ rss: 0, heapTotal: 0, heapUsed: 0, external: 0, arrayBuffers: 0 }),
  nextTick: (f, ...args) => { callable(f, "process.nextTick"); queueMicrotask(() => f(...args)); },
  exit: (code) => { exitCode = checkedCode(code) ?? exitCode; exit(); },
  abort: () => N.exit(134),
  emitWarning: (w) => write(ERR, `Warning: ${isError(w) ? w.message : w}\n`),
  on: listen, addListener: listen, off: unlisten, removeListener: unlisten, emit,
  once(event, listener) {
    const first = (...args) => { unlisten(event, first); listener.apply(process, args); };
    return listen(event, Object.assign(first, { listener }));
  },
  listeners: (event) => (listeners.get(event) ?? []).map((one) => one.listener ?? one),
  listenerCount: (event) => (listeners.get(event) ?? []).length,
  removeAllListeners(event) { if (event === undefined) listeners.clear(); else listeners.delete(event); return process; },
};

const counts = new Map();
const timersByLabel = new Map();
let groupIndent = "";
function print(fd, args) {
  const line = format(args);
  write(fd, (groupIndent ? line.replace(/^/gm, groupIndent) : line) + "\n");
}
const elapsed = (label) => `${label}: ${(N.now() - (timersByLabel.get(label) ?? N.startedAt())).toFixed(3)}ms`;
const console = {
  log: (...a) => print(OUT, a), info: (...a) => print(OUT, a), debug: (...a) => print(OUT, a),
  error: (...a) => print(ERR, a), warn: (...a) => print(ERR, a),
  trace: (...a) => print(ERR, ["Trace: " + format(a) + "\n" + (new Error().stack ?? "").trimEnd()]),
  dir: (v, options) => print(OUT, [inspect(v, options?.depth ?? 2)]), dirxml: (...a) => print(OUT, a),
  assert: (ok, ...a) => { if (!ok) print(ERR, a.length ? ["Assertion failed: " + format(a)] : ["Assertion failed"]); },
  count: (label = "default") => { const n = (counts.get(label) ?? 0) + 1; counts.set(label, n); print(OUT, [`${label}: ${n}`]); },
  countReset: (label = "default") => { counts.delete(label); },
  group: (...a) => { if (a.length) print(OUT, a); groupIndent += "  "; },
  groupEnd: () => { groupIndent = groupIndent.slice(2); },
  time: (label = "default") => { timersByLabel.set(label, N.now()); },
  timeLog: (label = "default", ...a) => print(OUT, [elapsed(label), ...a]),
  timeEnd: (label = "default") => { print(OUT, [elapsed(label)]); timersByLabel.delete(label); },
  table: (data) => print(OUT, [data]), clear: () => {}, timeStamp: () => {}, profile: () => {}, profileEnd: () => {},
};
console.groupCollapsed = console.group;
