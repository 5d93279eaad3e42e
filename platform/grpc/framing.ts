import { grpcCode, GrpcError } from "./status.ts";

const prefixBytes = 5;

/** A message as it travels: a byte that says "not compressed", its length, itself. */
export function frameMessage(message: Uint8Array): Uint8Array {
  const frame = new Uint8Array(prefixBytes + message.length);
  new DataView(frame.buffer).setUint32(1, message.length);
  frame.set(message, prefixBytes);
  return frame;
}

/** Puts the messages of one call together again. Its memory is one message. */
export class MessageReader {
  readonly #messageBytesMax: number;
  readonly #prefix = new Uint8Array(prefixBytes);
  #prefixed = 0;
  #message: Uint8Array | null = null;
  #filled = 0;

  constructor(messageBytesMax: number) {
    this.#messageBytesMax = messageBytesMax;
  }

  /** False inside a message. */
  get idle(): boolean {
    return this.#prefixed === 0;
  }

  /** Calls `onMessage` with a copy of each whole message. @throws GrpcError */
  push(bytes: Uint8Array, onMessage: (message: Uint8Array) => void): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#message === null) {
        const taken = Math.min(prefixBytes - this.#prefixed, bytes.length - at);
        this.#prefix.set(bytes.subarray(at, at + taken), this.#prefixed);
        this.#prefixed += taken;
        at += taken;
        if (this.#prefixed < prefixBytes) return;
        this.#message = new Uint8Array(this.#length());
        this.#filled = 0;
      }
      const taken = Math.min(this.#message.length - this.#filled, bytes.length - at);
      this.#message.set(bytes.subarray(at, at + taken), this.#filled);
      this.#filled += taken;
      at += taken;
      if (this.#filled < this.#message.length) return;
      const whole = this.#message;
      this.#message = null;
      this.#prefixed = 0;
      onMessage(whole);
    }
  }

  #length(): number {
    if (this.#prefix[0] !== 0) {
      throw new GrpcError(grpcCode.unimplemented, "grpc: compressed messages are not supported");
    }
    const length = new DataView(this.#prefix.buffer).getUint32(1);
    if (length <= this.#messageBytesMax) return length;
    const text = `grpc: received message larger than max (${length} vs. ${this.#messageBytesMax})`;
    throw new GrpcError(grpcCode.resourceExhausted, text);
  }
}
