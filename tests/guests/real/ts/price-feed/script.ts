// The price of ETH in cents, from the first of two services that answers.
interface Quote {
  price: number;
}

const services = ["https://api.example.com/eth", "https://backup.example.com/v1/eth"];

async function quote(url: string): Promise<number | undefined> {
  try {
    const response = await fetch(url);
    if (!response.ok) throw new Error(`status ${response.status}`);
    const body = (await response.json()) as Quote;
    return body.price;
  } catch (error) {
    console.error(`${url}: ${(error as Error).message}`);
    return undefined;
  }
}

let price: number | undefined;
for (const url of services) {
  price = await quote(url);
  if (price !== undefined) break;
}
if (price === undefined) process.exit(64);
console.log(JSON.stringify([Math.round(price! * 100)]));
