import { invariant } from "../../base/assert.ts";
import { maxFrameBytes } from "../limits.ts";
import type { FrameConnection, Frames, PeerIdentity } from "../mod.ts";
import type { Life } from "./life.ts";
import type { Endpoint, SimNetwork } from "./network.ts";

/** What a kernel takes off a writer's hands. */
const kernelBufferBytes = 256 * 1024;

class SimFrameConnection implements FrameConnection {
  readonly peer: PeerIdentity | null;
  readonly remote: string;
  onFrame: (frame: Uint8Array) => void = () => {};
  onClose: (error?: Error) => void = () => {};
  readonly #endpoint: Endpoint;
  readonly #network: SimNetwork;
  readonly #onClosed: () => void;

  constructor(endpoint: Endpoint, network: SimNetwork, remote: string, onClosed: () => void = () => {}) {
    this.#endpoint = endpoint;
    this.#network = network;
    this.peer = endpoint.peer;
    this.remote = remote;
    this.#onClosed = onClosed;
    endpoint.onMessage = (payload) => {
      invariant(payload instanceof Uint8Array, "frame connections carry bytes");
      this.onFrame(payload);
    };
    endpoint.onClose = (error) => {
      this.#onClosed();
      this.onClose(error);
    };
  }

  get bufferedBytes(): number {
    return this.#endpoint.closed ? 0 : Math.max(0, this.#endpoint.undeliveredBytes - kernelBufferBytes);
  }

  send(frame: Uint8Array): void {
    invariant(frame.length <= maxFrameBytes, `A frame of ${frame.length} bytes is over the maximum`);
    if (this.#endpoint.closed) return;
    this.#network.traceBytes(frame);
    this.#endpoint.send(this.#network.arena.copy(frame), frame.length + 4);
  }

  close(): void {
    if (this.#endpoint.closed) return;
    this.#endpoint.close();
    this.#onClosed();
    this.#endpoint.life.schedule(0, "closed", () => this.onClose());
  }
}

export function createSimFrames(life: Life, network: SimNetwork): Frames {
  return {
    dial(address, options) {
      const { tls, signal } = options;
      return new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason);
        const endpoint = network.open(life, address, { kind: "frames", tls: tls ?? null });
        function onAbort(): void {
          endpoint.reset();
          reject(signal?.reason);
        }
        signal?.addEventListener("abort", onAbort, { once: true });
        endpoint.onClose = (error) => {
          signal?.removeEventListener("abort", onAbort);
          reject(error);
        };
        endpoint.onOpen = () => {
          signal?.removeEventListener("abort", onAbort);
          resolve(new SimFrameConnection(endpoint, network, address));
          life.schedule(0, "opened", () => endpoint.resume());
        };
        // A server may speak first; its frames wait until there is somebody to hand them to.
        endpoint.pause();
      });
    },
    async listen(address, options, accept) {
      const open = new Set<FrameConnection>();
      const { tls } = options;
      const registered = network.listen(address, {
        life,
        kind: "frames",
        tls: tls === undefined ? null : { ...tls, clientCertificates: "require" },
        accept(endpoint) {
          const connection = new SimFrameConnection(
            endpoint,
            network,
            `tcp:${endpoint.remoteIp}:0`,
            () => void open.delete(connection),
          );
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
