// The part of `ethers` that computes and reads: version 6, and under utils,
// BigNumber, constants and providers the names of version 5. What signs, sends
// or listens is not here and says so.
const UNITS = ["wei", "kwei", "mwei", "gwei", "szabo", "finney", "ether"];
function decimalsOf(unit) {
  if (unit === undefined || unit === null) return 18;
  if (typeof unit !== "string" || /^[0-9]+$/.test(unit)) return getNumber(unit, "unit");
  const at = UNITS.indexOf(unit);
  return at < 0 ? badArgument("invalid unit", "unit", unit) : 3 * at;
}
function formatUnits(value, unit) {
  const decimals = decimalsOf(unit), n = getBigInt(value), digits = String(n < 0n ? -n : n).padStart(decimals + 1, "0");
  if (decimals === 0) return String(n);
  const whole = digits.slice(0, -decimals), fraction = digits.slice(-decimals).replace(/0+$/, "") || "0";
  return `${n < 0n ? "-" : ""}${whole}.${fraction}`;
}
function parseUnits(value, unit) {
  if (typeof value !== "string") badArgument("value must be a string", "value", value);
  const decimals = decimalsOf(unit), m = /^(-?)([0-9]*)\.?([0-9]*)$/.exec(value);
  if (!m || m[2].length + m[3].length === 0) badArgument("invalid FixedNumber string value", "value", value);
  if (/[^0]/.test(m[3].slice(decimals))) throw ethersError("too many decimals for format", "NUMERIC_FAULT", { operation: "fromString", fault: "underflow", value });
  const n = BigInt((m[2] || "0") + m[3].slice(0, decimals).padEnd(decimals, "0"));
  return m[1] ? -n : n;
}

function toBeHex(value, width) {
  const hex = getUint(value).toString(16);
  if (width === undefined || width === null) return "0x" + (hex.length % 2 ? "0" + hex : hex);
  const digits = 2 * getNumber(width, "width");
  if (digits === 0 && hex === "0") return "0x";
  if (hex.length > digits) overflow(`value exceeds width (${digits / 2} bytes)`, "toBeHex", value);
  return "0x" + hex.padStart(digits, "0");
}
function toBeArray(value, width) { const n = getUint(value); return N.unhex(n === 0n && !width ? "" : toBeHex(n, width).slice(2)); }
function toTwos(value, width) {
  const n = getBigInt(value), limit = 1n << BigInt(getNumber(width, "width") - 1);
  if (n < -limit) overflow("too low", "toTwos", value);
  if (n >= limit) overflow("too high", "toTwos", value);
  return n < 0n ? 2n * limit + n : n;
}
function fromTwos(value, width) {
  const n = getUint(value), limit = 1n << BigInt(getNumber(width, "width") - 1);
  if (n >= 2n * limit) overflow("overflow", "fromTwos", value);
  return n >= limit ? n - 2n * limit : n;
}
function padBytes(data, length, left) {
  const hex = hexOf(data);
  if (hex.length > 2 * length) throw ethersError("padding exceeds data length", "BUFFER_OVERRUN", { buffer: getBytes(data), length, offset: length + 1 });
  return "0x" + (left ? hex.padStart(2 * length, "0") : hex.padEnd(2 * length, "0"));
}
const concatBytes = (list) => "0x" + list.map((d) => hexOf(d)).join("");
const dataLength = (v) => hexOf(v).length / 2;
function dataSlice(data, start, end) {
  const bytes = getBytes(data);
  if (end !== undefined && end !== null && end > bytes.length) throw ethersError("cannot slice beyond data bounds", "BUFFER_OVERRUN", { buffer: bytes, length: bytes.length, offset: end });
  return "0x" + N.hex(bytes.slice(start ?? 0, end ?? bytes.length));
}
const stripZerosLeft = (v) => "0x" + hexOf(v).replace(/^(00)+/, "");
function toQuantity(v) { return "0x" + ((isBytesLike(v) ? hexOf(v) : toBeHex(v).slice(2)).replace(/^0+/, "") || "0"); }
function encodeBytes32String(text) {
  const bytes = toUtf8Bytes(text);
  if (bytes.length > 31) throw new Error("bytes32 string must be less than 32 bytes");
  return padBytes(bytes, 32, false);
}
function decodeBytes32String(v) {
  const bytes = getBytes(v, "bytes");
  if (bytes.length !== 32) throw new Error("invalid bytes32 - not 32 bytes long");
  if (bytes[31] !== 0) throw new Error("invalid bytes32 string - no null terminator");
  let end = 31;
  while (end > 0 && bytes[end - 1] === 0) end--;
  return toUtf8String(bytes.slice(0, end));
}

function packValue(p, value, inArray) {
  if (p.isArray()) {
    if (!Array.isArray(value) || (p.arrayLength >= 0 && p.arrayLength !== value.length)) badArgument(`invalid array length for ${p.type}`, "value", value);
    return value.map((v) => packValue(p.arrayChildren, v, true)).join("");
  }
  if (p.isTuple()) badArgument("invalid type", "type", p.type);
  if (p.baseType === "string") return N.hex(toUtf8Bytes(value));
  if (p.baseType === "bytes") return hexOf(value);
  const hex = encodeValue(p, value);
  if (inArray) return hex;
  return p.size ? hex.slice(0, 2 * p.size) : hex.slice(p.bits ? -p.bits / 4 : p.baseType === "bool" ? -2 : -40);
}
function solidityPacked(types, values) {
  if (types.length !== values.length) badArgument(`wrong number of values; expected ${types.length}`, "values", values);
  return "0x" + types.map((t, i) => packValue(ParamType.from(t), values[i], false)).join("");
}
function namehash(name) {
  if (!/^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(name)) badArgument("only lower-case ASCII names are hashed here", "name", name);
  return name.split(".").reverse().reduce((node, label) => (label ? keccakOf(concatBytes([node, idOf(label)])) : node), "0x" + "00".repeat(32));
}
function hashMessage(message) {
  const bytes = typeof message === "string" ? toUtf8Bytes(message) : message;
  return keccakOf(concatBytes([toUtf8Bytes("\x19Ethereum Signed Message:\n"), toUtf8Bytes(String(dataLength(bytes))), bytes]));
}
function getCreate2Address(from, salt, initCodeHash) { return getAddress("0x" + keccakOf(concatBytes(["0xff", getAddress(from), salt, initCodeHash])).slice(-40)); }

const NO_KEYS = "a script holds no key; it says which call to make, and the platform signs and sends it";
const NO_SOCKET = "a script reads each chain at its pinned block; use JsonRpcProvider";
const ETHERS_REASONS = {
  Wallet: NO_KEYS, BaseWallet: NO_KEYS, HDNodeWallet: NO_KEYS, HDNodeVoidWallet: NO_KEYS, Mnemonic: NO_KEYS, SigningKey: NO_KEYS, Signature: NO_KEYS, VoidSigner: NO_KEYS, NonceManager: NO_KEYS,
  Transaction: NO_KEYS, ContractFactory: NO_KEYS, verifyMessage: "signatures are not recovered here", verifyTypedData: "signatures are not recovered here", recoverAddress: "signatures are not recovered here",
  computeAddress: NO_KEYS, TypedDataEncoder: "encode with AbiCoder and keccak256", WebSocketProvider: NO_SOCKET, BrowserProvider: NO_SOCKET, IpcSocketProvider: NO_SOCKET, FallbackProvider: NO_SOCKET,
  InfuraProvider: NO_SOCKET, AlchemyProvider: NO_SOCKET, AnkrProvider: NO_SOCKET, CloudflareProvider: NO_SOCKET, EtherscanProvider: NO_SOCKET, PocketProvider: NO_SOCKET, QuickNodeProvider: NO_SOCKET,
  getDefaultProvider: NO_SOCKET, FixedNumber: "use BigInt with parseUnits and formatUnits", FetchRequest: "use fetch", decodeRlp: "", encodeRlp: "", EnsResolver: "", Typed: "write the signature, as in contract[\"f(uint256)\"]",
};
const ethersReason = (k) => ETHERS_REASONS[k];
// Listed members can be imported by name; using one says why it is not there.
const absent = (name) => function () { const why = ETHERS_REASONS[name]; throw new TypeError(`ethers.${name} is not available in a script${why ? ": " + why : ""}`); };

const CONSTANTS = {
  ZeroAddress: "0x" + "00".repeat(20), ZeroHash: "0x" + "00".repeat(32), MaxUint256: (1n << 256n) - 1n, MaxInt256: (1n << 255n) - 1n, MinInt256: -(1n << 255n),
  WeiPerEther: 10n ** 18n, N: 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n, EtherSymbol: "\u039e", MessagePrefix: "\x19Ethereum Signed Message:\n",
};
