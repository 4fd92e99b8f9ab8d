// The result of a game, asked by POST, in the style of a Node script: the context comes on standard input, the
// result is what is printed.
const fs = require("fs");

const RESULTS = "https://api.sports.example/v1/results";

async function main() {
  const [game] = JSON.parse(fs.readFileSync(0, "utf8")).arguments;
  const reply = await fetch(RESULTS, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ game }),
  });
  const result = await reply.json();
  if (result.status !== "final") {
    console.error(`${game} is ${result.status}`);
    process.exit(64);
  }
  console.log(JSON.stringify([game, result.home.goals, result.away.goals]));
}

main();
