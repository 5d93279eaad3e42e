export * from "./types.ts";
export type { CompactionPolicy } from "./auto_compaction.ts";
export { type CoreBug, createWrongRaft } from "./bugs.ts";
export { storeLimits } from "./limits.ts";
export { createLocalStore, type LocalStore, type LocalStoreDeps } from "./local.ts";
export { type Member, type MemberConfig, startMember } from "./member.ts";
export { connectStore, type RemoteStoreConfig, type RemoteStoreDeps } from "./remote.ts";
export * from "./backup/mod.ts";
