// The result of a game, asked by POST. Before it is final there is nothing to report.
interface Side { name: string; goals: number }
interface Result { status: "scheduled" | "live" | "final"; home: Side; away: Side }

const RESULTS = "https://api.sports.example/v1/results";

export default async function main(context: Argus.Context): Promise<Argus.Arguments> {
  const game = String(context.arguments[0]);
  const reply = await fetch(RESULTS, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ game }),
  });
  if (!reply.ok) throw new Error(`${RESULTS} answered ${reply.status}`);
  const result: Result = await reply.json();
  if (result.status !== "final") argus.skip(`${game} is ${result.status}`);
  console.error(`${result.home.name} ${result.home.goals} : ${result.away.goals} ${result.away.name}`);
  return [game, result.home.goals, result.away.goals];
}
