// An exchange that wants each request signed with a key.
interface Quote { price: string }

export default async function price(): Promise<[string]> {
  const query = "symbol=ETHUSD";
  const signature = argus.hmac("SIGNING_KEY", query);
  const reply = await fetch(`https://api.exchange.example/v1/price?${query}&signature=${signature}`);
  const quote: Quote = await reply.json();
  return [String(Math.round(Number(quote.price) * 100))];
}
