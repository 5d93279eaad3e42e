import { NetworkError } from "../mod.ts";

const headerBytes = 4;
/** What a connection keeps for packing: little while it is idle, and no more than this once it was busy. */
const initialBufferBytes = 1024;
const maxKeptBufferBytes = 512 * 1024;

/**
 * Cuts a byte stream into frames. Each byte is copied once: a frame larger than a chunk is filled in place, so a big
 * frame costs the same per byte as a small one. Frames handed out are the receiver's own.
 */
export class FrameReader {
  readonly #maxBytes: number;
  readonly #header = new Uint8Array(headerBytes);
  #headerFilled = 0;
  #body: Uint8Array | null = null;
  #bodyFilled = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Whether the stream stands between two frames. */
  get idle(): boolean {
    return this.#headerFilled === 0 && this.#body === null;
  }

  /** `chunk` may be reused by the caller afterwards. Throws {@linkcode NetworkError} for a frame over the maximum. */
  push(chunk: Uint8Array, onFrame: (frame: Uint8Array) => void): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.idle) {
        const end = this.#wholeFrame(chunk, at);
        if (end > 0) {
          // One copy and one allocation: a buffer made empty and filled afterwards costs three times as much.
          onFrame(chunk.slice(at + headerBytes, end));
          at = end;
          continue;
        }
      }
      if (this.#body === null) {
        this.#header[this.#headerFilled++] = chunk[at++] as number;
        if (this.#headerFilled < headerBytes) continue;
        this.#body = this.#newBody();
        this.#bodyFilled = 0;
        this.#headerFilled = 0;
      }
      const take = Math.min(this.#body.length - this.#bodyFilled, chunk.length - at);
      this.#body.set(chunk.subarray(at, at + take), this.#bodyFilled);
      this.#bodyFilled += take;
      at += take;
      if (this.#bodyFilled === this.#body.length) {
        const frame = this.#body;
        this.#body = null;
        onFrame(frame);
      }
    }
  }

  /** Where the frame that begins at `at` ends, 0 when it is not all in the chunk. */
  #wholeFrame(chunk: Uint8Array, at: number): number {
    if (chunk.length - at < headerBytes) return 0;
    const end = at + headerBytes + this.#allowed(lengthAt(chunk, at));
    return end <= chunk.length ? end : 0;
  }

  #newBody(): Uint8Array {
    return new Uint8Array(this.#allowed(lengthAt(this.#header, 0)));
  }

  #allowed(length: number): number {
    if (length > this.#maxBytes) throw new NetworkError(`A frame of ${length} bytes is over the maximum`);
    return length;
  }
}

function lengthAt(bytes: Uint8Array, at: number): number {
  let length = 0;
  for (let i = at; i < at + headerBytes; i++) length = length * 256 + (bytes[i] as number);
  return length;
}

/** Bytes to write, a large frame to write behind them or null, and the first frame that is not in either. */
export interface Packed {
  readonly bytes: Uint8Array;
  readonly large: Uint8Array | null;
  readonly next: number;
}

/**
 * Puts frames with their headers into as few writes as copying at most `maxCoalescedBytes` a frame allows. It packs into
 * one buffer again and again: what it hands out must have been written before it is asked for the next.
 */
export class FramePacker {
  readonly #maxCoalescedBytes: number;
  #buffer = new Uint8Array(initialBufferBytes);

  constructor(maxCoalescedBytes: number) {
    this.#maxCoalescedBytes = maxCoalescedBytes;
  }

  /**
   * The next write.
   * @param from how many of the frames have been written, with what `next` says of the write before
   */
  pack(frames: readonly Uint8Array[], from: number): Packed {
    let end = from;
    let size = 0;
    for (; end < frames.length; end++) {
      const length = (frames[end] as Uint8Array).length;
      if (length > this.#maxCoalescedBytes) break;
      size += headerBytes + length;
    }
    const large = frames[end] ?? null;
    const bytes = this.#room(size + (large === null ? 0 : headerBytes));
    let at = 0;
    for (let i = from; i < end; i++) {
      const frame = frames[i] as Uint8Array;
      at = putLength(bytes, at, frame.length);
      bytes.set(frame, at);
      at += frame.length;
    }
    if (large !== null) putLength(bytes, at, large.length);
    return { bytes, large, next: large === null ? end : end + 1 };
  }

  #room(size: number): Uint8Array {
    if (size > maxKeptBufferBytes) return new Uint8Array(size);
    if (size > this.#buffer.length) this.#buffer = new Uint8Array(Math.max(size, this.#buffer.length * 2));
    return this.#buffer.subarray(0, size);
  }
}

function putLength(bytes: Uint8Array, at: number, length: number): number {
  bytes[at] = length >>> 24;
  bytes[at + 1] = length >>> 16;
  bytes[at + 2] = length >>> 8;
  bytes[at + 3] = length;
  return at + headerBytes;
}
