// Client of the Argus API; README.md shows it at work.
export { Client } from "./client.js";
export * from "./errors.js";
export type { Options } from "./http.js";
export * from "./jobs.js";
export type * from "./types.js";
export { verifySignature } from "./webhooks.js";
