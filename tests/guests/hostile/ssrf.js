// Asks for every URL that it is told, and gives the list of those that answered.
const reached = [];
for (const url of argus.context.arguments) {
  try { await fetch(url); reached.push(url); } catch { /* as it should be */ }
}
console.log(JSON.stringify(reached));
