// How values look when they are printed: close to Node's util.inspect.
const isError = (v) => v instanceof Error;

const ESCAPES = { "\n": "\\n", "\t": "\\t", "\r": "\\r", "\\": "\\\\", "'": "\\'" };
const escaped = (c) => ESCAPES[c] ?? "\\x" + c.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0");
// By whole stretches: a character at a time costs a long text more fuel than a run has.
function quote(text) {
  const mark = !text.includes("'") ? "'" : !text.includes('"') ? '"' : !text.includes("`") ? "`" : "'";
  return mark + text.replace(mark === "'" ? /[\0-\x1f\x7f\\']/g : /[\0-\x1f\x7f\\]/g, escaped) + mark;
}

// The engine keeps the frames alone; a stack begins with name and message, as
// in Node. Written when it is read, so that an error costs nothing more.
const framesOf = Object.getOwnPropertyDescriptor(Error.prototype, "stack");
const withHeader = (e, frames) => (String(Error.prototype.toString.call(e)) + "\n" + frames).trimEnd();
Object.defineProperty(Error.prototype, "stack", {
  configurable: true, enumerable: false,
  get() { const frames = framesOf.get.call(this); return typeof frames === "string" ? withHeader(this, frames) : frames; },
  set(v) { Object.defineProperty(this, "stack", { value: v, writable: true, configurable: true, enumerable: false }); },
});
const captureFrames = Error.captureStackTrace;
Error.captureStackTrace = function captureStackTrace(target, above = captureStackTrace) {
  captureFrames(target, above);
  if (typeof target.stack === "string") Object.defineProperty(target, "stack", { value: withHeader(target, target.stack), writable: true, configurable: true, enumerable: false });
};

function errorText(e) {
  const stack = typeof e.stack === "string" ? e.stack.trimEnd() : "";
  return stack.includes(e.message) && stack.includes(e.name) ? stack : `${e.name}: ${e.message}${stack && "\n" + stack}`;
}
function describe(e) {
  const texts = [], seen = new Set();
  for (let one = e; ; one = one.cause) {
    const isNew = !seen.has(one);
    texts.push(!isNew ? "[Circular]" : isError(one) ? errorText(one) : "Uncaught " + inspect(one));
    if (!isNew || !isError(one) || one.cause === undefined) return texts.join("\ncaused by: ");
    seen.add(one);
  }
}

const plainKey = /^[A-Za-z_$][\w$]*$/;

function className(v) {
  const proto = Object.getPrototypeOf(v);
  if (proto === null) return "[Object: null prototype]";
  return (proto.constructor && proto.constructor.name) || "Object";
}

function wrap(open, close, parts, indent) {
  if (parts.length === 0) return open.trimEnd() + close;
  const line = parts.join(", ");
  if (line.length + open.length + indent <= 72 && !line.includes("\n") && parts.length <= 16)
    return `${open} ${line} ${close}`;
  const pad = " ".repeat(indent + 2);
  return `${open}\n${pad}${parts.join(",\n" + pad)}\n${" ".repeat(indent)}${close}`;
}

const INSPECT_ITEMS = 100;
const SHOWN = Symbol("shown"); // a method that gives what is shown of an object that keeps it inside

function inspect(v, depth = 2, indent = 0, seen = []) {
  switch (typeof v) {
    case "string": return quote(v);
    case "bigint": return v + "n";
    case "symbol": return v.toString();
    case "function": return v.prototype && /^class\b/.test(String(v)) ? `[class ${v.name || "(anonymous)"}]` : `[Function${v.name ? ": " + v.name : " (anonymous)"}]`;
    case "object": break;
    default: return Object.is(v, -0) ? "-0" : String(v);
  }
  if (v === null) return "null";
  if (seen.includes(v)) return "[Circular *1]";
  if (isError(v)) return errorText(v);
  if (v instanceof Date) return Number.isNaN(v.getTime()) ? "Invalid Date" : v.toISOString();
  if (v instanceof RegExp) return String(v);
  if (v instanceof Promise) return "Promise {}";
  const name = className(v);
  if (depth < 0) return Array.isArray(v) ? "[Array]" : `[${name}]`;
  const down = (x) => inspect(x, depth - 1, indent + 2, [...seen, v]);
  const more = (n) => (n > INSPECT_ITEMS ? [`... ${n - INSPECT_ITEMS} more items`] : []);
  if (Array.isArray(v)) return wrap("[", "]", [...v.slice(0, INSPECT_ITEMS).map(down), ...more(v.length)], indent);
  if (v instanceof ArrayBuffer) return `ArrayBuffer { byteLength: ${v.byteLength} }`;
  if (ArrayBuffer.isView(v) && v.length !== undefined)
    return wrap(`${name}(${v.length}) [`, "]", [...[...v.subarray(0, INSPECT_ITEMS)].map(String), ...more(v.length)], indent);
  if (v instanceof Map) return wrap(`Map(${v.size}) {`, "}", [...v].map(([k, x]) => `${down(k)} => ${down(x)}`), indent);
  if (v instanceof Set) return wrap(`Set(${v.size}) {`, "}", [...v].map(down), indent);
  let parts;
  try {
    const members = v[SHOWN]?.() ?? v;
    parts = Object.keys(members).map((k) => `${plainKey.test(k) ? k : quote(k)}: ${member(members, k, down)}`);
  } catch { return `[${name}]`; } // a proxy that refuses
  return wrap(name === "Object" ? "{" : `${name} {`, "}", parts, indent);
}

// Showing a value runs none of its getters.
function member(o, k, shown) {
  const { value, get, set } = Object.getOwnPropertyDescriptor(o, k) ?? {};
  return get ? (set ? "[Getter/Setter]" : "[Getter]") : set ? "[Setter]" : shown(value);
}

function format(args) {
  if (args.length === 1 && typeof args[0] === "string") return args[0];
  let rest = args;
  let out = "";
  if (typeof args[0] === "string" && args.length > 1 && args[0].includes("%")) {
    rest = args.slice(1);
    out = args[0].replace(/%[sdifjoOc%]/g, (spec) => {
      if (spec === "%%") return "%";
      if (rest.length === 0) return spec;
      const v = rest.shift();
      switch (spec) {
        case "%s": return typeof v === "string" ? v : typeof v === "object" && v !== null ? inspect(v, 0) : typeof v === "bigint" ? v + "n" : String(v);
        case "%d": return typeof v === "bigint" ? v + "n" : String(Number(v));
        case "%i": return typeof v === "bigint" ? v + "n" : String(parseInt(v));
        case "%f": return String(parseFloat(v));
        case "%j": return JSON.stringify(v);
        case "%c": return "";
        default: return inspect(v, 4);
      }
    });
    if (rest.length) out += " ";
  }
  return out + rest.map((v) => (typeof v === "string" ? v : inspect(v))).join(" ");
}
