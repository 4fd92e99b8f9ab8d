// Waits for what cannot come. Told so at once, not at the wall limit.
await new Promise(() => {});
