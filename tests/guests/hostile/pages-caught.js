// Asks for memory again and again after it was refused, and catches that. Ends by fuel.
const kept = [];
while (true) {
  try { kept.push(new Uint8Array(65536).fill(1)); } catch { /* asks again */ }
}
