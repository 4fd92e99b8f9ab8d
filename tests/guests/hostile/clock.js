// Waits for an hour by looking at the clock, which stands still meanwhile. Ends by fuel.
const end = Date.now() + 3600000;
while (Date.now() < end) { /* looks again */ }
