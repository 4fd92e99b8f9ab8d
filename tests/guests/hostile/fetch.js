// Asks for the URL that it is told, and says what came of it.
const [url] = argus.context.arguments;
try {
  const answer = await fetch(url);
  const text = await answer.text();
  console.log(JSON.stringify([answer.status, text.length]));
} catch (e) {
  throw new Error(`${e.message} ${e.cause?.message ?? ''}`);
}
