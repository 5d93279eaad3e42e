/** A window's keys are used for so long, then checked and forgotten: that bounds memory and the checker's search. */
export const windowMs = 10_000;
/** Registers of a window. */
export const keysPerWindow = 16;
/** Steps of the checker for one window; one that needs more is undecided, and said so. */
export const stepsPerWindow = 5_000_000;
/** Windows that wait for their last answers; more of them and the run ends. */
export const openWindowsMax = 12;
/** Pause between two faults. */
export const calmMsMin = 500;
export const calmMsMax = 4_000;
/** How long a pause, a partition, slow links or a full disk last. */
export const faultMsMin = 300;
export const faultMsMax = 4_000;
/** Share of faults after which the next does not wait until all members are back. */
export const overlapShare = 0.25;
/** A transaction over two keys every so often. */
export const pairPeriodMs = 100;
/** How often the alarms of disks that are no longer full are ended. */
export const disarmPeriodMs = 1_000;
/** A longer time without an acknowledged write, with a fault every few seconds and each healed, is a cluster that does not live. */
export const pauseMsMax = 60_000;
/** How often old revisions are compacted, and how many stay. */
export const compactPeriodMs = 20_000;
export const compactKeep = 5_000;
/** How long after the end, all healed, the watches may take to have everything. */
export const drainMs = 20_000;
/** Violations that are kept in words; all are counted. */
export const wordsMax = 50;
/** Events and acknowledged writes that wait for the slowest watch; beyond them that watch has failed. */
export const pendingMax = 500_000;
export const progressPeriodMs = 15_000;
