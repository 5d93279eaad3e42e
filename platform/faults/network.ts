import { type FrameConnection, type Frames, NetworkError, type Streams } from "../mod.ts";
import { Lane } from "./lane.ts";
import { lingerMs } from "./limits.ts";
import type { Link, LinkFaults } from "./links.ts";

/** The same frames, over links that can be disturbed. A dial over a cut link waits until the link heals. */
export function faultyFrames(frames: Frames, faults: LinkFaults): Frames {
  return {
    listen: (address, options, accept) => frames.listen(address, options, accept),
    async dial(address, options) {
      const link = faults.to(address);
      if (link === null) return await frames.dial(address, options);
      await roundTrip(link, options.signal);
      return new DisturbedConnection(await frames.dial(address, options), link, faults);
    },
  };
}

/** The same byte streams, over links that can be disturbed. */
export function faultyStreams(streams: Streams, faults: LinkFaults): Streams {
  return {
    listen: (address, options, accept) => streams.listen(address, options, accept),
    async dial(address, options) {
      const link = faults.to(address);
      if (link === null) return await streams.dial(address, options);
      await roundTrip(link, options?.signal);
      const inner = await streams.dial(address, options);
      return {
        remote: inner.remote,
        async read(into) {
          const count = await inner.read(into);
          if (link.in.condition !== null) await link.in.pass();
          return count;
        },
        async write(bytes) {
          if (link.out.condition !== null) await link.out.pass();
          await inner.write(bytes);
        },
        async closeWrite() {
          if (link.out.condition !== null) await link.out.pass();
          await inner.closeWrite();
        },
        close: () => inner.close(),
      };
    },
  };
}

/** What opening a connection takes: a question there and an answer back. */
export async function roundTrip(link: Link, signal?: AbortSignal | null): Promise<void> {
  if (link.out.condition !== null) await link.out.pass(signal);
  if (link.in.condition !== null) await link.in.pass(signal);
}

/**
 * A dialled connection whose frames pass through the link's faults. While a direction is cut the end of the connection
 * does not get through either: neither side sees the other close. (A process that dies is the exception: its kernel
 * closes what it had dialled, and no one is left to hold that back.)
 */
class DisturbedConnection implements FrameConnection {
  readonly peer: FrameConnection["peer"];
  readonly remote: string;
  onFrame: (frame: Uint8Array) => void = () => {};
  onClose: (error?: Error) => void = () => {};
  readonly #inner: FrameConnection;
  readonly #faults: LinkFaults;
  readonly #out: Lane;
  readonly #in: Lane;
  #closed = false;

  constructor(inner: FrameConnection, link: Link, faults: LinkFaults) {
    this.#inner = inner;
    this.#faults = faults;
    this.peer = inner.peer;
    this.remote = inner.remote;
    const overflow = () => this.#ended(new NetworkError(`Connection lost: too much was held back for ${this.remote}`));
    this.#out = new Lane(link.out, faults, overflow);
    this.#in = new Lane(link.in, faults, overflow);
    inner.onFrame = (frame) =>
      this.#in.pass(frame.length, () => {
        if (!this.#closed) this.onFrame(frame);
      });
    inner.onClose = (error) => this.#in.pass(0, () => this.#ended(error));
  }

  get bufferedBytes(): number {
    return this.#inner.bufferedBytes + this.#out.heldBytes;
  }

  send(frame: Uint8Array): void {
    if (!this.#closed) this.#out.pass(frame.length, () => this.#inner.send(frame));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    // The goodbye travels behind what was sent, however long that takes; the owner need not wait for it.
    const patience = this.#faults.timers.schedule(lingerMs, () => this.#release());
    this.#out.pass(0, () => {
      patience.cancel();
      this.#release();
    });
    queueMicrotask(() => this.onClose());
  }

  #ended(error: Error | undefined): void {
    this.#release();
    if (this.#closed) return;
    this.#closed = true;
    // Never inside send(): callers would be re-entered in the middle of their own change.
    queueMicrotask(() => this.onClose(error));
  }

  #release(): void {
    this.#out.close();
    this.#in.close();
    this.#inner.onClose = () => {};
    this.#inner.close();
  }
}
