/** Bytes of one log segment, preallocated with zeros so that a sync changes no file size. A larger frame gets its own. */
export const segmentBytes = 16 * 1024 * 1024;
/** Bytes of zeros or of a snapshot written and synced at once: between two of them the log's own come through. */
export const writeChunkBytes = 1024 * 1024;
/** Snapshots kept: the newest, and the one before it in case the newest cannot be read. */
export const snapshotsKept = 2;
/** The largest buffer that the log keeps between two writes. */
export const maxKeptFrameBytes = 1024 * 1024;
