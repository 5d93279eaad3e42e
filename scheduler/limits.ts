/** Binds under way at once; scheduling pauses at this number. Two batches of them, as the client sends them. */
export const maxConcurrentBinds = 256;
/** How long the scheduler may decide without letting other work of its event loop run, milliseconds. */
export const sliceMs = 8;
/**
 * How long an apiserver may gather changes for a standby, which has no use for them yet. A new leader catches up before
 * it decides.
 */
export const standbyGatherMs = 250;
/** Decisions kept for `cluster why`. */
export const maxDecisions = 1000;
/** Nodes named in one decision record: the best ones of a success, the first ones by name of a failure. */
export const maxDecisionNodes = 5;
/** Pod signatures (tolerations, selectors, affinity) whose per-node answers are kept ready in columns. */
export const maxSignatures = 32;
/** An Event's message, characters; the API refuses longer ones. */
export const maxEventMessage = 1024;

/** Backoff of a pod that could not be scheduled: doubled each time, as kube-scheduler's podInitialBackoffSeconds. */
export const initialBackoffMs = 1_000;
export const maxBackoffMs = 10_000;
/** A pod that no event has helped for so long is tried again nevertheless. */
export const maxUnschedulableMs = 5 * 60_000;
/** How often those are looked for. */
export const leftoverPeriodMs = 30_000;
/** Tries of one PATCH of a pod's condition; the next failed attempt writes it anyway. */
export const maxConditionTries = 3;
/** Condition patches under way at once. Beyond it, they wait for the next attempt of that pod. */
export const maxConcurrentPatches = 32;
/** Pending pods named by {@linkcode Scheduler.queue}. */
export const maxListedPods = 1000;
