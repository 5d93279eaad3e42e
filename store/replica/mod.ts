export * from "./types.ts";
export { startReplica } from "./replica.ts";
