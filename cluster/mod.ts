/** Clusters of live processes, for programs: what `mod.ts` builds on. */
export { type BringUpOptions, createCluster, type Progress, removeCluster, resumeCluster } from "./bring_up.ts";
export { adminClient } from "./api_access.ts";
export { CliError, exitCode } from "./errors.ts";
export { askStatus, stopProcesses, toolPlatform } from "./lifecycle.ts";
export { balancerUrl } from "./plan.ts";
export type { UpRequest } from "./provision.ts";
export type { ClusterSpec } from "./spec.ts";
export * from "./sim/mod.ts";
