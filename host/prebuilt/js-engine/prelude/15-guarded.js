// Reading a member that is not here is an error that names it, instead of an
// undefined that fails somewhere else. What engines and loaders probe is let through.
const PROBED = new Set(["then", "toJSON", "__esModule", "default", "constructor", "prototype", "length", "name", "nodeType", "inspect"]);
function guarded(target, name, reasons = () => undefined) {
  return new Proxy(target, {
    get(t, k, receiver) {
      if (typeof k === "symbol" || k in t || PROBED.has(k)) return Reflect.get(t, k, receiver);
      const why = reasons(k);
      throw new TypeError(`${name}.${k} is not available in a script${why ? ": " + why : ""}`);
    },
  });
}
