// Promises that settle each other for ever, so that nothing else gets its turn. Ends by fuel.
const again = () => Promise.resolve().then(again);
await again();
