export { Raft, type RaftCore } from "./raft.ts";
export type * from "./types.ts";
