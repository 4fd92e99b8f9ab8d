// The example of the ABI specification, section "Use of Dynamic Types", and what must not pass.
import assert from "node:assert";
import { test } from "node:test";
import { decode, encode } from "./abi.mjs";

const DATA =
  "0x0000000000000000000000000000000000000000000000000000000000000123" +
  "0000000000000000000000000000000000000000000000000000000000000080" +
  "3132333435363738393000000000000000000000000000000000000000000000" +
  "00000000000000000000000000000000000000000000000000000000000000e0" +
  "0000000000000000000000000000000000000000000000000000000000000002" +
  "0000000000000000000000000000000000000000000000000000000000000456" +
  "0000000000000000000000000000000000000000000000000000000000000789" +
  "000000000000000000000000000000000000000000000000000000000000000d" +
  "48656c6c6f2c20776f726c642100000000000000000000000000000000000000";
const TYPES = "uint256,uint32[],bytes10,bytes";

test("the specification's example encodes and reads back", () => {
  const values = [0x123n, [0x456n, 0x789n], "0x31323334353637383930", "0x48656c6c6f2c20776f726c6421"];
  assert.equal(encode(TYPES, values), DATA);
  assert.deepEqual(decode(TYPES, DATA), values);
});

test("nested values read back", () => {
  const who = "0x" + "07".repeat(20);
  const types = "(address,string)[],int64,bool[2],(uint8,(bytes,uint256[]))";
  const values = [[[who, "a"], [who, "longer than a word of the ABI is"]], -5n, [true, false], [255n, ["0x" + "01".repeat(33), [(1n << 256n) - 1n]]]];
  assert.deepEqual(decode(types, encode(types, values)), values);
});

test("what does not fit is refused", () => {
  for (const [types, value] of [["uint8", 256], ["int8", -129], ["uint8", -1], ["bytes4", "0x0102030405"], ["bool[2]", [true]], ["address", "0x00"], ["uint7", 1], ["uint256,uint256", 1]]) {
    assert.throws(() => encode(types, [value]), undefined, `${types} ${value}`);
  }
  assert.throws(() => decode("uint256[]", "0x" + "20".padStart(64, "0") + "f".repeat(64)));
  assert.throws(() => decode(TYPES, DATA.slice(0, -64)));
});
