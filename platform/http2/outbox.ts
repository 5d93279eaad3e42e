import { concatBytes } from "../../base/bytes.ts";

/** What waits for the transport: everything queued in one turn of the event loop leaves in one write. */
export class Outbox {
  readonly #write: (bytes: Uint8Array) => Promise<void>;
  readonly #drained: () => void;
  readonly #failed: (error: Error) => void;
  #parts: Uint8Array[] = [];
  #bytes = 0;
  #writing = false;
  #closed = false;
  #onEmpty: (() => void) | null = null;

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
        const bytes = parts.length === 1 ? (parts[0] as Uint8Array) : concatBytes(parts);
        await this.#write(bytes);
        this.#bytes -= bytes.length;
        this.#drained();
      }
      this.#writing = false;
    } catch (error) {
      this.#parts = [];
      this.#failed(error instanceof Error ? error : new Error(String(error)));
    }
    this.#onEmpty?.();
    this.#onEmpty = null;
  }
}
