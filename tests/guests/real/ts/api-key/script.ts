// A paid price API that wants its key in a header, and a plan that may have run out.
const key: string = argus.secret("PRICE_API_KEY");

const reply = await fetch("https://pro.prices.example/v1/quotes", {
  method: "POST",
  headers: { "x-api-key": key, "content-type": "application/json" },
  body: JSON.stringify({ symbols: ["ETH", "BTC"] }),
});
if (reply.status === 402) argus.skip("the plan has run out");
if (!reply.ok) throw new Error(`status ${reply.status}`);

const quotes: Record<string, { price: number }> = await reply.json();
console.log(JSON.stringify(["ETH", "BTC"].map((symbol) => Math.round(quotes[symbol].price * 100))));
