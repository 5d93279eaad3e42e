import { NetworkError } from "../mod.ts";

const headerBytes = 4;

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

  #newBody(): Uint8Array {
    const length = new DataView(this.#header.buffer).getUint32(0);
    if (length > this.#maxBytes) throw new NetworkError(`A frame of ${length} bytes is over the maximum`);
    return new Uint8Array(length);
  }
}

/** Puts `frames` with their headers into as few buffers as copying at most `maxCoalescedBytes` a frame allows. */
export function packFrames(frames: readonly Uint8Array[], maxCoalescedBytes: number): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (let first = 0; first < frames.length;) {
    let end = first;
    let size = 0;
    for (; end < frames.length; end++) {
      const length = (frames[end] as Uint8Array).length;
      if (length > maxCoalescedBytes) break;
      size += headerBytes + length;
    }
    const large = frames[end];
    const packed = new Uint8Array(size + (large === undefined ? 0 : headerBytes));
    const view = new DataView(packed.buffer);
    let at = 0;
    for (const frame of frames.slice(first, end)) {
      view.setUint32(at, frame.length);
      packed.set(frame, at + headerBytes);
      at += headerBytes + frame.length;
    }
    if (large !== undefined) view.setUint32(at, large.length);
    out.push(packed);
    if (large !== undefined) out.push(large);
    first = end + 1;
  }
  return out;
}
