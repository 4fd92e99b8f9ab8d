#!/usr/bin/env node
// Runs every *.test.json here, or those that are named, through `argus module run` against recorded answers.
//
//   { "run": "script.ts", "context": {...}, "http": [...], "chains": [...],
//     "expect": { "arguments": [...] } | { "skipped": "part of the reason" } | { "error": "part of the message" } }
//
// "context" and both kinds of answers may be left away; README.md says what an answer looks like. ARGUS names the
// program where it is not on the path.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";

const program = process.env.ARGUS || "argus";
const named = process.argv.slice(2).filter((word) => word !== "test");
const files = named.length ? named : readdirSync(".").filter((name) => name.endsWith(".test.json")).sort();
if (!files.length) fail("no *.test.json is here: name one");

let failed = 0;
for (const file of files) {
  const wrong = check(file);
  console.log(`${wrong ? "FAILED" : "ok    "} ${file}${wrong ? `\n${wrong.replace(/^/gm, "       ")}` : ""}`);
  failed += wrong ? 1 : 0;
}
process.exit(failed ? 1 : 0);

function fail(message) {
  console.error(message);
  process.exit(2);
}

// Integers that a double cannot hold become text on both sides, so that the comparison is exact.
function read(text) {
  return JSON.parse(text.replace(/([:[,]\s*)(-?\d{16,})(?=\s*[,\]}])/g, '$1"$2"'));
}

function check(file) {
  const test = read(readFileSync(file, "utf8"));
  const scratch = mkdtempSync(join(tmpdir(), "argus-script-"));
  try {
    const [input, answers] = [join(scratch, "ctx.json"), join(scratch, "answers.json")];
    writeFileSync(input, JSON.stringify(test.context ?? {}));
    writeFileSync(answers, JSON.stringify({ http: test.http ?? [], chains: test.chains ?? [] }));
    const script = resolve(dirname(file), test.run);
    const ran = spawnSync(program, ["module", "run", script, "--input", input, "--answers", answers, "--json"], { encoding: "utf8" });
    if (ran.error?.code === "ENOENT") fail(`${program} is not on the path: put it there, or name it in ARGUS`);
    if (!ran.stdout) return ran.stderr.trim() || `${program} said nothing`;
    return compare(test.expect ?? {}, read(ran.stdout));
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

function compare(expect, run) {
  if ("skipped" in expect) return run.skipped && String(run.error).includes(expect.skipped) ? "" : saw(`a skip: ${expect.skipped}`, run);
  if ("error" in expect) return !run.ok && !run.skipped && String(run.error).includes(expect.error) ? "" : saw(`a failure: ${expect.error}`, run);
  if (!("arguments" in expect)) return 'expect names neither "arguments" nor "skipped" nor "error"';
  return run.ok && same(expect.arguments, run.arguments) ? "" : saw(JSON.stringify(expect.arguments), run);
}

function saw(wanted, run) {
  const end = run.ok ? JSON.stringify(run.arguments) : `${run.skipped ? "skipped" : "failed"}: ${run.error}`;
  return `expected ${wanted}\n     saw ${end}${run.log ? `\nlog\n${run.log}` : ""}`;
}

function same(a, b) {
  if (a === null || b === null || typeof a !== "object" || typeof b !== "object") return a === b;
  const keys = Object.keys(a);
  return Array.isArray(a) === Array.isArray(b) && keys.length === Object.keys(b).length && keys.every((key) => key in b && same(a[key], b[key]));
}
