/** Objects that writers and readers share: few, so that they contend; enough that each is rarely in conflict. */
export const keys = 8;
/** Operations under way at once; beyond it they are counted as shed, never silently skipped. */
export const underWayMax = 2_000;
/** How often due operations are sent; each is timed from the moment it was due. */
export const pacePeriodMs = 5;
/** Reads of a doubted server beside the load, each such period: a deposed leader may be believed for milliseconds only. */
export const doubtedReads = 2;
/** Operations of one experiment, so that the history fits in memory. */
export const operationsMax = 200_000;
export const rateMax = 2_000;
export const repeatMax = 200;
/** One request may take this long; a write that takes longer has an unknown outcome. */
export const requestTimeoutMs = 5_000;
/** Undisturbed load before the first fault and between recovery and the next fault. */
export const settleMs = 1_500;
/** Operations due within this time after a fault are "during". */
export const duringMs = 1_000;
/** A read of one member alone may take this long: while that member is gone it says nothing. */
export const pinnedTimeoutMs = 1_000;
/** Of each member's log: what one fault's notes are looked for in. */
export const notesBytesMax = 256 * 1024;
/** How long a paused component stays paused, and a partition a partition. */
export const pauseMs = 2_000;
/** A component that is not back by then fails the experiment. */
export const recoveryMaxMs = 30_000;
/** How often the supervisor or a Lease is asked who leads: the resolution of "new leader". */
export const leaderPollMs = 10;
/** How long watchers may take, after the load ended, to see the last write. */
export const drainMs = 5_000;
export const watchRetryMs = 20;
/** Pods (or ReplicaSets) made while waiting for a scheduler (or controller manager): one every so often. */
export const probePeriodMs = 50;
/** The namespace must be gone by then. */
export const cleanUpMs = 20_000;
/** A write later than this, or than three times the undisturbed p99, counts as late. */
export const lateMs = 50;
/** One question to an etcd member about who leads. */
export const etcdStatusMs = 500;
