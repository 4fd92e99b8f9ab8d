// Logs for ever. The log is cut at its limit; ends by fuel.
const line = 'x'.repeat(65536);
while (true) console.error(line);
