import { concatBytes } from "../../base/bytes.ts";
import { http2Limits } from "./limits.ts";

/**
 * What waits for the transport: everything queued in one turn of the event loop leaves together, in writes of at most
 * `http2Limits.transportWriteBytes`.
 */
export class Outbox {
  /** The bytes are its own until it resolves. */
  readonly #write: (bytes: Uint8Array) => Promise<void>;
  readonly #drained: () => void;
  readonly #failed: (error: Error) => void;
  #parts: Uint8Array[] = [];
  #bytes = 0;
  #writing = false;
  #closed = false;
  #onEmpty: (() => void) | null = null;
  /** For large writes, made when the first one comes. */
  #buffer: Uint8Array | null = null;

  constructor(write: (bytes: Uint8Array) => Promise<void>, drained: () => void, failed: (error: Error) => void) {
    this.#write = write;
    this.#drained = drained;
    this.#failed = failed;
  }

  /** Queued or on its way, not yet taken by the kernel. */
  get bytes(): number {
    return this.#bytes;
  }

  push(bytes: Uint8Array): void {
    if (this.#closed) return;
    this.#parts.push(bytes);
    this.#bytes += bytes.length;
    if (this.#writing) return;
    this.#writing = true;
    queueMicrotask(() => void this.#flush());
  }

  /** Takes no more, writes what is there, then calls `then`. */
  end(then: () => void): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#writing) this.#onEmpty = then;
    else then();
  }

  /** The transport is gone: what is left is dropped. A no-op after {@linkcode end}. */
  close(then: () => void): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#parts = [];
    then();
  }

  async #flush(): Promise<void> {
    try {
      while (this.#parts.length > 0) {
        const parts = this.#parts;
        this.#parts = [];
        await this.#writeAll(parts);
      }
      this.#writing = false;
    } catch (error) {
      this.#parts = [];
      this.#failed(error instanceof Error ? error : new Error(String(error)));
    }
    this.#onEmpty?.();
    this.#onEmpty = null;
  }

  /** Valid until the next write. Large writes share a buffer: a fresh one each would be paid for in page faults. */
  #joined(parts: readonly Uint8Array[], length: number): Uint8Array {
    if (length <= http2Limits.transportSmallWriteBytes || length > http2Limits.transportWriteBytes) {
      return concatBytes(parts);
    }
    this.#buffer ??= new Uint8Array(http2Limits.transportWriteBytes);
    let at = 0;
    for (const part of parts) {
      this.#buffer.set(part, at);
      at += part.length;
    }
    return this.#buffer.subarray(0, length);
  }

  async #writeAll(parts: readonly Uint8Array[]): Promise<void> {
    for (let from = 0; from < parts.length;) {
      let to = from;
      let length = 0;
      do length += (parts[to++] as Uint8Array).length; while (
        to < parts.length && length + (parts[to] as Uint8Array).length <= http2Limits.transportWriteBytes
      );
      const bytes = to === from + 1 ? parts[from] as Uint8Array : this.#joined(parts.slice(from, to), length);
      await this.#write(bytes);
      this.#bytes -= bytes.length;
      from = to;
      this.#drained();
    }
  }
}
