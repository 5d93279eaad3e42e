import { invariant } from "../../base/assert.ts";
import { closeFlushMs, maxCoalescedFrameBytes, maxFrameBytes } from "../limits.ts";
import { type Address, type FrameConnection, NetworkError, type PeerIdentity } from "../mod.ts";
import { FramePacker, FrameReader } from "./framing.ts";
import type { Wire } from "./wire.ts";

export interface FrameConnectionOptions {
  readonly peer: PeerIdentity | null;
  readonly remote: Address;
  /** Called before the connection's own `onClose`. */
  readonly onClosed?: () => void;
}

/** Frames over a wire. Everything sent in one turn of the event loop leaves together, in the microtask after it. */
export class WireFrameConnection implements FrameConnection {
  readonly peer: PeerIdentity | null;
  readonly remote: Address;
  onFrame: (frame: Uint8Array) => void = () => {};
  onClose: (error?: Error) => void = () => {};
  readonly #wire: Wire;
  readonly #reader = new FrameReader(maxFrameBytes);
  readonly #packer = new FramePacker(maxCoalescedFrameBytes);
  readonly #onClosed: () => void;
  #queue: Uint8Array[] = [];
  #bufferedBytes = 0;
  #flushing = false;
  #state: "open" | "closing" | "closed" = "open";
  #deadline: ReturnType<typeof setTimeout> | undefined;
  readonly #start: ReturnType<typeof setTimeout>;

  constructor(wire: Wire, options: FrameConnectionOptions) {
    this.#wire = wire;
    this.peer = options.peer;
    this.remote = options.remote;
    this.#onClosed = options.onClosed ?? (() => {});
    // Not in this turn: a read that is ready at once would be delivered before the callbacks are set.
    this.#start = setTimeout(() => {
      wire.start((chunk) => this.#reader.push(chunk, (frame) => this.#deliver(frame)), (error) => this.#ended(error));
    }, 0);
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  send(frame: Uint8Array): void {
    if (this.#state !== "open") return;
    invariant(frame.length <= maxFrameBytes, `A frame of ${frame.length} bytes is over the maximum`);
    this.#queue.push(frame);
    this.#bufferedBytes += frame.length + 4;
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => void this.#flush());
  }

  close(): void {
    if (this.#state !== "open") return;
    if (!this.#flushing) return this.#finish();
    this.#state = "closing";
    this.#deadline = setTimeout(() => this.#finish(), closeFlushMs);
  }

  async #flush(): Promise<void> {
    try {
      while (this.#queue.length > 0) {
        const frames = this.#queue;
        this.#queue = [];
        for (let at = 0; at < frames.length;) {
          const { bytes, large, next } = this.#packer.pack(frames, at);
          await this.#wire.write(bytes);
          this.#bufferedBytes -= bytes.length;
          if (large !== null) {
            await this.#wire.write(large);
            this.#bufferedBytes -= large.length;
          }
          at = next;
        }
      }
      this.#flushing = false;
      if (this.#state === "closing") this.#finish();
    } catch (error) {
      // Dropping the rest keeps the promise of bufferedBytes; the reader has the better reason when it ended first.
      this.#queue = [];
      this.#finish(
        this.#state === "open" ? new NetworkError(`Cannot write: ${String(error)}`, { cause: error }) : undefined,
      );
    }
  }

  #deliver(frame: Uint8Array): void {
    if (this.#state === "open") this.onFrame(frame);
  }

  #ended(error: Error | undefined): void {
    if (this.#state !== "open") return this.#finish();
    if (error !== undefined) {
      return this.#finish(new NetworkError(`Connection lost: ${error.message}`, { cause: error }));
    }
    this.#finish(this.#reader.idle ? undefined : new NetworkError("The connection ended inside a frame"));
  }

  #finish(error?: Error): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#bufferedBytes = 0;
    clearTimeout(this.#start);
    clearTimeout(this.#deadline);
    if (error === undefined && this.#queue.length === 0 && !this.#flushing) this.#wire.close();
    else this.#wire.destroy();
    this.#onClosed();
    // Never inside close() or send(): callers would be re-entered in the middle of their own change.
    queueMicrotask(() => this.onClose(error));
  }
}
