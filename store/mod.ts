export * from "./types.ts";
export { storeLimits } from "./limits.ts";
export { createLocalStore, type LocalStore, type LocalStoreDeps } from "./local.ts";
