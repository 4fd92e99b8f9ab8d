// Types, an enum, generics, a namespace-free interface, fetch and exact units.
interface Price { price: string; items: number[] }
enum Level { Low = "LOW", High = "HIGH" }
enum Rank { First = 1, Second }
type Args = readonly [string, number, Level, `0x${string}`];

const SCALE = 10n ** 6n;

function units(text: string): bigint {
  const [whole, fraction = ""] = text.split(".") as [string, string?];
  return BigInt(whole) * SCALE + BigInt(fraction.padEnd(6, "0").slice(0, 6));
}

class Source<T extends object> {
  constructor(private readonly url: string) {}
  async read(): Promise<T> {
    const response: Response = await fetch(this.url);
    if (!response.ok) throw new Error(`status ${response.status}`);
    return (await response.json()) as T;
  }
}

async function main(): Promise<void> {
  const { price, items } = await new Source<Price>("https://api.example/json").read();
  console.error(`price ${price}`);
  const level = items!.length > 2 ? Level.High : Level.Low;
  const args: Args = [units(price).toString(), Rank.Second, level, "0x0000000000000000000000000000000000000001"];
  console.log(JSON.stringify(args));
}

main();
