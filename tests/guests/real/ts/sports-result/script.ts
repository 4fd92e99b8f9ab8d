// Posts a query to a results service and maps its answer to an outcome.
enum Outcome {
  Home = 1,
  Away = 2,
  Draw = 3,
}

interface Match {
  id: string;
  status: "finished" | "live" | "scheduled";
  score: { home: number; away: number };
}

class ResultsClient {
  constructor(
    private readonly base: URL,
    private readonly season: number,
  ) {}

  async find(id: string): Promise<Match | undefined> {
    const response = await fetch(new URL("/v2/matches/search", this.base), {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json" },
      body: JSON.stringify({ season: this.season, ids: [id] }),
    });
    if (response.status === 404) return undefined;
    const { matches } = (await response.json()) as { matches: Match[] };
    return matches.find((m) => m.id === id);
  }
}

const client = new ResultsClient(new URL("https://results.example"), 2025);
const match = await client.find("final-1");
if (!match || match.status !== "finished") {
  console.error(`final-1 is ${match?.status ?? "unknown"}`);
  process.exit(64);
}
const { home, away } = match.score;
const outcome: Outcome = home > away ? Outcome.Home : home < away ? Outcome.Away : Outcome.Draw;
console.log(JSON.stringify([outcome, `${home}:${away}`]));
