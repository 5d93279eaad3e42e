import { invariant } from "../../base/assert.ts";

/** Every bound of one HTTP/2 connection. Sizes in bytes. */
export const http2Limits = {
  /** SETTINGS_MAX_FRAME_SIZE that we announce; the protocol's default. */
  frameBytesMax: 16_384,
  /** SETTINGS_HEADER_TABLE_SIZE of both directions; the protocol's default. */
  headerTableBytes: 4_096,
  /** One header block as it travels: HEADERS and all its CONTINUATIONs. */
  headerBlockBytesMax: 64 * 1024,
  /** CONTINUATION frames of one block (CVE-2024-27316: a flood of small ones). */
  continuationsMax: 16,
  /** SETTINGS_MAX_HEADER_LIST_SIZE: decoded names and values plus 32 a field (RFC 9113 6.5.2). */
  headerListBytesMax: 64 * 1024,
  /** SETTINGS_MAX_CONCURRENT_STREAMS. */
  concurrentStreamsMax: 2_048,
  /** SETTINGS_INITIAL_WINDOW_SIZE: what one stream may send before its receiver has taken it. */
  streamWindowBytes: 4 * 1024 ** 2,
  connectionWindowBytes: 16 * 1024 ** 2,
  /** Received and not yet taken by their owners, over all streams; beyond it the stream that grows is refused. */
  heldBytesMax: 64 * 1024 ** 2,
  /** Above this many bytes that the transport has not taken, DATA waits in its streams. */
  transportHighWaterBytes: 256 * 1024,
  /** What goes to the transport at once: above it a fresh buffer costs more in page faults than a second call. */
  transportWriteBytes: 64 * 1024,
  /** Writes up to this size get a buffer of their own: a connection that makes no larger ones keeps none. */
  transportSmallWriteBytes: 8 * 1024,
  /** Above this the other end reads nothing while it makes us answer (PING, SETTINGS, resets): it is cut off. */
  transportBytesMax: 8 * 1024 ** 2,
  /** Streams the peer may reset, empty DATA frames and the like it may send, at once, and per second after that (CVE-2023-44487). */
  nuisanceBurst: 1_000,
  nuisancePerSecond: 200,
  /** Ids of streams that we have reset, whose late frames are no error. */
  resetMemory: 1_024,
  /** Largest window and frame that RFC 9113 knows. */
  windowMax: 2 ** 31 - 1,
  frameBytesCeiling: 2 ** 24 - 1,
} as const;

invariant(
  http2Limits.streamWindowBytes <= http2Limits.connectionWindowBytes,
  "one stream must be able to fill its window",
);
invariant(http2Limits.connectionWindowBytes <= http2Limits.heldBytesMax, "a full window must be holdable");
