// What is vested by today, month by month, with dates alone.
const START = new Date("2024-01-31T00:00:00Z");
const CLIFF_MONTHS = 6;
const TOTAL_MONTHS = 36;
const GRANT = 1_200_000n * 10n ** 18n;

function monthsBetween(from, to) {
  const months = (to.getUTCFullYear() - from.getUTCFullYear()) * 12 + to.getUTCMonth() - from.getUTCMonth();
  const lastDay = new Date(Date.UTC(to.getUTCFullYear(), to.getUTCMonth() + 1, 0)).getUTCDate();
  return to.getUTCDate() < Math.min(from.getUTCDate(), lastDay) ? months - 1 : months;
}

exports.main = (context) => {
  const now = new Date(context.due);
  const months = Math.min(monthsBetween(START, now), TOTAL_MONTHS);
  console.error(`${months} months by ${now.toLocaleDateString("en-US")} (${now.toISOString()})`);
  if (months < CLIFF_MONTHS) return [0n, months];
  return [(GRANT * BigInt(months)) / BigInt(TOTAL_MONTHS), months];
};
