import { NetworkError } from "../mod.ts";
import { type HttpMessage, messageBytes, windowBytes } from "./http_messages.ts";
import type { Endpoint, SimNetwork } from "./network.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** One side of an exchange: typed sending, and the bodies in either direction. */
export class Exchange {
  readonly endpoint: Endpoint;
  readonly #network: SimNetwork;
  #incoming: ReadableStreamDefaultController<Bytes> | null = null;
  #outgoing: ReadableStreamDefaultReader<Uint8Array> | null = null;
  #wake: (() => void) | null = null;

  constructor(endpoint: Endpoint, network: SimNetwork) {
    this.endpoint = endpoint;
    this.#network = network;
    endpoint.onDrained = () => this.#wake?.();
  }

  send(message: HttpMessage): void {
    if (message.kind === "chunk") this.#network.traceBytes(message.bytes);
    this.endpoint.send(message, messageBytes(message));
  }

  /** Takes chunk and end; false for any other message. */
  receiveBody(message: HttpMessage): boolean {
    if (message.kind === "chunk") {
      this.#incoming?.enqueue(message.bytes);
      if ((this.#incoming?.desiredSize ?? 1) <= 0) this.endpoint.pause();
      return true;
    }
    if (message.kind !== "end") return false;
    this.#incoming?.close();
    this.#incoming = null;
    return true;
  }

  /** The stream that {@linkcode receiveBody} fills; while nobody reads it, the sender waits. */
  incoming(onCancel: () => void): ReadableStream<Bytes> {
    return new ReadableStream<Bytes>({
      start: (controller) => void (this.#incoming = controller),
      pull: () => this.endpoint.resume(),
      cancel: () => {
        this.#incoming = null;
        onCancel();
      },
    }, { highWaterMark: windowBytes, size: (chunk) => chunk.length });
  }

  /** Sends `body` to its end. Resolves when it is under way; rejects when the body itself failed. */
  async pump(body: ReadableStream<Uint8Array>): Promise<void> {
    const reader = body.getReader();
    if (this.endpoint.closed) return void await reader.cancel(new NetworkError("The other end has gone"));
    this.#outgoing = reader;
    for (;;) {
      const next = await reader.read();
      if (next.done || this.endpoint.closed) break;
      const bytes = new Uint8Array(next.value);
      for (let at = 0; at < bytes.length; at += windowBytes) {
        this.send({ kind: "chunk", bytes: bytes.slice(at, at + windowBytes) });
      }
      while (!this.endpoint.closed && this.endpoint.undeliveredBytes >= windowBytes) {
        await new Promise<void>((resolve) => void (this.#wake = resolve));
      }
    }
    this.#outgoing = null;
    this.send({ kind: "end" });
  }

  /** The connection has ended: the reader of the incoming body sees an error, the source of the outgoing one cancel(). */
  broken(error: unknown): void {
    this.#incoming?.error(error);
    this.#incoming = null;
    this.#outgoing?.cancel(error).catch(() => {}); // a source that fails to cancel has nobody left to tell
    this.#outgoing = null;
    this.#wake?.();
  }
}
