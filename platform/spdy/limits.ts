/** Every bound of SPDY, bytes unless the name says otherwise. */

/** The longest frame that is read; Go's peer writes at most 32 KiB of data in one. */
export const maxFrameBytes = 1024 * 1024;
/** One frame's headers, inflated; and their number. */
export const maxHeaderBytes = 64 * 1024;
export const maxHeaders = 100;
/** Streams open at once on one connection. */
export const maxStreams = 512;
/** Data of all streams that wait for their readers before the connection is read no further. */
export const maxUnreadBytes = 1024 * 1024;
/** Data in one frame that is written. */
export const maxDataBytes = 32 * 1024;
