/** Bytes that one direction of one connection may hold back while its link is cut or slow; beyond them it breaks. */
export const heldBytesMax = 64 * 1024 * 1024;
/** Linux's minimal retransmission timeout: what a lost segment costs a reliable stream. As in the simulator. */
export const resendMs = 200;
/** A connection that its owner closed while the link was cut is closed for real at the latest after this. */
export const lingerMs = 30_000;
/** Rules of one table. A partition of forty components in two halves has 800. */
export const rulesMax = 20_000;
/** Unsynced bytes that a lossy disk keeps from the real one; beyond them the oldest are written, as a kernel would. */
export const unsyncedBytesMax = 64 * 1024 * 1024;
