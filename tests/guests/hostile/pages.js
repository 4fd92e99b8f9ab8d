// Keeps every page that it gets and writes to it. Ends by memory.
const kept = [];
while (true) kept.push(new Uint8Array(65536).fill(1));
