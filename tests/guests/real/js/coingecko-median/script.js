// Median of three price services; at least two must answer.
const SOURCES = [
  { url: "https://api.coingecko.example/api/v3/simple/price?ids=ethereum&vs_currencies=usd", pick: (j) => j.ethereum.usd },
  { url: "https://api.binance.example/api/v3/ticker/price?symbol=ETHUSDT", pick: (j) => parseFloat(j.price) },
  { url: "https://api.kraken.example/0/public/Ticker?pair=ETHUSD", pick: (j) => Number(j.result.XETHZUSD.c[0]) },
];

async function main() {
  const settled = await Promise.allSettled(
    SOURCES.map(async ({ url, pick }) => {
      const response = await fetch(url, { headers: { accept: "application/json" }, signal: AbortSignal.timeout(3000) });
      if (!response.ok) throw new Error(`${new URL(url).hostname} answered ${response.status}`);
      return pick(await response.json());
    }),
  );
  settled.filter((s) => s.status === "rejected").forEach((s) => console.error("source failed:", s.reason.message));
  const prices = settled.filter((s) => s.status === "fulfilled").map((s) => s.value).sort((a, b) => a - b);
  if (prices.length < 2) {
    console.error(`only ${prices.length} sources answered`);
    process.exit(64);
  }
  const middle = Math.floor(prices.length / 2);
  const median = prices.length % 2 ? prices[middle] : (prices[middle - 1] + prices[middle]) / 2;
  console.log(JSON.stringify([BigInt(Math.round(median * 1e6)).toString()]));
}

main();
