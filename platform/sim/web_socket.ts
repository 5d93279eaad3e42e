import type { WebSocketChannel } from "../mod.ts";
import { type HttpMessage, messageBytes } from "./http_messages.ts";
import type { Endpoint } from "./network.ts";

/** Status of a connection that ended without a goodbye; never sent (RFC 6455 7.1.5). */
export const abnormalClosure = 1006;

/** Either end. It takes over the endpoint's callbacks; a close is answered by the other end, as RFC 6455 7.1.2 has it. */
export class SimWebSocket implements WebSocketChannel {
  readonly protocol: string;
  onMessage: (data: Uint8Array | string) => void = () => {};
  onClose: (code: number, reason: string) => void = () => {};
  readonly #endpoint: Endpoint;
  /** Sent before the handshake was answered. */
  #pending: (() => void)[] | null = [];
  #state: "open" | "closing" | "closed" = "open";

  constructor(endpoint: Endpoint, protocol: string) {
    this.#endpoint = endpoint;
    this.protocol = protocol;
  }

  get bufferedBytes(): number {
    return this.#endpoint.closed ? 0 : this.#endpoint.undeliveredBytes;
  }

  /** The handshake is done. */
  open(): void {
    const endpoint = this.#endpoint;
    endpoint.onMessage = (payload) => this.#receive(payload as HttpMessage); // only Exchange and we send here
    endpoint.onClose = () => this.#finish(abnormalClosure, "");
    const pending = this.#pending ?? [];
    this.#pending = null;
    for (const send of pending) send();
  }

  send(data: Uint8Array | string): void {
    if (this.#state !== "open") return;
    this.#transmit({ kind: "message", data: typeof data === "string" ? data : data.slice() });
  }

  close(code = 1000, reason = ""): void {
    if (this.#state !== "open") return;
    this.#state = "closing";
    this.#transmit({ kind: "goodbye", code, reason });
  }

  #transmit(message: HttpMessage): void {
    if (this.#pending === null) this.#endpoint.send(message, messageBytes(message));
    else this.#pending.push(() => this.#endpoint.send(message, messageBytes(message)));
  }

  #receive(message: HttpMessage): void {
    if (message.kind === "message" && this.#state === "open") this.onMessage(message.data);
    if (message.kind !== "goodbye") return;
    if (this.#state === "open") this.#transmit(message);
    this.#endpoint.close();
    this.#finish(message.code, message.reason);
  }

  #finish(code: number, reason: string): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.onClose(code, reason);
  }
}
