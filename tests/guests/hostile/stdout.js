// Prints for ever. Ends by the output limit.
const line = 'x'.repeat(65536);
while (true) process.stdout.write(line);
