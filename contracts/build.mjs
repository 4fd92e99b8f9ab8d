// Builds src/ into out/<Name>.json, {abi, bytecode, deployedBytecode}, with the solc that package-lock.json
// pins, and lays the Safe contracts of the package that it pins beside them (NOTICE). The output is committed, so that nothing else needs a Solidity compiler. With --check, writes nothing
// and fails when the committed output isn't what the sources give.
//
//     npm ci && node build.mjs [--check]
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import solc from "solc";

const home = dirname(fileURLToPath(import.meta.url));
const src = join(home, "src");
const out = join(home, "out");

const sources = Object.fromEntries(
  readdirSync(src, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".sol"))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort()
    .map((file) => [relative(src, file).replaceAll("\\", "/"), { content: readFileSync(file, "utf8") }]),
);

const settings = {
  // Transient storage came with Cancun.
  evmVersion: "cancun",
  viaIR: true,
  optimizer: { enabled: true, runs: 10_000 },
  // Without it a changed comment changes the bytecode.
  metadata: { bytecodeHash: "none", appendCBOR: false },
  outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } },
};

const result = JSON.parse(solc.compile(JSON.stringify({ language: "Solidity", sources, settings })));
for (const problem of result.errors ?? []) console.error(problem.formattedMessage);
if (result.errors?.length) {
  console.error("a warning is an error here");
  process.exit(1);
}

const built = new Map();
const keep = (name, { abi, bytecode, deployedBytecode }) => {
  if (built.has(`${name}.json`)) throw new Error(`two contracts are called ${name}`);
  built.set(`${name}.json`, `${JSON.stringify({ abi, bytecode, deployedBytecode }, null, 2)}\n`);
};
for (const file of Object.values(result.contracts)) {
  for (const [name, contract] of Object.entries(file)) {
    const bytecode = contract.evm.bytecode.object;
    if (bytecode === "") continue; // abstract
    keep(name, { abi: contract.abi, bytecode: `0x${bytecode}`, deployedBytecode: `0x${contract.evm.deployedBytecode.object}` });
  }
}

const require = createRequire(import.meta.url);
for (const path of [
  "Safe.sol/Safe",
  "proxies/SafeProxyFactory.sol/SafeProxyFactory",
  "handler/CompatibilityFallbackHandler.sol/CompatibilityFallbackHandler",
  "libraries/MultiSendCallOnly.sol/MultiSendCallOnly",
]) {
  keep(path.split("/").at(-1), require(`@safe-global/safe-contracts/build/artifacts/contracts/${path}.json`));
}

const committed = () => {
  try {
    return readdirSync(out).sort();
  } catch (error) {
    if (error.code === "ENOENT") return [];
    throw error;
  }
};

if (process.argv.includes("--check")) {
  const stale = [...built].filter(([name, text]) => !committed().includes(name) || readFileSync(join(out, name), "utf8") !== text);
  const extra = committed().filter((name) => !built.has(name));
  for (const [name] of stale) console.error(`contracts/out/${name} is not what the sources give; run: npm --prefix contracts run build`);
  for (const name of extra) console.error(`contracts/out/${name} has no source`);
  if (stale.length + extra.length > 0) process.exit(1);
  console.log(`${built.size} contracts are as committed (solc ${solc.version()})`);
} else {
  mkdirSync(out, { recursive: true });
  for (const name of committed()) if (!built.has(name)) rmSync(join(out, name));
  for (const [name, text] of built) writeFileSync(join(out, name), text);
  console.log(`${built.size} contracts built (solc ${solc.version()})`);
}
