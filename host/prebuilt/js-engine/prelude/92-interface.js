// Functions, events and errors of a contract, from human-readable or JSON ABI.
const MUTABILITY = new Set(["view", "pure", "payable", "nonpayable", "constant"]);
const VISIBILITY = new Set(["external", "public", "internal", "private", "virtual", "override"]);

class Fragment {
  constructor(type, name, inputs, rest = {}) { Object.assign(this, { type, name, inputs }, rest); }
  format(kind = "sighash") {
    const list = (params) => params.map((p) => p.format(kind)).join(kind === "full" ? ", " : ",");
    if (kind === "sighash") return `${this.name}(${list(this.inputs)})`;
    const out = this.outputs?.length ? ` returns (${list(this.outputs)})` : "";
    if (this.type === "receive" || this.type === "fallback") return `${this.type}()${this.payable ? " payable" : ""}`;
    const how = this.stateMutability && this.stateMutability !== "nonpayable" ? " " + this.stateMutability : "";
    return `${this.type}${this.type === "constructor" ? "" : " " + this.name}(${list(this.inputs)})${this.anonymous ? " anonymous" : ""}${how}${out}`;
  }
  get selector() { return idOf(this.format()).slice(0, 10); }
  get topicHash() { return idOf(this.format()); }
  get constant() { return this.stateMutability === "view" || this.stateMutability === "pure"; }
  get payable() { return this.stateMutability === "payable"; }
  static from(v) {
    if (v instanceof Fragment) return v;
    if (typeof v === "string") {
      const text = v.trim();
      return text.startsWith("{") ? Fragment.from(JSON.parse(text)) : Fragment.#fromText(text);
    }
    const kind = v?.type ?? "function";
    const inputs = (v?.inputs ?? []).map((p) => ParamType.from(p, kind === "event"));
    switch (kind) {
      case "function": {
        const stateMutability = v.stateMutability ?? (v.constant ? "view" : v.payable ? "payable" : "nonpayable");
        return new Fragment(kind, v.name, inputs, { outputs: (v.outputs ?? []).map((p) => ParamType.from(p)), stateMutability });
      }
      case "event": return new Fragment(kind, v.name, inputs, { anonymous: !!v.anonymous });
      case "error": return new Fragment(kind, v.name, inputs);
      case "constructor": return new Fragment(kind, "constructor", inputs, { stateMutability: v.stateMutability ?? "nonpayable" });
      case "receive": case "fallback": return new Fragment(kind, kind, [], { stateMutability: v.stateMutability ?? "nonpayable" });
      default: return badArgument(`unsupported type: ${kind}`, "obj", v);
    }
  }
  static #fromText(text) {
    const t = new AbiText(text);
    let kind = "function";
    if (["function", "event", "error", "constructor", "receive", "fallback", "struct"].includes(t.token) && !/^(event|error)\s*\(/.test(text)) kind = t.next();
    if (kind === "struct") badArgument("struct definitions are not available here: write the tuple's types where it is used", "value", text);
    const named = kind === "function" || kind === "event" || kind === "error";
    if (named && !t.isWord()) t.expect("a name");
    const name = named ? t.next() : kind;
    const inputs = kind === "receive" || kind === "fallback" ? (t.token === "(" ? t.params(false) : []) : t.params(kind === "event");
    if (kind === "event") { const anonymous = t.take("anonymous"); t.end(); return new Fragment(kind, name, inputs, { anonymous }); }
    if (kind === "error") { t.end(); return new Fragment(kind, name, inputs); }
    let stateMutability = "nonpayable", outputs = [];
    while (t.isWord() && t.token !== "returns") {
      const at = t.next();
      if (MUTABILITY.has(at)) stateMutability = at === "constant" ? "view" : at;
      else if (!VISIBILITY.has(at)) badArgument(`unexpected "${at}"`, "value", text);
    }
    if (t.take("returns")) outputs = t.params(false);
    t.end();
    return new Fragment(kind, name, inputs, kind === "function" ? { outputs, stateMutability } : { stateMutability });
  }
}

const ERROR_STRING = "0x08c379a0", PANIC = "0x4e487b71";
const PANIC_REASONS = { 1: "assert(false)", 17: "OVERFLOW", 18: "DIVIDE_BY_ZERO", 33: "ENUM_RANGE_ERROR", 34: "BAD_STORAGE_DATA", 49: "STACK_UNDERFLOW", 50: "ARRAY_RANGE_ERROR", 65: "OUT_OF_MEMORY", 81: "UNINITIALIZED_FUNCTION_CALL" };

class Interface {
  #coder; #integer;
  constructor(abi, integer) {
    let list = abi;
    if (abi instanceof Interface) list = abi.fragments;
    else if (typeof abi === "string") list = JSON.parse(abi);
    if (!Array.isArray(list) && Array.isArray(list?.abi)) list = list.abi; // an artefact of a compiler
    if (!Array.isArray(list)) badArgument("expected a list of fragments or its JSON", "abi", abi);
    this.#integer = integer;
    this.#coder = integer ? new AbiCoder(integer) : defaultCoder;
    // What cannot be read is left out with a warning, so that the rest of a long ABI can be used.
    this.fragments = list.flatMap((f) => { try { return [Fragment.from(f)]; } catch (e) { write(ERR, `[Warning] Invalid Fragment ${typeof f === "string" ? JSON.stringify(f) : ethersText(f)}: ${e.message}\n`); return []; } });
    this.deploy = this.fragments.find((f) => f.type === "constructor") ?? new Fragment("constructor", "constructor", [], { stateMutability: "nonpayable" });
  }
  static from(v) { return v instanceof Interface ? v : new Interface(v); }
  getAbiCoder() { return this.#coder; }
  format(minimal) { return this.fragments.map((f) => f.format(minimal ? "minimal" : "full")); }
  formatJson() { throw ethersError("ethers.Interface.formatJson is not available in a script", "UNSUPPORTED_OPERATION", { operation: "formatJson" }); }

  // By name, by signature, by selector or topic; null where there is none.
  #find(type, key, values) {
    if (key instanceof Fragment) return key;
    const all = this.fragments.filter((f) => f.type === type);
    if (isHexString(key)) return all.find((f) => (type === "event" ? f.topicHash : f.selector) === key.toLowerCase()) ?? null;
    if (typeof key !== "string") return badArgument("invalid fragment", "key", key);
    if (key.includes("(")) {
      const wanted = Fragment.from(`${type} ${key.replace(/^(function|event|error)\s+/, "")}`).format();
      return all.find((f) => f.format() === wanted) ?? null;
    }
    let found = all.filter((f) => f.name === key);
    if (found.length > 1 && values) {
      const last = values.at(-1), hasOptions = typeof last === "object" && last !== null && !Array.isArray(last) && ["from", "value", "blockTag", "gasLimit"].some((k) => k in last);
      found = found.filter((f) => f.inputs.length === values.length || (hasOptions && f.inputs.length === values.length - 1));
      const fitting = found.filter((f) => { try { this.#coder.encode(f.inputs, values.slice(0, f.inputs.length)); return true; } catch { return false; } });
      if (fitting.length === 1) found = fitting;
    }
    if (found.length > 1) badArgument(`ambiguous ${type} description (i.e. matches ${found.map((f) => JSON.stringify(f.format())).join(", ")})`, "key", key);
    return found[0] ?? null;
  }
  #need(type, key, values) { return this.#find(type, key, values) ?? badArgument(`unknown ${type}`, type === "event" ? "eventFragment" : "fragment", key); }
  getFunction(key, values) { return this.#find("function", key, values); }
  getEvent(key, values) { return this.#find("event", key, values); }
  getError(key, values) { return this.#find("error", key, values); }
  getFunctionName(key) { return (this.#find("function", key) ?? badArgument("no matching function", "key", key)).name; }
  getEventName(key) { return (this.#find("event", key) ?? badArgument("no matching event", "key", key)).name; }
  hasFunction(key) { return !!this.#find("function", key); }
  hasEvent(key) { return !!this.#find("event", key); }
  forEachFunction(f) { this.fragments.filter((x) => x.type === "function").sort((a, b) => (a.format() < b.format() ? -1 : 1)).forEach((x, i) => f(x, i)); }
  forEachEvent(f) { this.fragments.filter((x) => x.type === "event").sort((a, b) => (a.format() < b.format() ? -1 : 1)).forEach((x, i) => f(x, i)); }
  forEachError(f) { this.fragments.filter((x) => x.type === "error").forEach((x, i) => f(x, i)); }
  // Names that version 5 had.
  getSighash(key) { return this.#need("function", key).selector; }
  getEventTopic(key) { return this.#need("event", key).topicHash; }
  get functions() { return Object.fromEntries(this.fragments.filter((f) => f.type === "function").map((f) => [f.format(), f])); }
  get events() { return Object.fromEntries(this.fragments.filter((f) => f.type === "event").map((f) => [f.format(), f])); }

  encodeDeploy(values = []) { return this.#coder.encode(this.deploy.inputs, values); }
  encodeFunctionData(key, values = []) { const f = this.#need("function", key); return f.selector + this.#coder.encode(f.inputs, values).slice(2); }
  encodeFunctionResult(key, values = []) { return this.#coder.encode(this.#need("function", key).outputs, values); }
  encodeErrorResult(key, values = []) { const f = this.#need("error", key); return f.selector + this.#coder.encode(f.inputs, values).slice(2); }
  decodeFunctionData(key, data) { return this.#decodeCall(this.#need("function", key), data); }
  decodeErrorResult(key, data) { return this.#decodeCall(this.#need("error", key), data); }
  #decodeCall(f, data) {
    if (hexlify(data).slice(0, 10) !== f.selector) badArgument(`data signature does not match ${f.type} ${f.name}.`, "data", data);
    return this.#coder.decode(f.inputs, "0x" + hexlify(data).slice(10));
  }
  decodeFunctionResult(key, data) {
    const f = this.#need("function", key), hex = hexlify(data);
    let message = "invalid length for result data";
    if ((hex.length - 2) % 64 === 0) {
      try { return this.#coder.decode(f.outputs, hex); } catch { message = "could not decode result data"; }
    }
    throw ethersError(message, "BAD_DATA", { value: hex, info: { method: f.name, signature: f.format() } });
  }
  // What a call that reverted with this data is thrown as.
  makeError(data, transaction) {
    const hex = hexlify(data ?? "0x");
    let reason = hex === "0x" ? "require(false)" : null, revert = null, message = hex === "0x" ? "execution reverted (no data present; likely require(false) occurred" : "execution reverted (unknown custom error)";
    try {
      if (hex.startsWith(ERROR_STRING)) {
        reason = defaultCoder.decode(["string"], "0x" + hex.slice(10))[0];
        revert = { signature: "Error(string)", name: "Error", args: [reason] };
        message = `execution reverted: ${JSON.stringify(reason)}`;
      } else if (hex.startsWith(PANIC)) {
        const code = Number(defaultCoder.decode(["uint256"], "0x" + hex.slice(10))[0]);
        reason = `Panic due to ${PANIC_REASONS[code] ?? "UNKNOWN"}(${code})`;
        revert = { signature: "Panic(uint256)", name: "Panic", args: [code] };
        message = `execution reverted: ${reason}`;
      } else if (hex.length >= 10) {
        const f = this.#find("error", hex.slice(0, 10));
        if (f) {
          revert = { signature: f.format(), name: f.name, args: this.#decodeCall(f, hex) };
          reason = f.format();
        }
      }
    } catch { message = "execution reverted (could not decode the error's data)"; }
    return ethersError(message, "CALL_EXCEPTION", { action: "call", data: hex, reason, transaction, invocation: null, revert });
  }

  encodeFilterTopics(key, values) {
    const f = this.#need("event", key);
    if (values.length > f.inputs.length) throw ethersError(`too many arguments for ${f.format()}`, "UNEXPECTED_ARGUMENT", { count: values.length, expectedCount: f.inputs.length });
    const topics = f.anonymous ? [] : [f.topicHash];
    const one = (p, v) => {
      if (p.type === "string") return idOf(v);
      if (p.type === "bytes") return keccakOf(v);
      if (p.isArray() || p.isTuple()) return badArgument("filtering with tuples or arrays not supported", "contract." + p.name, v);
      return "0x" + encodeValue(p, v);
    };
    values.forEach((v, i) => {
      const p = f.inputs[i];
      if (!p.indexed) { if (v !== null && v !== undefined) badArgument("cannot filter non-indexed parameters; must be null", "contract." + p.name, v); return; }
      topics.push(v === null || v === undefined ? null : Array.isArray(v) ? v.map((x) => one(p, x)) : one(p, v));
    });
    while (topics.length && topics.at(-1) === null) topics.pop();
    return topics;
  }
  decodeEventLog(key, data, topics) {
    const f = this.#need("event", key);
    if (topics && !f.anonymous && topics[0]?.toLowerCase() !== f.topicHash) badArgument("fragment/topic mismatch", "topics[0]", topics[0]);
    const indexed = (topics ?? []).slice(f.anonymous ? 0 : 1), plain = this.#coder.decode(f.inputs.filter((p) => !p.indexed), data, true);
    let inTopics = 0, inData = 0;
    const items = f.inputs.map((p) => {
      if (!p.indexed) { try { return plain[inData++]; } catch (e) { return e; } }
      const topic = indexed[inTopics++];
      // Of what does not fit in a topic only the hash is known.
      if (topic === undefined || p.dynamic || p.isArray() || p.isTuple()) return { _isIndexed: true, hash: topic ?? null };
      return this.#coder.decode([p], topic)[0];
    });
    return Result.fromItems(items, f.inputs.map((p) => p.name || null));
  }
  parseLog(log) {
    const f = this.#find("event", log.topics?.[0] ?? "0x");
    if (!f || f.anonymous) return null;
    return { fragment: f, name: f.name, signature: f.format(), topic: f.topicHash, args: this.decodeEventLog(f, log.data, log.topics) };
  }
  parseTransaction(tx) {
    const data = hexlify(tx.data), f = this.#find("function", data.slice(0, 10));
    return f && { fragment: f, name: f.name, signature: f.format(), selector: f.selector, args: this.#decodeCall(f, data), value: getBigInt(tx.value ?? 0, "tx.value") };
  }
  parseError(data) {
    const hex = hexlify(data), f = this.#find("error", hex.slice(0, 10));
    return f && { fragment: f, name: f.name, signature: f.format(), selector: f.selector, args: this.#decodeCall(f, hex) };
  }
}
