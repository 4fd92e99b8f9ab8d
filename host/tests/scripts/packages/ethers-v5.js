// The names of ethers 5 that scripts use.
const { ethers, BigNumber, utils, constants } = require("ethers");

const results = {};
function check(name, f) {
  try {
    results[name] = JSON.parse(JSON.stringify(f() ?? null));
  } catch (e) {
    results[name] = { code: e.code ?? null };
  }
}

const A = "0x8ba1f109551bD432803012645Ac136ddd64DBA72";
check("units", () => [utils.parseUnits("1.5", 6), utils.parseEther("2"), utils.formatUnits(BigNumber.from(1500000), 6), utils.formatEther("1000000000000000000"), utils.formatUnits(5, "gwei"), utils.commify("1234567.891")]);
check("units fail", () => utils.parseUnits("0.0000001", 6));
check("bignumber", () => { const n = BigNumber.from("1000"); return [n.add(1), n.sub("0x1"), n.mul(2).div(3), n.mod(7), n.pow(3), n.toString(), n.toHexString(), n.toNumber(), n.eq(1000), n.lt(1), n.gte(1000), n.isZero(), BigNumber.from(-5).abs(), BigNumber.from(-5).mod(3), BigNumber.isBigNumber(n), `${n}`]; });
check("bignumber overflow", () => BigNumber.from("0xffffffffffffffffff").toNumber());
check("bignumber by zero", () => BigNumber.from(1).div(0));
check("coder", () => utils.defaultAbiCoder.encode(["uint256", "address", "bytes"], [BigNumber.from(7), A, "0x12"]));
check("coder back", () => { const r = utils.defaultAbiCoder.decode(["uint8", "uint256", "int24"], utils.defaultAbiCoder.encode(["uint8", "uint256", "int24"], [1, 2, -3])); return [r[0], r[1], r[2], BigNumber.isBigNumber(r[1])]; });
const I = new utils.Interface(["function balanceOf(address owner) view returns (uint256)", "event Transfer(address indexed from, address indexed to, uint256 value)"]);
check("interface", () => [I.encodeFunctionData("balanceOf", [A]), I.getSighash("balanceOf"), I.getEventTopic("Transfer"), I.decodeFunctionResult("balanceOf", "0x" + "7".padStart(64, "0"))[0].toString(), Object.keys(I.functions)]);
check("bytes", () => [utils.hexlify(258), utils.hexlify([1, 2]), utils.arrayify("0x0102").length, utils.hexZeroPad("0x12", 4), utils.hexConcat(["0x12", "0x34"]), utils.hexDataSlice("0x112233", 1), utils.hexDataLength("0x1122"), utils.hexValue("0x0012"), utils.hexStripZeros("0x0012"), utils.isHexString("0x1")]);
check("text", () => [utils.formatBytes32String("hi"), utils.parseBytes32String(utils.formatBytes32String("hi")), utils.toUtf8String(utils.toUtf8Bytes("é"))]);
check("hashes", () => [utils.keccak256("0x12"), utils.id("a"), utils.solidityKeccak256(["uint256", "string"], [1, "x"]), utils.solidityPack(["uint16", "address"], [1, A]), utils.sha256("0x12")]);
check("addresses", () => [utils.getAddress(A.toLowerCase()), utils.isAddress("0x1"), constants.AddressZero, constants.HashZero]);
check("constants", () => [constants.MaxUint256, constants.Zero, constants.WeiPerEther, constants.EtherSymbol]);
check("under ethers", () => [ethers.utils.id("a") === utils.id("a"), ethers.BigNumber.from(3).toString(), ethers.constants.AddressZero]);

console.log(JSON.stringify(results));
