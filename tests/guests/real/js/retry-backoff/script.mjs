// Retries with growing pauses, which cost no real time here, and honours Retry-After.
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function withRetry(work, attempts = 4) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (attempt === attempts) throw error;
      const pause = error.retryAfter ? error.retryAfter * 1000 : 250 * 2 ** attempt;
      console.warn(`attempt ${attempt} failed (${error.message}), next in ${pause} ms`);
      await sleep(pause);
    }
  }
}

const started = Date.now();
const price = await withRetry(async () => {
  const response = await fetch("https://flaky.example/price");
  if (!response.ok) {
    const error = new Error(`status ${response.status}`);
    error.retryAfter = Number(response.headers.get("retry-after"));
    throw error;
  }
  return response.json();
});
const waited = Math.floor((Date.now() - started) / 500) * 500;
console.log(JSON.stringify([price.value, waited]));
