import { http2Limits } from "./limits.ts";

/** Frame types (RFC 9113 6). Unknown ones are ignored. */
export const frameType = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const flag = { endStream: 0x1, ack: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const;

/** Error codes (RFC 9113 7). */
export const errorCode = {
  noError: 0,
  protocolError: 1,
  internalError: 2,
  flowControlError: 3,
  settingsTimeout: 4,
  streamClosed: 5,
  frameSizeError: 6,
  refusedStream: 7,
  cancel: 8,
  compressionError: 9,
  connectError: 10,
  enhanceYourCalm: 11,
  inadequateSecurity: 12,
  http11Required: 13,
} as const;

/** Settings (RFC 9113 6.5.2). */
export const setting = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
} as const;

/** The peer broke the protocol: the connection ends with GOAWAY and this code. */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError";
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** The stream alone ends, with RST_STREAM and this code. */
export class StreamFault extends Error {
  override readonly name = "StreamFault";
  readonly streamId: number;
  readonly code: number;
  constructor(streamId: number, code: number, message: string) {
    super(message);
    this.streamId = streamId;
    this.code = code;
  }
}

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  /** A view: valid until the handler returns. */
  readonly payload: Uint8Array;
}

const headerBytes = 9;

export function encodeFrame(type: number, flags: number, streamId: number, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(headerBytes + payload.length);
  writeHead(frame, type, flags, streamId, payload.length);
  frame.set(payload, headerBytes);
  return frame;
}

/** What goes before a payload that is not copied. */
export function encodeHead(type: number, flags: number, streamId: number, length: number): Uint8Array {
  const head = new Uint8Array(headerBytes);
  writeHead(head, type, flags, streamId, length);
  return head;
}

function writeHead(frame: Uint8Array, type: number, flags: number, streamId: number, length: number): void {
  frame[0] = length >> 16;
  frame[1] = length >> 8;
  frame[2] = length;
  frame[3] = type;
  frame[4] = flags;
  writeUint32(frame, 5, streamId);
}

export function readUint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) * 2 ** 24) + ((bytes[at + 1] as number) << 16) + ((bytes[at + 2] as number) << 8) +
    (bytes[at + 3] as number);
}

export function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/** Cuts the incoming bytes into frames. Its memory is one frame. */
export class FrameReader {
  readonly #carry = new Uint8Array(headerBytes + http2Limits.frameBytesMax);
  #carried = 0;

  /** Calls `onFrame` for each whole frame, in order. @throws ConnectionError FRAME_SIZE_ERROR, or what `onFrame` throws */
  push(chunk: Uint8Array, onFrame: (frame: Frame) => void): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#carried === 0 && chunk.length - at >= headerBytes) {
        const end = at + headerBytes + frameLength(chunk, at);
        if (end <= chunk.length) {
          onFrame(frameAt(chunk, at, end));
          at = end;
          continue;
        }
      }
      const wanted = this.#carried < headerBytes ? headerBytes : headerBytes + frameLength(this.#carry, 0);
      const taken = Math.min(wanted - this.#carried, chunk.length - at);
      this.#carry.set(chunk.subarray(at, at + taken), this.#carried);
      this.#carried += taken;
      at += taken;
      if (this.#carried < headerBytes) continue;
      const end = headerBytes + frameLength(this.#carry, 0);
      if (this.#carried < end) continue;
      this.#carried = 0;
      onFrame(frameAt(this.#carry, 0, end));
    }
  }
}

function frameLength(bytes: Uint8Array, at: number): number {
  const length = ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
  if (length > http2Limits.frameBytesMax) {
    throw new ConnectionError(
      errorCode.frameSizeError,
      `A frame of ${length} bytes is over ${http2Limits.frameBytesMax}`,
    );
  }
  return length;
}

function frameAt(bytes: Uint8Array, at: number, end: number): Frame {
  return {
    type: bytes[at + 3] as number,
    flags: bytes[at + 4] as number,
    streamId: readUint32(bytes, at + 5) & 0x7fff_ffff,
    payload: bytes.subarray(at + headerBytes, end),
  };
}
