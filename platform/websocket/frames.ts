import { concatBytes } from "../../base/bytes.ts";
import { maxMessageBytes } from "./limits.ts";

/** The peer breaks RFC 6455; `code` is what it is to be told. */
export class WebSocketError extends Error {
  override readonly name = "WebSocketError";
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** RFC 6455 5.2. */
export const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export interface Message {
  readonly opcode: number;
  readonly data: Uint8Array;
}

interface Frame {
  readonly fin: boolean;
  readonly opcode: number;
  readonly payload: Uint8Array;
}

/** Cuts a client's bytes into messages. Holds at most one message. */
export class MessageReader {
  #pending: Uint8Array = new Uint8Array(0);
  #parts: Uint8Array[] = [];
  #size = 0;
  /** Of the message in parts; null: none is under way. */
  #opcode: number | null = null;

  /** @throws WebSocketError */
  push(bytes: Uint8Array): Message[] {
    let rest = this.#pending.length === 0 ? bytes : concatBytes([this.#pending, bytes]);
    const messages: Message[] = [];
    for (;;) {
      const cut = cutFrame(rest);
      if (cut === null) break;
      rest = rest.subarray(cut.length);
      const message = this.#join(cut.frame);
      if (message !== null) messages.push(message);
    }
    this.#pending = rest.slice();
    return messages;
  }

  /** A whole message, from its last frame. */
  #join({ fin, opcode, payload }: Frame): Message | null {
    if (opcode >= opcodes.close) {
      if (!fin || payload.length > 125) throw new WebSocketError(1002, "control frame in parts");
      return { opcode, data: payload };
    }
    const first = opcode !== opcodes.continuation;
    if (first !== (this.#opcode === null)) throw new WebSocketError(1002, "continuation out of order");
    this.#opcode ??= opcode;
    this.#size += payload.length;
    if (this.#size > maxMessageBytes) throw new WebSocketError(1009, "message too long");
    this.#parts.push(payload);
    if (!fin) return null;
    const message = { opcode: this.#opcode, data: concatBytes(this.#parts) };
    this.#parts = [];
    this.#size = 0;
    this.#opcode = null;
    return message;
  }
}

/** The first frame, if all of it is there. */
function cutFrame(bytes: Uint8Array): { frame: Frame; length: number } | null {
  if (bytes.length < 2) return null;
  const [first = 0, second = 0] = bytes;
  const opcode = first & 15;
  if ((first & 0x70) !== 0) throw new WebSocketError(1002, "reserved bits are set");
  if (opcode > opcodes.pong || (opcode > opcodes.binary && opcode < opcodes.close)) {
    throw new WebSocketError(1002, `opcode ${opcode}`);
  }
  if ((second & 0x80) === 0) throw new WebSocketError(1002, "a client's frame is masked");
  const short = second & 127;
  const maskAt = short === 126 ? 4 : short === 127 ? 10 : 2;
  if (bytes.length < maskAt + 4) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = short === 126 ? view.getUint16(2) : short === 127 ? Number(view.getBigUint64(2)) : short;
  if (size > maxMessageBytes) throw new WebSocketError(1009, "message too long");
  const end = maskAt + 4 + size;
  if (bytes.length < end) return null;
  const payload = bytes.slice(maskAt + 4, end);
  for (let i = 0; i < payload.length; i++) payload[i] = (payload[i] ?? 0) ^ (bytes[maskAt + (i & 3)] ?? 0);
  return { frame: { fin: (first & 0x80) !== 0, opcode, payload }, length: end };
}

/** A server's frame: whole, unmasked. */
export function encodeMessage(opcode: number, data: Uint8Array): Uint8Array {
  const { length } = data;
  const head = new Uint8Array(length < 126 ? 2 : length < 0x1_0000 ? 4 : 10);
  head[0] = 0x80 | opcode;
  const view = new DataView(head.buffer);
  if (length < 126) head[1] = length;
  else if (length < 0x1_0000) {
    head[1] = 126;
    view.setUint16(2, length);
  } else {
    head[1] = 127;
    view.setBigUint64(2, BigInt(length));
  }
  return concatBytes([head, data]);
}
