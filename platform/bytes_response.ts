import { concatBytes } from "../base/bytes.ts";

/**
 * A response whose whole body is at hand. A server that writes its own frames takes `whole` as it is, with its
 * length, where reading it out of a stream again would cost more than sending it.
 */
export class BytesResponse extends Response {
  readonly whole: Uint8Array<ArrayBuffer>;

  constructor(bytes: Uint8Array<ArrayBuffer>, init: ResponseInit) {
    super(bytes, init);
    this.whole = bytes;
  }
}

/**
 * The same for a body in several parts, which are never put together: a list of everything. Where it is read as any
 * Response, it streams in chunks of about `chunkBytes`.
 */
export class PartsResponse extends Response {
  readonly parts: readonly Uint8Array[];
  /** Of all parts. */
  readonly length: number;

  constructor(parts: readonly Uint8Array[], chunkBytes: number, init: ResponseInit) {
    super(streamOf(parts, chunkBytes), init);
    this.parts = parts;
    this.length = parts.reduce((sum, part) => sum + part.length, 0);
  }
}

function streamOf(parts: readonly Uint8Array[], chunkBytes: number): ReadableStream<Uint8Array<ArrayBuffer>> {
  let at = 0;
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      const chunk: Uint8Array[] = [];
      let size = 0;
      while (at < parts.length && size < chunkBytes) {
        const part = parts[at++] as Uint8Array;
        chunk.push(part);
        size += part.length;
      }
      if (size > 0) controller.enqueue(concatBytes(chunk));
      if (at >= parts.length) controller.close();
    },
  }, { highWaterMark: 0 });
}
