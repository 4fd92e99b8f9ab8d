// The mean of the last four readings; until there are four, nothing is reported.
const READINGS = 4;

export default async function () {
  const response = await fetch("https://meter.example/reading");
  const { value } = await response.json();
  const kept = JSON.parse(argus.storage.get("readings") ?? "[]");
  kept.push(value);
  while (kept.length > READINGS) kept.shift();
  argus.storage.set("readings", JSON.stringify(kept));
  argus.storage.delete("started");
  if (kept.length < READINGS) process.exit(64);
  return [Math.round(kept.reduce((sum, n) => sum + n, 0) / READINGS)];
}
