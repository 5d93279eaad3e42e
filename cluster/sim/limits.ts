/** Virtual milliseconds that a call of a simulated cluster may take when the caller names no limit. */
export const callLimitMs = 60_000;
/** The same for everything to be ready at the start. */
export const startLimitMs = 60_000;
/** For a leader to be there when one is to be struck. */
export const leaderLimitMs = 30_000;
/** Between two looks of `ready` and `until`. */
export const lookMs = 50;
/** What the supervisor waits before it starts again a process that ended by itself. */
export const restartDelayMs = 100;
export const maxControlPlanes = 7;
export const maxWorkers = 200;
