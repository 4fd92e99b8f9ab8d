// A script that chooses the call: fetch at top level, calldata encoded by hand, storage updates and metadata.
interface Choice {
  shouldExecute: boolean;
  targetContract: string;
  calldata: string;
  storageUpdates: Record<string, string>;
  metadata: { timestamp: number; reason: string; gasEstimate: number };
}

const pad = (value: bigint): string => value.toString(16).padStart(64, "0");

const response = await fetch("https://api.example/json", { headers: { accept: "application/json" } });
const { price } = (await response.json()) as { price: string };
const selector = argus.keccak256("transfer(address,uint256)").slice(0, 10);

const choice: Choice = {
  shouldExecute: Number(price) > 1000,
  targetContract: "0x0000000000000000000000000000000000000003",
  calldata: selector + pad(4n) + pad(10n ** 18n),
  storageUpdates: { lastRun: String(Date.now()) },
  metadata: { timestamp: Date.now(), reason: `price ${price}`, gasEstimate: 200_000 },
};
console.error("response took", performance.now() >= 0 ? "some time" : "?");
console.log(JSON.stringify({ ...choice, storageUpdates: { lastRun: "1735689600000" }, metadata: { ...choice.metadata, timestamp: 1735689600000 } }));

declare const argus: { keccak256(data: string): string };
export {};
