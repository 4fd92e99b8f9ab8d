// Every hash at the lengths where padding turns: around the 56 and 64 bytes of the small blocks, the 112 and 128 of the
// large ones.
const { createHash, createHmac } = require("node:crypto");
const lengths = [0, 1, 55, 56, 63, 64, 65, 111, 112, 119, 120, 127, 128, 129, 1000];
const bytes = (n) => Buffer.from(Array.from({ length: n }, (_, i) => i % 251));
const result = {};
for (const name of ["sha1", "sha256", "sha384", "sha512"]) {
  result[name] = lengths.map((n) => createHash(name).update(bytes(n)).digest("hex"));
  result[`${name} in parts`] = lengths.map((n) => createHash(name).update(bytes(n).subarray(0, n >> 1)).update(bytes(n).subarray(n >> 1)).digest("hex"));
  result[`${name} keyed`] = lengths.map((n) => createHmac(name, bytes(n)).update(bytes(n)).digest("hex"));
}
console.log(JSON.stringify(result));
