// ethers' provider and contract: reads at the run's pinned blocks.
const notAvailable = (what, why) => ethersError(`${what} is not available in a script: ${why}`, "UNSUPPORTED_OPERATION", { operation: what });

const NETWORKS = { mainnet: 1, homestead: 1, sepolia: 11155111, holesky: 17000, hoodi: 560048, optimism: 10, "optimism-sepolia": 11155420, arbitrum: 42161, "arbitrum-sepolia": 421614, base: 8453, "base-sepolia": 84532, matic: 137, polygon: 137, bnb: 56, linea: 59144, xdai: 100 };
function networkId(v) {
  if (v === undefined || v === null || v === "any") return undefined;
  if (typeof v === "object") return Number(getBigInt(v.chainId, "network"));
  if (typeof v === "string" && !/^[0-9]/.test(v)) return NETWORKS[v] ?? badArgument("unknown network name: give the chain's number", "network", v);
  return Number(getBigInt(v, "network"));
}

class JsonRpcProvider {
  #given; #legacy;
  // The URL is not dialled: what a provider reads comes from the platform's
  // own nodes, at the block that is pinned for the run.
  constructor(url, network, options, legacy) {
    this.#given = networkId(network ?? options?.staticNetwork);
    this.#legacy = !!legacy;
  }
  get _legacy() { return this.#legacy; }
  get provider() { return this; }
  get _chain() {
    if (this.#given !== undefined) return this.#given;
    const pinned = Object.keys(theContext().pinned ?? {});
    if (pinned.length === 1) return Number(pinned[0]);
    throw ethersError(`a provider reads a chain that is pinned for the run: ${pinned.length ? `name one of ${pinned.join(", ")}` : "this job names no chain"}, as in new JsonRpcProvider(url, chainId)`, "NETWORK_ERROR", { event: "noNetwork" });
  }
  get _block() {
    const pin = theContext().pinned?.[this._chain];
    if (!pin) throw ethersError(`chain ${this._chain} has no pinned block in this run: name the chain in the job`, "NETWORK_ERROR", { event: "noNetwork" });
    return pin.number;
  }
  // The height of a tag: the pinned block is the latest.
  _height(tag) {
    if (tag === undefined || tag === null || tag === "latest") return this._block;
    if (tag === "earliest") return 0;
    if (["pending", "safe", "finalized"].includes(tag)) throw notAvailable(`block tag "${tag}"`, `reads are at the pinned block ${this._block}`);
    const n = getNumber(tag, "blockTag");
    return n < 0 ? Math.max(0, this._block + n) : n;
  }
  _atPin(tag) { if (this._height(tag) !== this._block) throw notAvailable(`a read at block ${tag}`, `reads are at the pinned block ${this._block}`); }
  _integer(n) { return this.#legacy ? BigNumber.from(n) : n; }
  async getNetwork() { const id = this._chain, name = Object.keys(NETWORKS).find((k) => NETWORKS[k] === id) ?? "unknown"; return { name, chainId: this.#legacy ? id : BigInt(id) }; }
  async _detectNetwork() { return this.getNetwork(); }
  async getBlockNumber() { return this._block; }
  async call(tx) {
    if (tx.from !== undefined && tx.from !== null) throw notAvailable("`from` of a call", "calls are made from nobody; leave it out");
    if (tx.value !== undefined && tx.value !== null && getBigInt(tx.value) !== 0n) throw notAvailable("`value` of a call", "calls carry no ether; leave it out");
    this._atPin(tx.blockTag);
    const to = getAddress(await addressOf(tx.to));
    try { return await argus.evm.call({ chainId: this._chain, to, data: tx.data ?? "0x" }); } catch (e) {
      if (e.kind !== "reverted") throw e;
      throw new Interface([]).makeError(e.data ?? "0x", { to, data: tx.data ?? "0x" });
    }
  }
  async getBalance(address, tag) { this._atPin(tag); return this._integer(await argus.evm.balance(this._chain, getAddress(await addressOf(address)))); }
  async getLogs(filter) {
    if (filter.blockHash) throw notAvailable("blockHash of a filter", "name fromBlock and toBlock");
    const addresses = Array.isArray(filter.address) ? filter.address : [filter.address];
    if (addresses.length !== 1) throw notAvailable("a filter with several addresses", "ask for one at a time");
    const wanted = (filter.topics ?? []).map((t) => (Array.isArray(t) ? (t.length === 1 ? t[0] : t) : t ?? null));
    const logs = await argus.evm.logs({
      chainId: this._chain, address: addresses[0] === undefined ? undefined : getAddress(await addressOf(addresses[0])),
      topics: wanted.map((t) => (Array.isArray(t) ? null : t)), fromBlock: this._height(filter.fromBlock), toBlock: this._height(filter.toBlock),
    });
    const fits = (log) => wanted.every((t, i) => !Array.isArray(t) || t.some((x) => x.toLowerCase() === log.topics[i]));
    return logs.filter(fits).map((log) => ({
      provider: this, address: getAddress(log.address), topics: log.topics, data: log.data, blockNumber: log.block_number, blockHash: log.block_hash,
      transactionHash: log.transaction_hash, index: log.log_index, logIndex: log.log_index, removed: false,
    }));
  }
  async send(method, params = []) {
    switch (method) {
      case "eth_chainId": return toQuantity(this._chain);
      case "net_version": return String(this._chain);
      case "eth_blockNumber": return toQuantity(this._block);
      case "eth_getBalance": return toQuantity(getBigInt(await this.getBalance(params[0], params[1])));
      case "eth_call": return this.call({ ...params[0], data: params[0].data ?? params[0].input, blockTag: params[1] });
      default: throw notAvailable(method, "a script reads eth_call, eth_getBalance, eth_blockNumber, eth_chainId, and logs with getLogs; other methods go through fetch to a node of yours");
    }
  }
  destroy() {}
}
for (const name of ["getBlock", "getFeeData", "getGasPrice", "getCode", "getStorage", "getStorageAt", "getTransaction", "getTransactionReceipt", "getTransactionCount", "estimateGas", "resolveName", "lookupAddress", "getSigner", "broadcastTransaction", "sendTransaction", "waitForTransaction", "on", "once"])
  JsonRpcProvider.prototype[name] = function () { throw notAvailable(`provider.${name}`, name === "getBlock" ? "the time is Date.now(), the block's number getBlockNumber()" : "ask a node of yours through fetch, with its JSON-RPC method"); };

async function addressOf(v) {
  const found = typeof v === "object" && v !== null ? (typeof v.getAddress === "function" ? await v.getAddress() : v.target ?? v.address) : v;
  return typeof found === "string" ? found : badArgument("invalid address", "address", v);
}

const OVERRIDES = new Set(["from", "value", "gasLimit", "gasPrice", "blockTag", "nonce", "maxFeePerGas", "maxPriorityFeePerGas", "type", "chainId", "accessList", "customData", "enableCcipRead"]);
const isOverrides = (v) => typeof v === "object" && v !== null && !Array.isArray(v) && !(v instanceof Uint8Array) && Object.keys(v).length > 0 && Object.keys(v).every((k) => OVERRIDES.has(k));

class Contract {
  constructor(target, abi, runner) {
    const legacy = !!runner?._legacy;
    const own = { target, address: typeof target === "string" ? target : target?.target, runner: runner ?? null, provider: runner?.provider ?? null, signer: null, interface: legacy ? new Interface(abi, legacyInteger) : Interface.from(abi) };
    Object.assign(this, own);
    const methods = new Map(), by = (make) => new Proxy({}, { get: (_, k) => (typeof k === "string" && this.#has("function", k) ? make(k) : undefined) });
    this.filters = new Proxy({}, { get: (_, k) => (typeof k === "string" && this.#has("event", k) ? (...args) => this.#filter(k, args) : undefined) });
    this.callStatic = by((k) => (...args) => this.#call(k, args, true));
    if (legacy) this.populateTransaction = by((k) => (...args) => this.#populate(k, args));
    this.functions = by((k) => (...args) => this.#read(k, args, false));
    return new Proxy(this, {
      get: (t, k, receiver) => {
        if (typeof k !== "string" || k in t || !this.#has("function", k)) {
          const v = Reflect.get(t, k, t);
          return typeof v === "function" && Object.hasOwn(Contract.prototype, k) && k !== "constructor" ? v.bind(t) : v;
        }
        if (!methods.has(k)) methods.set(k, this.getFunction(k));
        return methods.get(k);
      },
      has: (t, k) => k in t || (typeof k === "string" && this.#has("function", k)),
    });
  }
  #has(type, key) { return this.interface.fragments.some((f) => f.type === type && (f.name === key || (key.includes("(") && f.format() === key))); }
  // The arguments, and the overrides after them.
  #split(key, args) {
    const f = this.interface.getFunction(key, args) ?? badArgument("unknown function", "fragment", key);
    const overrides = args.length === f.inputs.length + 1 && isOverrides(args.at(-1)) ? args.at(-1) : {};
    return [f, overrides === args.at(-1) ? args.slice(0, -1) : args, overrides];
  }
  async #populate(key, args) {
    const [f, values, overrides] = this.#split(key, args);
    const plain = await Promise.all(values.map((v, i) => (f.inputs[i]?.baseType === "address" && typeof v === "object" && v !== null ? addressOf(v) : v)));
    return { ...overrides, to: await addressOf(this.target), data: this.interface.encodeFunctionData(f, plain) };
  }
  async #read(key, args, always) {
    const [f] = this.#split(key, args);
    if (!always && !f.constant) throw notAvailable(`contract.${f.name}`, "it would send a transaction; give back its calldata (interface.encodeFunctionData), or use staticCall to see what it would return");
    if (typeof this.runner?.call !== "function") throw ethersError("contract runner does not support calling", "UNSUPPORTED_OPERATION", { operation: "call" });
    const tx = await this.#populate(key, args);
    let data;
    try { data = await this.runner.call(tx); } catch (e) { throw e.code === "CALL_EXCEPTION" && e.data ? this.interface.makeError(e.data, { to: tx.to, data: tx.data }) : e; }
    if (data === "0x" && f.outputs.length) throw ethersError("could not decode result data", "BAD_DATA", { value: data, info: { method: f.name, signature: f.format() } });
    return this.interface.decodeFunctionResult(f, data);
  }
  async #call(key, args, always) { const r = await this.#read(key, args, always); return r.length === 1 ? r[0] : r; }
  #filter(key, args) { const f = this.interface.getEvent(key, args); return { address: this.address, fragment: f, topics: this.interface.encodeFilterTopics(f, args) }; }
  getFunction(key) {
    const name = key instanceof Fragment ? key.format() : key;
    if (!this.#has("function", name)) badArgument("unknown function", "fragment", key);
    const method = (...args) => this.#call(name, args, false);
    const gone = (what) => () => { throw notAvailable(`contract.${name}.${what}`, NO_KEYS); };
    Object.defineProperty(method, "fragment", { get: () => this.interface.getFunction(name) });
    return Object.assign(method, {
      staticCall: (...args) => this.#call(name, args, true), staticCallResult: (...args) => this.#read(name, args, true),
      populateTransaction: (...args) => this.#populate(name, args), getFragment: (...args) => this.interface.getFunction(name, args), send: gone("send"), estimateGas: gone("estimateGas"),
    });
  }
  async getAddress() { return addressOf(this.target); }
  connect(runner) { return new Contract(this.target, this.interface, runner); }
  attach(target) { return new Contract(target, this.interface, this.runner); }
  async queryFilter(event, fromBlock = 0, toBlock = "latest") {
    const filter = typeof event === "string" ? this.#filter(event, []) : event;
    const logs = await this.runner.getLogs({ address: await addressOf(this.target), topics: filter.topics, fromBlock, toBlock });
    return logs.map((log) => {
      const parsed = this.interface.parseLog(log);
      return parsed ? { ...log, fragment: parsed.fragment, interface: this.interface, eventName: parsed.name, event: parsed.name, eventSignature: parsed.signature, args: parsed.args } : log;
    });
  }
  on() { throw notAvailable("contract.on", "a script runs once; trigger the job by the event, or read past ones with queryFilter"); }
}
Contract.prototype.once = Contract.prototype.addListener = Contract.prototype.on;

// ---- names of version 5 ----

class BigNumber {
  #n;
  constructor(n) { this.#n = n; this._hex = n < 0n ? "-" + toBeHex(-n) : toBeHex(n); this._isBigNumber = true; }
  static from(v) { return v instanceof BigNumber ? v : new BigNumber(v?.type === "BigNumber" ? getBigInt(v.hex) : v instanceof Uint8Array ? BigInt("0x0" + N.hex(v)) : getBigInt(v)); }
  static isBigNumber(v) { return v?._isBigNumber === true; }
  toBigInt() { return this.#n; }
  toString() { return String(this.#n); }
  toHexString() { return this._hex; }
  toNumber() { return Number.isSafeInteger(Number(this.#n)) ? Number(this.#n) : overflow("overflow", "toNumber", this.#n); }
  toJSON() { return { type: "BigNumber", hex: this._hex }; }
  isZero() { return this.#n === 0n; }
  isNegative() { return this.#n < 0n; }
  abs() { return this.#n < 0n ? new BigNumber(-this.#n) : this; }
  toTwos(width) { return new BigNumber(toTwos(this.#n, width)); }
  fromTwos(width) { return new BigNumber(fromTwos(this.#n, width)); }
  [Symbol.toPrimitive](hint) { return hint === "number" ? Number(this.#n) : String(this.#n); }
}
const positive = (n, what) => (n === 0n ? (() => { throw ethersError("division-by-zero", "NUMERIC_FAULT", { fault: "division-by-zero", operation: what }); })() : n);
const floorMod = (a, b) => { const m = positive(b, "mod") < 0n ? -b : b; return ((a % m) + m) % m; };
for (const [name, f] of Object.entries({ add: (a, b) => a + b, sub: (a, b) => a - b, mul: (a, b) => a * b, div: (a, b) => a / positive(b, "div"), mod: floorMod, pow: (a, b) => a ** b, shl: (a, b) => a << b, shr: (a, b) => a >> b, and: (a, b) => a & b, or: (a, b) => a | b, xor: (a, b) => a ^ b, mask: (a, b) => a & ((1n << b) - 1n) }))
  BigNumber.prototype[name] = function (other) { return new BigNumber(f(this.toBigInt(), BigNumber.from(other).toBigInt())); };
for (const [name, f] of Object.entries({ eq: (a, b) => a === b, lt: (a, b) => a < b, lte: (a, b) => a <= b, gt: (a, b) => a > b, gte: (a, b) => a >= b }))
  BigNumber.prototype[name] = function (other) { return f(this.toBigInt(), BigNumber.from(other).toBigInt()); };

// Version 5 gives small integers as numbers, the others as BigNumber.
const legacyInteger = (n, bits) => (bits <= 48 ? Number(n) : BigNumber.from(n));
const big = (f) => (...args) => BigNumber.from(f(...args));

const ethers = (() => {
  const shared = {
    AbiCoder, Interface, getAddress, isAddress, keccak256: keccakOf, sha256: (v) => "0x" + N.hex(N.sha256(getBytes(v))), id: idOf, hashMessage, namehash,
    toUtf8Bytes, toUtf8String, hexlify: (v) => hexlify(v), isHexString, isBytesLike, concat: concatBytes, getCreate2Address,
    formatUnits, formatEther: (v) => formatUnits(v, 18), parseUnits, parseEther: (v) => parseUnits(v, 18),
  };
  const names = {
    version: ETHERS_VERSION, ...CONSTANTS, ...shared, ParamType, Fragment, FunctionFragment: Fragment, EventFragment: Fragment, ErrorFragment: Fragment, ConstructorFragment: Fragment, Result, Contract, BaseContract: Contract,
    JsonRpcProvider, JsonRpcApiProvider: JsonRpcProvider, AbstractProvider: JsonRpcProvider, Network: { from: (v) => ({ chainId: BigInt(networkId(v) ?? badArgument("invalid network", "network", v)) }) },
    getBigInt, getUint, getNumber, toBigInt: (v) => (v instanceof Uint8Array ? BigInt("0x0" + N.hex(v)) : getBigInt(v)), toNumber: (v) => getNumber(v instanceof Uint8Array ? BigInt("0x0" + N.hex(v)) : v),
    toBeHex, toBeArray, toQuantity, toTwos, fromTwos, mask: (v, bits) => getUint(v) & ((1n << BigInt(getNumber(bits))) - 1n),
    getBytes, getBytesCopy: (v) => getBytes(v).slice(), dataLength, dataSlice, stripZerosLeft, zeroPadValue: (v, n) => padBytes(v, n, true), zeroPadBytes: (v, n) => padBytes(v, n, false),
    encodeBytes32String, decodeBytes32String, solidityPacked, solidityPackedKeccak256: (t, v) => keccakOf(solidityPacked(t, v)), solidityPackedSha256: (t, v) => shared.sha256(solidityPacked(t, v)),
    isAddressable: (v) => typeof v?.getAddress === "function", resolveAddress: addressOf, encodeBase64: (v) => base64(getBytes(v)), decodeBase64: (s) => unbase64(s), randomBytes: (n) => N.randomBytes(n),
    isError: (e, code) => !!e && e.code === code, isCallException: (e) => !!e && e.code === "CALL_EXCEPTION", makeError: ethersError,
    assert: (ok, message, code, info) => { if (!ok) throw ethersError(message, code, info); }, assertArgument: (ok, message, name, value) => { if (!ok) badArgument(message, name, value); },
  };
  for (const name of Object.keys(ETHERS_REASONS)) names[name] = absent(name);

  const hex = (v) => (typeof v === "number" || typeof v === "bigint" || v?._isBigNumber ? toBeHex(v) : hexlify(Array.isArray(v) ? Uint8Array.from(v) : v));
  const utils = guarded({
    ...shared, hexlify: hex, parseUnits: big(shared.parseUnits), parseEther: big(shared.parseEther), defaultAbiCoder: new AbiCoder(legacyInteger), Interface: class extends Interface { constructor(abi) { super(abi, legacyInteger); } },
    arrayify: (v) => N.unhex(hex(v).slice(2)), concat: (list) => N.unhex(concatBytes(list).slice(2)), zeroPad: (v, n) => N.unhex(padBytes(v, n, true).slice(2)), stripZeros: (v) => N.unhex(stripZerosLeft(v).slice(2)),
    hexConcat: concatBytes, hexZeroPad: (v, n) => padBytes(hex(v), n, true), hexDataSlice: dataSlice, hexDataLength: (v) => (isHexString(v, true) ? dataLength(v) : null), hexStripZeros: toQuantity, hexValue: (v) => toQuantity(hex(v)),
    isBytes: (v) => v instanceof Uint8Array, formatBytes32String: encodeBytes32String, parseBytes32String: decodeBytes32String, commify: (v) => String(v).replace(/^(-?)(\d+)/, (_, sign, whole) => sign + group(whole)),
    solidityPack: solidityPacked, solidityKeccak256: names.solidityPackedKeccak256, soliditySha256: names.solidityPackedSha256, FunctionFragment: Fragment, EventFragment: Fragment, Fragment, ParamType,
  }, "ethers.utils", ethersReason);
  const legacyProvider = class extends JsonRpcProvider { constructor(url, network) { super(url, network, undefined, true); } };
  const providers = guarded({ JsonRpcProvider: legacyProvider, StaticJsonRpcProvider: legacyProvider, Provider: legacyProvider, BaseProvider: legacyProvider }, "ethers.providers", () => NO_SOCKET);
  const constants = guarded({
    AddressZero: CONSTANTS.ZeroAddress, HashZero: CONSTANTS.ZeroHash, EtherSymbol: CONSTANTS.EtherSymbol, NegativeOne: BigNumber.from(-1), Zero: BigNumber.from(0), One: BigNumber.from(1), Two: BigNumber.from(2),
    WeiPerEther: BigNumber.from(CONSTANTS.WeiPerEther), MaxUint256: BigNumber.from(CONSTANTS.MaxUint256), MaxInt256: BigNumber.from(CONSTANTS.MaxInt256), MinInt256: BigNumber.from(CONSTANTS.MinInt256),
  }, "ethers.constants");
  const whole = guarded({ ...names, BigNumber, utils, providers, constants }, "ethers", ethersReason);
  return whole;
})();
const ethersModule = guarded({ ...ethers, ethers, default: ethers }, "ethers", ethersReason);
