// A million host calls, each refused one caught. Ends by the number of calls, which no catch stops.
for (let i = 0; i < 1e6; i++) {
  try { argus.secret('none'); } catch { /* goes on */ }
}
console.log('[1]');
