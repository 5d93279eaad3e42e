import type { FrameConnection, Frames, TlsIdentity } from "../../platform/mod.ts";
import { encodePeerFrame, type PeerFrame } from "./codec.ts";
import { maxPeerBufferedBytes, redialTicksMax, redialTicksMin } from "./limits.ts";

export interface PeerLinkOptions {
  readonly frames: Frames;
  readonly address: string;
  readonly tls: TlsIdentity | undefined;
  readonly hello: PeerFrame;
  /** There is a connection, and the peer will be told who dialled. */
  readonly onOpened: () => void;
  /** The connection that was there has ended. */
  readonly onLost: () => void;
  /** The little that comes back on it. */
  readonly onFrame: (bytes: Uint8Array) => void;
}

/** The connection this member dials to send to one peer; what comes the other way comes on the peer's own. */
export class PeerLink {
  readonly #options: PeerLinkOptions;
  #connection: FrameConnection | null = null;
  #dialing: AbortController | null = null;
  #waitTicks = 0;
  #backoffTicks = redialTicksMin;
  #closed = false;

  constructor(options: PeerLinkOptions) {
    this.#options = options;
  }

  get connected(): boolean {
    return this.#connection !== null;
  }

  /** @return false when the frame was dropped: not connected, or too much is queued */
  send(frame: PeerFrame): boolean {
    return this.canSend && this.sendEncoded(encodePeerFrame(frame));
  }

  get canSend(): boolean {
    return this.#connection !== null && this.#connection.bufferedBytes <= maxPeerBufferedBytes;
  }

  /** As {@linkcode send}; others may be sent the same bytes. */
  sendEncoded(frame: Uint8Array): boolean {
    if (!this.canSend) return false;
    this.#connection?.send(frame);
    return true;
  }

  /** The peer has just dialled us, so it is there: try at once. */
  hurry(): void {
    this.#backoffTicks = redialTicksMin;
    this.#waitTicks = 0;
    this.#dial();
  }

  tick(): void {
    if (this.#waitTicks > 0) this.#waitTicks--;
    this.#dial();
  }

  close(): void {
    this.#closed = true;
    this.#dialing?.abort();
    this.#connection?.close();
    this.#connection = null;
  }

  #dial(): void {
    if (this.#closed || this.#connection !== null || this.#dialing !== null || this.#waitTicks > 0) return;
    const { frames, address, tls } = this.#options;
    const dialing = new AbortController();
    this.#dialing = dialing;
    frames.dial(address, { ...(tls === undefined ? {} : { tls }), signal: dialing.signal }).then(
      (connection) => this.#opened(connection),
      () => this.#failed(),
    );
  }

  #failed(): void {
    this.#dialing = null;
    this.#waitTicks = this.#backoffTicks;
    this.#backoffTicks = Math.min(redialTicksMax, this.#backoffTicks * 2);
  }

  #opened(connection: FrameConnection): void {
    this.#dialing = null;
    if (this.#closed) return connection.close();
    this.#connection = connection;
    this.#backoffTicks = redialTicksMin;
    connection.onFrame = (bytes) => {
      this.#options.onFrame(bytes);
      connection.close(); // what comes this way is a refusal
    };
    connection.onClose = () => {
      if (this.#connection !== connection) return;
      this.#connection = null;
      this.#waitTicks = redialTicksMin;
      this.#options.onLost();
    };
    connection.send(encodePeerFrame(this.#options.hello));
    this.#options.onOpened();
  }
}
