/** The largest command; one append frame holds it and its neighbours (raft's maxAppendBytes), peers buffer several. */
export const maxCommandBytes = 8 * 1024 * 1024;
/** Reads waiting for their index; beyond it they are refused. */
export const maxWaitingReads = 65_536;
/** A proposal or read without an outcome after this many election timeouts, and after so long, is given up. */
export const requestTimeoutElections = 10;
export const minRequestMs = 4_000;
/** A leader whose disk has not answered for this many election timeouts falls silent, so that another one is elected. */
export const stuckDiskElections = 3;
/**
 * Applied entries after which a snapshot is due, if the log is also as big as the last snapshot. A snapshot writes the
 * whole state, so more often than this costs more than the replay it saves.
 */
export const defaultSnapshotEntries = 20_000;
/** Bytes of log after which a snapshot is due whatever its size: a start replays it. */
export const maxLogBytes = 96 * 1024 * 1024;
/**
 * Data of the newest log entries that stay in memory as they came, for followers that have not answered yet; as much again
 * is in the overflow's buffer. Little: an entry that goes before the second collection of the young generation costs the
 * collector nothing, while one that outlives it waits for a collection of the whole heap.
 */
export const defaultLogResidentBytes = 256 * 1024;
/** Share of `snapshotEntries` kept in memory behind a snapshot, so that a follower a little behind needs no snapshot. */
export const retainedShare = 0.5;
