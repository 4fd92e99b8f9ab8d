// What only this platform has: chain reads at the pinned block, storage,
// secrets, skip. The same requests and replies as the guest contract's.
class HostError extends Error {
  constructor(op, err) { super(`${op}: ${err.message}`); this.name = "HostError"; this.kind = err.kind; this.data = err.data; }
}
const unwrap = (op) => (head) => { if (head.err) throw new HostError(op, head.err); return head.ok; };

// The few verbs whose answer a script gets at once.
function callNow(op, request) {
  const head = N.ask(op, JSON.stringify(request));
  return unwrap(op)(JSON.parse(head));
}

const toBytes = (v) => (typeof v === "string" ? (/^0x([0-9a-fA-F]{2})*$/.test(v) ? N.unhex(v.slice(2)) : N.utf8Encode(v)) : bytesOf(v));
const textOrBytes = (v) => "0x" + N.hex(typeof v === "string" ? N.utf8Encode(v) : bytesOf(v));
const toHex = (v) => "0x" + N.hex(toBytes(v));
const chainId = (v) => { const n = Number(v); if (!Number.isSafeInteger(n) || n < 1) throw new TypeError(`chain id must be a positive integer, not ${inspect(v)}`); return n; };

const argus = {
  version: "1.0.0",
  get context() { return theContext(); },
  evm: {
    call: ({ chainId: chain, to, data }) => issue("evm_call", { chain_id: chainId(chain), to: String(to), data: toHex(data ?? "0x") }, unwrap("evm_call")),
    blockNumber: (chain) => issue("evm_block_number", { chain_id: chainId(chain) }, (h) => unwrap("evm_block_number")(h)),
    balance: (chain, address) => issue("evm_balance", { chain_id: chainId(chain), address: String(address) }, (h) => BigInt(unwrap("evm_balance")(h))),
    logs: ({ chainId: chain, address, topics, fromBlock, toBlock }) => issue("evm_logs", { chain_id: chainId(chain), address: address ?? null, topics: topics ?? [], from_block: fromBlock === undefined ? null : Number(fromBlock), to_block: toBlock === undefined ? null : Number(toBlock) }, unwrap("evm_logs")),
  },
  storage: {
    get: (key) => { const v = callNow("storage_get", { key: String(key) }); return v === null ? null : N.utf8Decode(N.unhex(v.slice(2)), false); },
    set: (key, value) => { callNow("storage_set", { key: String(key), value: textOrBytes(value) }); },
    delete: (key) => { callNow("storage_delete", { key: String(key) }); },
  },
  hmac: (secret, data, encoding = "hex") => callNow("env_hmac", { name: String(secret), data: textOrBytes(data), encoding: String(encoding) }),
  secret: (name) => callNow("env_secret", { name: String(name) }),
  log: (...a) => print(ERR, a),
  skip: (reason = "skipped") => { write(ERR, String(reason) + "\n"); N.exit(64); },
  keccak256: (v) => "0x" + N.hex(N.keccak256(toBytes(v))),
  sha256: (v) => "0x" + N.hex(N.sha256(toBytes(v))),
};
