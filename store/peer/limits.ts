/**
 * Bytes queued on a connection to a peer before messages are dropped: Raft repeats what matters, a queue without bound
 * would only make a slow peer slower. Above one frame of the largest command (see replica/limits.ts).
 */
export const maxPeerBufferedBytes = 32 * 1024 * 1024;
/** Bytes of a snapshot in one frame: small enough that heartbeats behind it are not late. */
export const snapshotChunkBytes = 256 * 1024;
/** Chunks sent and not yet acknowledged. */
export const snapshotWindowChunks = 8;
/** The largest snapshot a member takes in. */
export const maxSnapshotBytes = 2 * 1024 * 1024 * 1024;
/** Ticks without an acknowledged chunk after which a transfer has failed. */
export const snapshotStallTicks = 40;
/** Ticks an accepted connection may take to say who it is. */
export const helloTicks = 40;
/** Accepted connections that have not said who they are; further ones are closed. */
export const maxStrangers = 64;
/** First and longest wait between two tries to reach a peer, in ticks. */
export const redialTicksMin = 1;
export const redialTicksMax = 16;
/** Ticks in which a removed member is still talked to: it hears of its removal, and votes for those who stay. */
export const lingerTicks = 160;
/** Members that this one has not heard of and that dial it: as many as may have been added while it was away. */
export const maxGuests = 8;
