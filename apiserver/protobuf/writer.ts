import { utf8 } from "../../base/bytes.ts";

const firstSize = 1024;

/**
 * Writes a protobuf message from its end to its beginning: the length of what is inside is then known when its prefix is
 * written, and nothing is measured twice or moved. So the last field comes first, and a list's last item.
 */
export class BackwardWriter {
  #bytes = new Uint8Array(firstSize);
  /** Everything from here to the end is written. */
  #at = firstSize;

  /** How much is written: a mark for {@linkcode message}. */
  get length(): number {
    return this.#bytes.length - this.#at;
  }

  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(this.#at);
  }

  #reserve(size: number): void {
    if (size <= this.#at) return;
    const used = this.length;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, used + size));
    grown.set(this.#bytes.subarray(this.#at), grown.length - used);
    this.#at = grown.length - used;
    this.#bytes = grown;
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#at -= bytes.length;
    this.#bytes.set(bytes, this.#at);
  }

  /** @param value an integer; a negative one takes ten bytes, as int64 does */
  varint(value: number | bigint): void {
    if (typeof value === "bigint" || value < 0 || value > Number.MAX_SAFE_INTEGER) return this.#bigVarint(value);
    let size = 1;
    for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) size++;
    this.#reserve(size);
    this.#at -= size;
    let rest = value;
    for (let i = 0; i < size - 1; i++) {
      this.#bytes[this.#at + i] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    this.#bytes[this.#at + size - 1] = rest;
  }

  #bigVarint(value: number | bigint): void {
    const bytes: number[] = [];
    let rest = BigInt.asUintN(64, typeof value === "bigint" ? value : BigInt(Math.trunc(value)));
    for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
    bytes.push(Number(rest));
    this.raw(Uint8Array.from(bytes));
  }

  /** The tag of a varint field, after its value. */
  varintField(number: number, value: number | bigint): void {
    this.varint(value);
    this.varint(number << 3);
  }

  doubleField(number: number, value: number): void {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setFloat64(0, value, true);
    this.raw(bytes);
    this.varint((number << 3) | 1);
  }

  bytesField(number: number, bytes: Uint8Array): void {
    this.raw(bytes);
    this.#lengthAndTag(number, bytes.length);
  }

  textField(number: number, text: string): void {
    const { length } = text;
    this.#reserve(length);
    const start = this.#at - length;
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i);
      if (code >= 0x80) return this.bytesField(number, utf8(text));
      this.#bytes[start + i] = code;
    }
    this.#at = start;
    this.#lengthAndTag(number, length);
  }

  /** Closes a message that began when {@linkcode length} was `mark`. */
  message(number: number, mark: number): void {
    this.#lengthAndTag(number, this.length - mark);
  }

  #lengthAndTag(number: number, length: number): void {
    this.varint(length);
    this.varint((number << 3) | 2);
  }
}
