/**
 * Faults on purpose, between a component and the real world, without root: links that are cut, slow or lossy, disks that
 * are full. A process holds its part of the cluster's fault table and is told of every change while it runs.
 */
export { type DiskCondition, DiskFaults, faultyDisk } from "./disk.ts";
export { type LinkCondition, LinkFaults, type LinkFaultsConfig, type LinkRule } from "./links.ts";
export { lossyDisk } from "./lossy_disk.ts";
export { rulesMax } from "./limits.ts";
export { faultyFrames, faultyStreams } from "./network.ts";
