import { concatBytes } from "../../base/bytes.ts";
import { maxFrameBytes } from "./limits.ts";

/** The peer breaks the protocol: nothing that follows can be trusted. */
export class SpdyError extends Error {
  override readonly name = "SpdyError";
}

/** A frame as it is on the wire. @see SPDY Protocol Draft 3.1, 2.2 */
export type RawFrame =
  | { readonly kind: "control"; readonly type: number; readonly flags: number; readonly payload: Uint8Array }
  | { readonly kind: "data"; readonly stream: number; readonly flags: number; readonly payload: Uint8Array };

export const frameTypes = {
  synStream: 1,
  synReply: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  headers: 8,
  windowUpdate: 9,
} as const;

/** Ends the sender's half of a stream. */
export const flagFin = 1;
const version = 3;
const headLength = 8;

/** Cuts bytes, however they come, into frames. Holds at most one frame. */
export class FrameReader {
  #pending: Uint8Array = new Uint8Array(0);

  /** @throws SpdyError */
  push(bytes: Uint8Array): RawFrame[] {
    let rest = this.#pending.length === 0 ? bytes : concatBytes([this.#pending, bytes]);
    const frames: RawFrame[] = [];
    for (;;) {
      const length = frameLength(rest);
      if (length === null || rest.length < length) break;
      frames.push(parseFrame(rest.subarray(0, length)));
      rest = rest.subarray(length);
    }
    this.#pending = rest.slice();
    return frames;
  }
}

/** Head and payload; null: the head has not come. */
function frameLength(bytes: Uint8Array): number | null {
  if (bytes.length < headLength) return null;
  const length = headLength + ((byteAt(bytes, 5) << 16) | (byteAt(bytes, 6) << 8) | byteAt(bytes, 7));
  if (length > maxFrameBytes) throw new SpdyError(`frame of ${length} bytes`);
  return length;
}

function byteAt(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0;
}

function parseFrame(bytes: Uint8Array): RawFrame {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const word = view.getUint32(0);
  const flags = view.getUint8(4);
  const payload = bytes.slice(headLength);
  if (word >>> 31 === 0) return { kind: "data", stream: word, flags, payload };
  const spoken = (word >>> 16) & 0x7fff;
  if (spoken !== version) throw new SpdyError(`version ${spoken} is not spoken`);
  return { kind: "control", type: word & 0xffff, flags, payload };
}

function head(word: number, flags: number, length: number): Uint8Array {
  const bytes = new Uint8Array(headLength);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, word >>> 0);
  view.setUint32(4, ((flags << 24) | length) >>> 0);
  return bytes;
}

export function controlFrame(type: number, flags: number, ...payload: readonly (number | Uint8Array)[]): Uint8Array {
  const parts = payload.map((part) => typeof part === "number" ? word(part) : part);
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return concatBytes([head(0x8000_0000 | (version << 16) | type, flags, length), ...parts]);
}

export function dataFrame(stream: number, flags: number, payload: Uint8Array): Uint8Array {
  return concatBytes([head(stream, flags, payload.length), payload]);
}

function word(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value >>> 0);
  return bytes;
}
