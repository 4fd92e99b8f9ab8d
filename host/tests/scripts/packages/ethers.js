// What ethers 6 computes, its errors included.
const { ethers, AbiCoder, Interface } = require("ethers");

const results = {};
const shown = (v) => JSON.parse(JSON.stringify(v ?? null, (_, x) => (typeof x === "bigint" ? `${x}n` : x)));
function check(name, f) {
  if (name in results) throw new Error(`two cases are called ${name}`);
  try {
    results[name] = shown(f());
  } catch (e) {
    results[name] = { code: e.code ?? null, error: e.constructor.name, message: e.shortMessage ?? null };
  }
}

const A = "0x8ba1f109551bD432803012645Ac136ddd64DBA72";
const coder = AbiCoder.defaultAbiCoder();

// Integers of every width, at both ends and one beyond.
for (let bits = 8; bits <= 256; bits += 8) {
  const n = BigInt(bits);
  for (const [type, low, high] of [[`uint${bits}`, 0n, 2n ** n - 1n], [`int${bits}`, -(2n ** (n - 1n)), 2n ** (n - 1n) - 1n]]) {
    check(type, () => [low, high].map((v) => coder.encode([type], [v])));
    check(`${type} back`, () => [low, high].map((v) => coder.decode([type], coder.encode([type], [v]))[0]));
    check(`${type} too low`, () => coder.encode([type], [low - 1n]));
    check(`${type} too high`, () => coder.encode([type], [high + 1n]));
    check(`${type} of other bits`, () => coder.decode([type], "0x" + "fe".repeat(32))[0]);
  }
}
for (let size = 1; size <= 32; size++) {
  check(`bytes${size}`, () => { const hex = coder.encode([`bytes${size}`], ["0x" + "a5".repeat(size)]); return [hex, coder.decode([`bytes${size}`], hex)[0]]; });
  check(`bytes${size} too long`, () => coder.encode([`bytes${size}`], ["0x" + "a5".repeat(size + 1)]));
}

// Values that are written as integers, and those that are not.
for (const v of [0, 255, 256, -1, 1.5, 2 ** 53, Number.MAX_SAFE_INTEGER, NaN, "0xff", "-0x1", "12", "", " 7 ", "1.5", "abc", "1e3", null, undefined, true, {}, [], 7n])
  check(`uint8 of ${typeof v} ${Array.isArray(v) ? "[]" : String(v)}`, () => coder.encode(["uint8"], [v]));

const roundTrips = [
  [["address"], [A]], [["address"], [A.toLowerCase()]], [["bool"], [true]], [["bool"], [0]], [["bytes"], ["0x1234"]], [["bytes"], ["0x123"]], [["bytes"], [new Uint8Array([1, 2, 255])]],
  [["string"], ["hé€😀"]], [["string"], ["a".repeat(32)]], [["string"], ["a".repeat(33)]], [["string"], [""]], [["string"], ["\ud800"]],
  [["uint256[]"], [[1, 2, 3]]], [["uint256[]"], [[]]], [["uint256[2]"], [[1, 2]]], [["uint256[2]"], [[1]]], [["uint256[2]"], [[1, 2, 3]]], [["uint256[]"], [5]],
  [["string[]"], [["a", "bb"]]], [["string[2][]"], [[["a", "b"], ["c", "d"]]]], [["uint8[][3]"], [[[1], [2, 3], []]]], [["uint8[2][2][]"], [[[[1, 2], [3, 4]]]]],
  [["tuple(uint256 a, string b)"], [{ a: 1, b: "x" }]], [["(uint256,string)[]", "bool"], [[[1, "a"], [2, "b"]], true]], [["tuple(uint256, string b)"], [{ a: 1, b: "x" }]],
  [["tuple(uint256 a, uint256 a)"], [{ a: 1 }]], [["tuple(uint256 a, (address x, bytes y)[] z) p"], [{ a: 1, z: [{ x: A, y: "0x00" }] }]], [["tuple(uint a)"], [5]], [["tuple(uint a)[2]"], [[[1], { a: 2 }]]],
  [["((string,(uint8,bytes[])[]),int16)"], [[["q", [[1, ["0x01", "0x"]], [2, []]]], -300]]], [["uint256", "uint256"], [1]], [["uint256"], [1, 2]], [["string", "uint24", "bytes", "int64[2]"], ["x", 5, "0x", [-1, 1]]],
  [["uint", "int"], [1, -1]], [["address[]", "uint256[]", "bytes[]"], [[A, A], [1, 2n ** 200n], ["0xdeadbeef", "0x"]]],
];
roundTrips.forEach(([types, values], i) => check(`${i}: ${types.join(" ")}`, () => { const hex = coder.encode(types, values); const back = coder.decode(types, hex); return [hex, back, back.length]; }));

const word = (hex) => hex.padStart(64, "0");
for (const [name, types, data] of [
  ["data that ends early", ["uint256"], "0x01"], ["text without its padding", ["string"], "0x" + word("20") + word("05") + "6162636465"], ["an array longer than the data", ["uint256[]"], "0x" + word("20") + word("ff")],
  ["an offset outside", ["string"], "0x" + word("40")], ["a bool that is two", ["bool"], "0x" + word("2")], ["nothing", ["uint256"], "0x"], ["more than asked for", ["uint256"], "0x" + word("1") + word("2")],
]) check(name, () => coder.decode(types, data));
check("text that is no UTF-8 spoils itself alone", () => coder.decode(["string", "uint256"], "0x" + word("40") + word("7") + word("1") + "ff".repeat(32))[1]);
check("names of a result", () => { const r = coder.decode(["uint256 a", "tuple(string s, int8 t) b"], coder.encode(["uint256", "tuple(string,int8)"], [5, ["x", -3]])); return [r.a, r.b.s, r.toObject(true), r.toArray(true), r.map((v) => typeof v), [...r].length]; });

const ABI = [
  "function balanceOf(address owner) view returns (uint256)", "function transfer(address to, uint256 amount) returns (bool)", "function f(uint256 a)", "function f(uint256 a, uint256 b)", "function nothing() pure",
  "function g() view returns (uint256 a, tuple(string s, int24[] t) b)", "event Transfer(address indexed from, address indexed to, uint256 value)", "event Note(string indexed tag, string text)",
  "error Insufficient(uint256 have, uint256 want)", "constructor(address owner) payable", "function h(tuple(uint256 a, bytes b)[2] calldata x, string memory y) external payable",
];
const I = new Interface(ABI);
const log = { topics: [I.getEvent("Transfer").topicHash, "0x" + word(A.slice(2).toLowerCase()), "0x" + word("0")], data: "0x" + word("9") };
for (const [name, f] of Object.entries({
  call: () => I.encodeFunctionData("transfer", [A, 5]), "call with too few": () => I.encodeFunctionData("transfer", [A]), "call of nothing known": () => I.encodeFunctionData("nope", []), "ambiguous call": () => I.encodeFunctionData("f", [1]),
  "call by signature": () => I.encodeFunctionData("f(uint256,uint256)", [1, 2]), "call without arguments": () => I.encodeFunctionData("nothing"), "call with tuples": () => I.encodeFunctionData("h", [[{ a: 1, b: "0x00" }, [2, "0x"]], "q"]),
  "unknown name": () => I.getFunction("nope"), selector: () => I.getFunction("balanceOf").selector, "by selector": () => I.getFunction("0x70a08231").format(), topic: () => I.getEvent("Transfer").topicHash, format: () => I.format(), minimal: () => I.format(true),
  result: () => I.decodeFunctionResult("balanceOf", "0x" + word("5")), "empty result": () => I.decodeFunctionResult("balanceOf", "0x"), "odd result": () => I.decodeFunctionResult("balanceOf", "0x1234"),
  "result with tuple": () => I.decodeFunctionResult("g", I.encodeFunctionResult("g", [1, ["x", [-1, 2]]])).toObject(true), "calldata back": () => I.decodeFunctionData("transfer", I.encodeFunctionData("transfer", [A, 5])), "other calldata": () => I.decodeFunctionData("transfer", "0x12345678"),
  log: () => { const p = I.parseLog(log); return [p.name, p.signature, p.topic, p.args, p.args.value, p.args.from]; }, "other log": () => I.parseLog({ topics: ["0x" + word("0")], data: "0x" }),
  "indexed text": () => { const p = I.parseLog({ topics: [I.getEvent("Note").topicHash, ethers.id("t")], data: coder.encode(["string"], ["x"]) }); return [p.args.text, p.args.tag.hash]; },
  filters: () => [I.encodeFilterTopics("Transfer", [null, A]), I.encodeFilterTopics("Transfer", [A]), I.encodeFilterTopics("Note", ["x"]), I.encodeFilterTopics("Transfer", [[A, A]])], "filter by data": () => I.encodeFilterTopics("Transfer", [null, null, 5]),
  revert: () => { const e = I.makeError("0x08c379a0" + coder.encode(["string"], ["no"]).slice(2), { to: A, data: "0x" }); return [e.code, e.reason, e.shortMessage, e.revert]; },
  panic: () => { const e = I.makeError("0x4e487b71" + word("11"), { to: A, data: "0x" }); return [e.code, e.reason, e.shortMessage]; },
  "custom error": () => { const e = I.makeError(I.encodeErrorResult("Insufficient", [1, 2]), { to: A, data: "0x" }); return [e.code, e.reason, e.shortMessage, e.revert.args]; },
  deploy: () => I.encodeDeploy([A]), transaction: () => { const t = I.parseTransaction({ data: I.encodeFunctionData("transfer", [A, 5]), value: 3 }); return [t.name, t.args, t.value]; }, has: () => [I.hasFunction("transfer"), I.hasFunction("nope")], "name of": () => I.getFunctionName("transfer"),
  "from JSON": () => { const j = new Interface(JSON.stringify([{ type: "function", name: "f", inputs: [{ name: "x", type: "tuple[2][]", components: [{ name: "a", type: "uint256" }, { name: "b", type: "tuple", components: [{ name: "c", type: "string" }] }] }], outputs: [{ name: "", type: "uint256" }], stateMutability: "view" }])); return [j.format(), j.getFunction("f").selector]; },
})) check(name, f);

for (const [v, unit] of [["1.5", "ether"], ["1", undefined], ["0.000001", 6], ["0.0000001", 6], ["-1.5", 18], ["", 18], [".5", 1], ["5.", 1], ["1e5", 18], ["1,000", 2], ["100", "gwei"], ["1", "foo"], [1, 18], ["0001.10", 2], ["1.100", 1], ["12345678901234567890.123456789012345678", 18]])
  check(`parseUnits ${JSON.stringify(v)} ${unit}`, () => ethers.parseUnits(v, unit));
for (const [v, unit] of [[10n ** 18n, 18], [1n, 18], [-1n, 18], [0, 18], ["123456789", "gwei"], [12345, 0], [5, 2], [-150, 2], ["0x10", 1], [1.5, 2], [100, "foo"], [7n, "ether"], [0n, 0], [2n ** 256n - 1n, 18]])
  check(`formatUnits ${v} ${unit}`, () => ethers.formatUnits(v, unit));
for (const a of [A, A.toLowerCase(), A.slice(2), "0X" + A.slice(2), "0x0", "0x" + A.slice(2).toUpperCase(), "0x8Ba1f109551bD432803012645Ac136ddd64DBA72", 5, null]) {
  check(`getAddress ${a}`, () => ethers.getAddress(a));
  check(`isAddress ${a}`, () => ethers.isAddress(a));
}
for (const [f, ...args] of [
  ["toBeHex", 0], ["toBeHex", 255], ["toBeHex", 1, 4], ["toBeHex", 256, 1], ["toBeHex", -1], ["toBeArray", 0], ["toBeArray", 258], ["toQuantity", 0], ["toQuantity", "0x00ff"], ["toTwos", -1, 8], ["toTwos", -129, 8], ["toTwos", 128, 8], ["fromTwos", 255, 8], ["fromTwos", 256, 8],
  ["zeroPadValue", "0x12", 4], ["zeroPadValue", "0x1234", 1], ["zeroPadBytes", "0x12", 4], ["dataSlice", "0x112233", 1, 2], ["dataSlice", "0x112233", 1, 9], ["dataLength", "0x1122"], ["stripZerosLeft", "0x000012"], ["concat", ["0x12", "0x34"]], ["hexlify", new Uint8Array([1, 255])], ["hexlify", "0x1"], ["hexlify", 5],
  ["getBytes", "0x0102"], ["toUtf8Bytes", "é"], ["toUtf8String", "0xc3a9"], ["id", "Transfer(address,address,uint256)"], ["keccak256", "0x"], ["keccak256", "abc"], ["sha256", "0x1234"], ["encodeBytes32String", "hello"], ["encodeBytes32String", "x".repeat(32)], ["decodeBytes32String", "0x68656c6c6f" + "00".repeat(27)],
  ["solidityPacked", ["uint8", "address", "string", "bytes2", "bool", "uint16[]", "int8"], [1, A, "x", "0x1234", true, [1, 2], -1]], ["solidityPackedKeccak256", ["string"], ["x"]], ["solidityPackedSha256", ["uint32"], [7]], ["namehash", "vitalik.eth"], ["hashMessage", "hi"], ["isHexString", "0x12"], ["isHexString", "0x123", true], ["isHexString", "0x12", 1],
  ["isBytesLike", "0x1"], ["getNumber", "5"], ["getNumber", 2n ** 60n], ["getBigInt", "0x10"], ["mask", 257, 8], ["getCreate2Address", A, "0x" + "00".repeat(32), "0x" + "11".repeat(32)], ["toNumber", "0x10"], ["toBigInt", new Uint8Array([1, 0])], ["isError", new Error("x"), "BAD_DATA"],
]) check(`${f} ${JSON.stringify(args, (_, x) => (typeof x === "bigint" ? `${x}n` : x))}`, () => ethers[f](...args));
check("constants", () => [ethers.ZeroAddress, ethers.ZeroHash, ethers.MaxUint256, ethers.MaxInt256, ethers.MinInt256, ethers.WeiPerEther, ethers.N, ethers.EtherSymbol]);
check("whole and part are the same", () => [require("ethers").AbiCoder === ethers.AbiCoder, require("ethers").ethers === ethers]);

console.log(JSON.stringify(results));
