import { concatBytes, emptyBytes, fromUtf8 } from "../base/bytes.ts";
import * as limits from "./limits.ts";

export const jsonType = "application/json";
export const msgpackType = "application/vnd.msgpack";

/** A watch stream that breaks its own framing, or a change longer than `limits.maxWatchChangeBytes`. */
export class WireError extends Error {
  override readonly name = "WireError";
}

/** Cuts a byte stream into messages. `push` gives those that became whole, in order. */
export interface Splitter {
  push(chunk: Uint8Array): Uint8Array[];
}

/** One message a line (`\n`); empty lines are skipped. */
export function lineSplitter(): Splitter {
  const rest = new Rest();
  return {
    push(chunk) {
      const messages: Uint8Array[] = [];
      let start = 0;
      for (;;) {
        const end = chunk.indexOf(10, start);
        if (end === -1) break;
        const line = rest.take(chunk.subarray(start, end));
        if (line.length > 0) messages.push(line);
        start = end + 1;
      }
      rest.add(chunk.subarray(start));
      return messages;
    },
  };
}

/** Each message after its length: four bytes, big-endian. */
export function frameSplitter(): Splitter {
  const rest = new Rest();
  return {
    push(chunk) {
      const bytes = rest.take(chunk);
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      const messages: Uint8Array[] = [];
      let at = 0;
      while (bytes.length - at >= 4) {
        const length = view.getUint32(at);
        if (length > limits.maxWatchChangeBytes) throw new WireError(`Watch frame of ${length} bytes is too long`);
        if (bytes.length - at - 4 < length) break;
        messages.push(bytes.subarray(at + 4, at + 4 + length));
        at += 4 + length;
      }
      rest.add(bytes.subarray(at));
      return messages;
    },
  };
}

/** The start of a message whose end has not arrived. */
class Rest {
  #parts: Uint8Array[] = [];
  #length = 0;

  add(part: Uint8Array): void {
    if (part.length === 0) return;
    this.#length += part.length;
    if (this.#length > limits.maxWatchChangeBytes + 4) throw new WireError("Watch change is too long");
    this.#parts.push(part);
  }

  /** What was kept, then `end`; nothing is kept afterwards. */
  take(end: Uint8Array): Uint8Array {
    if (this.#length === 0) return end;
    const whole = concatBytes([...this.#parts, end]);
    this.#parts = [];
    this.#length = 0;
    return whole;
  }
}

/** A JSON body; undefined for an empty one. Throws SyntaxError when it is not JSON. */
export function parseJson(bytes: Uint8Array): unknown {
  return bytes.length === 0 ? undefined : JSON.parse(fromUtf8(bytes));
}

/** The chunks of a body, ended early when the consumer stops. */
export async function* chunksOf(body: ReadableStream<Uint8Array> | null): AsyncGenerator<Uint8Array> {
  if (body === null) return;
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value ?? emptyBytes;
    }
  } finally {
    // Not awaited: a source that never settles its cancel must not hang the consumer.
    reader.cancel().catch(() => {});
  }
}
