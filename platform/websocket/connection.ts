import { createHash } from "node:crypto";
import { concatBytes, fromUtf8, utf8 } from "../../base/bytes.ts";
import type { ByteConnection } from "../mod.ts";
import { encodeMessage, type Message, MessageReader, opcodes, WebSocketError } from "./frames.ts";
import { readBytes } from "./limits.ts";

const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** RFC 6455 4.2.2: proves that the key was read. @param key the client's Sec-WebSocket-Key */
export function acceptKey(key: string): string {
  return createHash("sha1").update(key + guid).digest("base64");
}

/**
 * The server's end of a WebSocket whose handshake is done. Messages are asked for one at a time, so that a client is
 * held back by who reads it: the web's own WebSocket would read on into memory.
 */
export class ServerWebSocket {
  readonly #connection: ByteConnection;
  readonly #reader = new MessageReader();
  readonly #messages: Message[] = [];
  readonly #buffer = new Uint8Array(readBytes);
  #closed = false;
  #ending: { code: number; reason: string } = { code: 1006, reason: "" };

  constructor(connection: ByteConnection) {
    this.#connection = connection;
  }

  /** How it ended, once {@linkcode read} has given null; 1006: without a word. */
  get ending(): { readonly code: number; readonly reason: string } {
    return this.#ending;
  }

  /** The next text or binary message; null when the client has closed, gone, or broken the protocol. */
  async read(): Promise<Message | null> {
    try {
      for (;;) {
        const message = this.#messages.shift() ?? null;
        if (message === null) {
          const count = await this.#connection.read(this.#buffer);
          if (count === null) return null;
          this.#messages.push(...this.#reader.push(this.#buffer.subarray(0, count)));
          continue;
        }
        if (message.opcode === opcodes.close) return await this.#answerClose(message.data);
        if (message.opcode === opcodes.ping) await this.#write(encodeMessage(opcodes.pong, message.data));
        if (message.opcode === opcodes.text || message.opcode === opcodes.binary) return message;
      }
    } catch (error) {
      await this.close(error instanceof WebSocketError ? error.code : 1011);
      return null;
    }
  }

  /** Resolves when the kernel has taken it. Silently drops what comes after the end. */
  async send(data: Uint8Array | string): Promise<void> {
    if (typeof data === "string") await this.#write(encodeMessage(opcodes.text, utf8(data)));
    else await this.#write(encodeMessage(opcodes.binary, data));
  }

  async close(code = 1000, reason = ""): Promise<void> {
    if (this.#closed) return;
    this.#ending = { code, reason };
    await this.#write(encodeMessage(opcodes.close, concatBytes([Uint8Array.of(code >> 8, code & 255), utf8(reason)])));
    this.#closed = true;
    this.#connection.close();
  }

  async #answerClose(data: Uint8Array): Promise<null> {
    const [high, low] = data;
    const code = high === undefined || low === undefined ? 1005 : (high << 8) | low;
    if (!this.#closed) this.#ending = { code, reason: fromUtf8(data.subarray(2)) };
    await this.#write(encodeMessage(opcodes.close, data.subarray(0, 2)));
    this.#closed = true;
    this.#connection.close();
    return null;
  }

  async #write(frame: Uint8Array): Promise<void> {
    if (this.#closed) return;
    try {
      await this.#connection.write(frame);
    } catch {
      this.#closed = true;
      this.#connection.close();
    }
  }
}
