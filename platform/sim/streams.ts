import { invariant } from "../../base/assert.ts";
import { Deque } from "../../base/deque.ts";
import { type ByteConnection, NetworkError, type Streams } from "../mod.ts";
import type { Life } from "./life.ts";
import type { Endpoint, SimNetwork } from "./network.ts";

/** A writer waits while so much is under way; a reader stops the sender while it holds so much. */
const windowBytes = 64 * 1024;

/** The end of one direction; the other goes on. */
const endOfStream = Symbol("end of stream");

class SimByteConnection implements ByteConnection {
  readonly remote: string;
  readonly #endpoint: Endpoint;
  readonly #onClosed: () => void;
  readonly #arrived = new Deque<Uint8Array>();
  #arrivedBytes = 0;
  #ended = false;
  #failure: NetworkError | null = null;
  #wakeReader: (() => void) | null = null;
  readonly #wakeWriters: (() => void)[] = [];

  constructor(endpoint: Endpoint, remote: string, onClosed: () => void = () => {}) {
    this.#endpoint = endpoint;
    this.remote = remote;
    this.#onClosed = onClosed;
    endpoint.onMessage = (payload) => this.#receive(payload);
    endpoint.onDrained = () => this.#wakeAll();
    endpoint.onClose = (error) => {
      this.#ended = true;
      this.#failure = error ?? null;
      this.#onClosed();
      this.#wakeAll();
    };
  }

  async read(into: Uint8Array): Promise<number | null> {
    while (this.#arrivedBytes === 0) {
      if (this.#failure !== null) throw this.#failure;
      if (this.#ended) return null;
      await new Promise<void>((resolve) => void (this.#wakeReader = resolve));
    }
    const chunk = this.#arrived.shift();
    invariant(chunk !== undefined, "bytes counted are bytes held");
    const count = Math.min(into.length, chunk.length);
    into.set(chunk.subarray(0, count));
    if (count < chunk.length) this.#arrived.unshift(chunk.subarray(count));
    this.#arrivedBytes -= count;
    if (this.#arrivedBytes < windowBytes) this.#endpoint.resume();
    return count;
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += windowBytes) {
      while (!this.#endpoint.closed && this.#endpoint.undeliveredBytes >= windowBytes) {
        await new Promise<void>((resolve) => void this.#wakeWriters.push(resolve));
      }
      if (this.#endpoint.closed) throw this.#failure ?? new NetworkError("Cannot write: the connection is closed");
      const chunk = bytes.slice(at, at + windowBytes);
      this.#endpoint.send(chunk, chunk.length);
    }
  }

  async closeWrite(): Promise<void> {
    if (this.#endpoint.closed) throw new NetworkError("Cannot close for writing: the connection is closed");
    this.#endpoint.send(endOfStream, 0);
  }

  close(): void {
    if (this.#endpoint.closed) return;
    this.#endpoint.close();
    this.#ended = true;
    this.#arrivedBytes = 0;
    this.#arrived.clear();
    this.#onClosed();
    this.#wakeAll();
  }

  #receive(payload: unknown): void {
    if (payload === endOfStream) this.#ended = true;
    else {
      invariant(payload instanceof Uint8Array, "streams carry bytes");
      this.#arrived.push(payload);
      this.#arrivedBytes += payload.length;
      if (this.#arrivedBytes >= windowBytes) this.#endpoint.pause();
    }
    this.#wakeReader?.();
  }

  #wakeAll(): void {
    this.#wakeReader?.();
    for (const wake of this.#wakeWriters.splice(0)) wake();
  }
}

export function createSimStreams(life: Life, network: SimNetwork): Streams {
  return {
    dial(address, options) {
      const signal = options?.signal;
      return new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason);
        const endpoint = network.open(life, address, { kind: "streams", tls: null });
        const connection = new SimByteConnection(endpoint, address);
        const onClose = endpoint.onClose;
        function onAbort(): void {
          endpoint.reset();
          reject(signal?.reason);
        }
        signal?.addEventListener("abort", onAbort, { once: true });
        endpoint.onClose = (error) => {
          signal?.removeEventListener("abort", onAbort);
          onClose(error);
          reject(error ?? new NetworkError(`Cannot dial ${address}: closed`));
        };
        endpoint.onOpen = () => {
          signal?.removeEventListener("abort", onAbort);
          resolve(connection);
        };
      });
    },
    async listen(address, _options, accept) {
      const open = new Set<ByteConnection>();
      const registered = network.listen(address, {
        life,
        kind: "streams",
        tls: null,
        accept(endpoint) {
          const remote = `tcp:${endpoint.remoteIp}:0`;
          const connection = new SimByteConnection(endpoint, remote, () => void open.delete(connection));
          open.add(connection);
          accept(connection);
        },
      });
      return {
        address: registered.address,
        async close() {
          registered.close();
          for (const connection of [...open]) connection.close();
        },
      };
    },
  };
}
