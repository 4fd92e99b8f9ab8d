// Written for Node: the key is in the environment, and each request is signed with it.
const { createHmac } = require("node:crypto");

async function main() {
  const query = new URLSearchParams({ symbol: "ETHUSD" }).toString();
  const signature = createHmac("sha256", process.env.SIGNING_KEY).update(query).digest("hex");
  const reply = await fetch(`https://api.exchange.example/v1/price?${query}&signature=${signature}`);
  if (!reply.ok) throw new Error(`the exchange says ${reply.status}`);
  console.log(JSON.stringify([String(Math.round(Number((await reply.json()).price) * 100))]));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
