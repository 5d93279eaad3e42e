import { fromLatin1, toLatin1 } from "../../base/bytes.ts";
import { DynamicTable, type Field, fieldSize, staticTable } from "./hpack_table.ts";
import { decodeHuffman, encodeHuffman, huffmanLength } from "./huffman.ts";

/** The bytes are no header block: the two ends no longer agree on their tables, and the connection is lost. */
export class HpackError extends Error {
  override readonly name = "HpackError";
}

const firstDynamic = staticTable.length + 1;
/** No integer of a block we take needs more. */
const integerMax = 2 ** 24;

/** Header compression of one direction (RFC 7541), the receiving end. */
export class HpackDecoder {
  readonly #table: DynamicTable;
  readonly #tableBytesMax: number;
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;

  constructor(tableBytesMax: number) {
    this.#tableBytesMax = tableBytesMax;
    this.#table = new DynamicTable(tableBytesMax);
  }

  /**
   * The fields of one whole block; null when they are over `listBytesMax` together (the tables stay in step).
   * @throws HpackError
   */
  decode(block: Uint8Array, listBytesMax: number): Field[] | null {
    this.#bytes = block;
    this.#at = 0;
    const fields: Field[] = [];
    let size = 0;
    while (this.#at < block.length) {
      const field = this.#field(fields.length === 0 && size === 0);
      if (field === null) continue;
      size += fieldSize(field);
      if (size <= listBytesMax) fields.push(field);
    }
    return size > listBytesMax ? null : fields;
  }

  /** Null: a change of the table's size, which may only come first. */
  #field(first: boolean): Field | null {
    const byte = this.#bytes[this.#at] as number;
    if ((byte & 0x80) !== 0) return this.#indexed(this.#integer(7));
    if ((byte & 0x40) !== 0) {
      const field = this.#literal(6);
      this.#table.add(field);
      return field;
    }
    if ((byte & 0x20) === 0) return this.#literal(4); // not indexed, or never
    const size = this.#integer(5);
    if (!first) throw new HpackError("A table's size changes in the middle of a block");
    if (size > this.#tableBytesMax) throw new HpackError(`A table of ${size} bytes is over the announced bound`);
    this.#table.resize(size);
    return null;
  }

  #indexed(index: number): Field {
    const field = index < firstDynamic ? staticTable[index - 1] : this.#table.get(index - firstDynamic);
    if (field === undefined) throw new HpackError(`No field has the index ${index}`);
    return field;
  }

  #literal(prefixBits: number): Field {
    const index = this.#integer(prefixBits);
    const name = index === 0 ? this.#text() : this.#indexed(index)[0];
    return [name, this.#text()];
  }

  #text(): string {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw new HpackError("A block ends inside a field");
    const length = this.#integer(7);
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new HpackError("A block ends inside a text");
    const raw = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    if ((byte & 0x80) === 0) return toLatin1(raw);
    const text = decodeHuffman(raw);
    if (text === null) throw new HpackError("A text is not of the Huffman code");
    return toLatin1(text);
  }

  #integer(prefixBits: number): number {
    const mask = 2 ** prefixBits - 1;
    let value = (this.#bytes[this.#at++] as number) & mask; // the caller has seen this byte
    if (value < mask) return value;
    for (let shift = 0;; shift += 7) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw new HpackError("A block ends inside an integer");
      value += (byte & 0x7f) * 2 ** shift;
      if (value > integerMax || shift > 28) throw new HpackError("An integer is too large");
      if ((byte & 0x80) === 0) return value;
    }
  }
}

const staticFields = new Map(staticTable.map(([name, value], i) => [`${name}\0${value}`, i + 1]));
const staticNames = new Map([...staticTable].reverse().map(([name], i) => [name, staticTable.length - i]));
/** What both ends must not remember (RFC 7541 7.1.3), and what hardly ever comes twice. */
const secret: ReadonlySet<string> = new Set(["authorization", "cookie", "token"]);
const oneOff: ReadonlySet<string> = new Set(["grpc-message", "grpc-timeout", "content-length", "date"]);
const rememberedBytesMax = 256;

/** The sending end. */
export class HpackEncoder {
  readonly #known = new Map<string, number>();
  readonly #table: DynamicTable;
  readonly #ownBytesMax: number;
  #smallest: number | null = null;
  #out: number[] = [];

  /** @param tableBytesMax what we want to remember at most, whatever the other end would */
  constructor(tableBytesMax: number) {
    this.#ownBytesMax = tableBytesMax;
    this.#table = new DynamicTable(tableBytesMax, ([name, value], serial) => {
      const key = `${name}\0${value}`;
      if (this.#known.get(key) === serial) this.#known.delete(key);
    });
  }

  /** The other end's SETTINGS_HEADER_TABLE_SIZE. */
  allow(tableBytes: number): void {
    const size = Math.min(tableBytes, this.#ownBytesMax);
    if (size === this.#table.sizeMax && this.#smallest === null) return;
    this.#smallest = Math.min(this.#smallest ?? size, size);
    this.#table.resize(size);
  }

  encode(fields: readonly Field[]): Uint8Array {
    this.#out = [];
    if (this.#smallest !== null) {
      if (this.#smallest < this.#table.sizeMax) this.#integer(this.#smallest, 5, 0x20);
      this.#integer(this.#table.sizeMax, 5, 0x20);
      this.#smallest = null;
    }
    for (const field of fields) this.#field(field);
    return Uint8Array.from(this.#out);
  }

  #field(field: Field): void {
    const [name, value] = field;
    const key = `${name}\0${value}`;
    const fixed = staticFields.get(key);
    if (fixed !== undefined) return this.#integer(fixed, 7, 0x80);
    const serial = this.#known.get(key);
    if (serial !== undefined) return this.#integer(firstDynamic + this.#table.serial - 1 - serial, 7, 0x80);
    const remember = !secret.has(name) && !oneOff.has(name) && fieldSize(field) <= rememberedBytesMax;
    const index = staticNames.get(name) ?? 0;
    if (remember) this.#integer(index, 6, 0x40);
    else this.#integer(index, 4, secret.has(name) ? 0x10 : 0x00);
    if (index === 0) this.#text(name);
    this.#text(value);
    if (!remember) return;
    this.#known.set(key, this.#table.serial);
    this.#table.add(field);
    if (this.#table.get(0) !== field) this.#known.delete(key); // it was over the table's bound
  }

  #text(text: string): void {
    const raw = fromLatin1(text);
    const short = huffmanLength(raw);
    if (short >= raw.length) {
      this.#integer(raw.length, 7, 0x00);
      for (const byte of raw) this.#out.push(byte);
      return;
    }
    this.#integer(short, 7, 0x80);
    for (const byte of encodeHuffman(raw)) this.#out.push(byte);
  }

  #integer(value: number, prefixBits: number, flags: number): void {
    const mask = 2 ** prefixBits - 1;
    if (value < mask) return void this.#out.push(flags | value);
    this.#out.push(flags | mask);
    for (let rest = value - mask;; rest = Math.floor(rest / 128)) {
      if (rest < 128) return void this.#out.push(rest);
      this.#out.push((rest % 128) | 0x80);
    }
  }
}
