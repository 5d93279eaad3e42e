/** Bytes of one log segment, preallocated with zeros so that a sync changes no file size. A larger frame gets its own. */
export const segmentBytes = 16 * 1024 * 1024;
/** Of a new log's first segment: a cluster's first start waits for three of them on one disk. */
export const firstSegmentBytes = 512 * 1024;
/** Segments kept to be written again once no snapshot needs them: the log between two snapshots, at the most. */
export const recycledMax = 6;
/** The next segment is laid out once so much of the current one is written. */
export const spareAtShare = 0.25;
/** Bytes of zeros or of a snapshot written and synced at once: between two of them the log's own syncs come through. */
export const writeChunkBytes = 512 * 1024;
/** Snapshots kept: the newest, and the one before it in case the newest cannot be read. */
export const snapshotsKept = 2;
/** The largest buffer that the log keeps between two writes. */
export const maxKeptFrameBytes = 1024 * 1024;
