// Reports a price only once it has moved by more than half a percent since the last report.
const PRICE = "https://api.exchange.example/ticker/ETHUSD";
const MOVED_BASIS_POINTS = 50n;

interface Ticker {
  bid: string;
  ask: string;
}

const cents = (text: string): bigint => BigInt(text.replace(".", ""));

const ticker = (await (await fetch(PRICE)).json()) as Ticker;
const price = (cents(ticker.bid) + cents(ticker.ask)) / 2n;

const known = argus.storage.get("reported");
if (known !== null) {
  const before = BigInt(known);
  const moved = price > before ? price - before : before - price;
  if (moved * 10_000n <= before * MOVED_BASIS_POINTS) argus.skip(`moved by ${moved} cents only`);
}

const count = Number(argus.storage.get("count") ?? "0") + 1;
argus.storage.set("reported", price.toString());
argus.storage.set("count", String(count));
console.log(JSON.stringify([price.toString(), count]));
