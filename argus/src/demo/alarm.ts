// Runs when the watched price has crossed its limit: stores by how much, in hundredths.
interface Context { trigger: { kind: string; value: string } }

const LIMIT = 2000n;

export default function (context: Context): [string, bigint] {
  const [whole, fraction = ""] = context.trigger.value.split(".");
  const hundredths = BigInt(whole) * 100n + BigInt(fraction.padEnd(2, "0").slice(0, 2));
  console.error(`crossed at ${context.trigger.value}`);
  return ["alarm", hundredths - LIMIT * 100n];
}
