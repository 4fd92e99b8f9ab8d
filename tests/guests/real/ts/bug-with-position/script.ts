// A mistake as authors make it: a field that is not always there. The failure says where.
interface Pool {
  readonly id: string;
  readonly reserves?: { readonly base: string; readonly quote: string };
}

type Quote = {
  price: number;
};

function price(pool: Pool): Quote {
  const { base, quote } = pool.reserves!;
  return { price: Number(quote) / Number(base) };
}

const pools: Pool[] = await fetch("https://pools.example/all").then((r) => r.json());
const quotes = pools.map((pool) => price(pool));
console.log(JSON.stringify(quotes.map((q) => q.price)));
