// The same key in a query, as older APIs want it; through axios.
const axios = require("axios");

async function main() {
  const { data } = await axios.get("https://legacy.prices.example/latest", {
    params: { access_key: argus.secret("ACCESS_KEY"), base: "EUR" },
  });
  if (!data.success) throw new Error(data.error.info);
  return [Math.round(data.rates.USD * 1e6), data.timestamp];
}

module.exports = main;
