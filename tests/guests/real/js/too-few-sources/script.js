const urls = ["https://a.example/price", "https://b.example/price"];

(async () => {
  const answers = await Promise.all(urls.map((u) => fetch(u).then((r) => (r.ok ? r.json() : null)).catch(() => null)));
  const good = answers.filter(Boolean);
  if (good.length < 2) {
    console.error("waiting for a second source");
    process.exit(64);
  }
  console.log(JSON.stringify([good.reduce((sum, a) => sum + a.price, 0) / good.length]));
})();
