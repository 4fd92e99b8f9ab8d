// The middle price of two sources, in USD with 8 decimals. If one does not answer, the other counts alone; if they
// are more than 2 % apart, nothing is reported.

const SOURCES = [
  { url: "https://api.coinbase.com/v2/prices/ETH-USD/spot", price: (reply: any): string => reply.data.amount },
  { url: "https://api.kraken.com/0/public/Ticker?pair=ETHUSD", price: (reply: any): string => reply.result.XETHZUSD.c[0] },
];
const DECIMALS = 8;
const APART_MAX_PERCENT = 2n;

export default async function main(context: Argus.Context): Promise<Argus.Arguments> {
  const asked = await Promise.allSettled(SOURCES.map(ask));
  const prices: bigint[] = [];
  for (const [i, answer] of asked.entries()) {
    if (answer.status === "fulfilled") prices.push(answer.value);
    else console.error(`${SOURCES[i].url}: ${answer.reason}`);
  }
  if (prices.length === 0) throw new Error("no source answered");

  prices.sort((a, b) => (a < b ? -1 : 1));
  const [low, high] = [prices[0], prices[prices.length - 1]];
  if ((high - low) * 100n > low * APART_MAX_PERCENT) argus.skip(`the sources are too far apart: ${low} and ${high}`);
  return [((low + high) / 2n).toString(), Math.floor(Date.parse(context.due) / 1000)];
}

async function ask(source: (typeof SOURCES)[number]): Promise<bigint> {
  const reply = await fetch(source.url, { signal: AbortSignal.timeout(3000) });
  if (!reply.ok) throw new Error(`status ${reply.status}`);
  return units(source.price(await reply.json()), DECIMALS);
}

// "3012.45" with 8 decimals is 301245000000n; no floating point comes near a value.
function units(text: string, decimals: number): bigint {
  if (!/^\d+(\.\d+)?$/.test(text)) throw new Error(`${text} is no price`);
  const [whole, part = ""] = text.split(".");
  return BigInt(whole + part.slice(0, decimals).padEnd(decimals, "0"));
}
