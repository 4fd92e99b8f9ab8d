interface Status { state: string }

const get = async <T,>(url: string): Promise<T> => (await (await fetch(url)).json()) as T;

async function main() {
  const { state } = await get<Status>("https://results.example/status");
  if (state !== "finished") {
    console.error(`still ${state}`);
    process.exitCode = 64;
    return;
  }
  console.log("[true]");
}

main();
