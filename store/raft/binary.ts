import { fromUtf8, utf8 } from "../../base/bytes.ts";
import type { Entry } from "./messages.ts";

/**
 * A growing buffer of big-endian fields. Counters (terms, indexes, lengths of data) travel as float64, which holds every
 * safe integer exactly and is read without bigint.
 */
export class ByteWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #length = 0;

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  get length(): number {
    return this.#length;
  }

  /** Begins again, with room for `capacity` bytes: what `finish` gave out before is overwritten. */
  reset(capacity: number): void {
    this.#length = 0;
    if (capacity <= this.#bytes.length) return;
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  get capacity(): number {
    return this.#bytes.length;
  }

  /** A view, not a copy: done with the writer after this, or until it is reset. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }

  #grow(by: number): number {
    const at = this.#length;
    this.#length += by;
    if (this.#length > this.#bytes.length) {
      const bytes = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length));
      bytes.set(this.#bytes.subarray(0, at));
      this.#bytes = bytes;
      this.#view = new DataView(bytes.buffer);
    }
    return at;
  }

  u8(value: number): void {
    const at = this.#grow(1);
    this.#bytes[at] = value;
  }
  u32(value: number): void {
    const at = this.#grow(4);
    this.#view.setUint32(at, value);
  }
  counter(value: number): void {
    const at = this.#grow(8);
    this.#view.setFloat64(at, value);
  }
  /** A length and the bytes. */
  bytes(value: Uint8Array): void {
    this.u32(value.length);
    this.raw(value);
  }
  raw(value: Uint8Array): void {
    const at = this.#grow(value.length);
    this.#bytes.set(value, at);
  }
  text(value: string): void {
    const at = this.#grow(4 + value.length);
    for (let i = 0; i < value.length; i++) {
      const code = value.charCodeAt(i);
      if (code > 0x7f) {
        this.#length = at;
        return this.bytes(utf8(value));
      }
      this.#bytes[at + 4 + i] = code; // a call of the encoder costs more than most texts here
    }
    this.#view.setUint32(at, value.length);
  }
  zeros(count: number): void {
    const at = this.#grow(count);
    this.#bytes.fill(0, at, this.#length);
  }
  /** Overwrites an earlier `u32` once its value is known. */
  patchU32(at: number, value: number): void {
    this.#view.setUint32(at, value);
  }
}

/** What a {@linkcode ByteWriter} wrote. Reading past the end or a number that is no counter throws RangeError. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  u8(): number {
    return this.#view.getUint8(this.#at++);
  }
  u32(): number {
    this.#at += 4;
    return this.#view.getUint32(this.#at - 4);
  }
  counter(): number {
    this.#at += 8;
    const value = this.#view.getFloat64(this.#at - 8);
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`not a counter: ${value}`);
    return value;
  }
  /** A view into the input. */
  bytes(): Uint8Array {
    const length = this.u32();
    if (length > this.#bytes.length - this.#at) throw new RangeError(`${length} bytes announced, fewer there`);
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
  text(): string {
    return fromUtf8(this.bytes());
  }
}

/** The place in this list is the code on disk and on the wire. Append only. */
const entryKinds = ["noop", "command", "config"] as const;

/** An upper bound of what {@linkcode writeEntries} writes: growing a writer copies what is in it. */
export function entriesBytes(entries: readonly Entry[]): number {
  let bytes = 12;
  for (const entry of entries) bytes += 13 + entry.data.length;
  return bytes;
}

/** Contiguous entries: the first index once, then term, kind and data of each. */
export function writeEntries(writer: ByteWriter, entries: readonly Entry[]): void {
  writer.counter(entries[0]?.index ?? 0);
  writer.u32(entries.length);
  for (const entry of entries) {
    writer.counter(entry.term);
    writer.u8(entryKinds.indexOf(entry.kind));
    writer.bytes(entry.data);
  }
}

export function readEntries(reader: ByteReader): Entry[] {
  const first = reader.counter();
  const count = reader.u32();
  const entries: Entry[] = [];
  for (let i = 0; i < count; i++) {
    const term = reader.counter();
    const code = reader.u8();
    const kind = entryKinds[code];
    if (kind === undefined) throw new RangeError(`unknown entry kind ${code}`);
    entries.push({ index: first + i, term, kind, data: reader.bytes() });
  }
  return entries;
}
