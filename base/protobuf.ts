import { emptyBytes, fromUtf8, utf8 } from "./bytes.ts";

/**
 * Protocol Buffers (proto3) by table: a schema says which messages there are, their fields' numbers and kinds, and
 * TypeScript derives their types from it, so nothing is generated. Source: protobuf.dev, "Encoding".
 */
export type Schema = {
  readonly [message: string]: { readonly [field: string]: readonly [number: number, kind: string] };
};

/** How a scalar is seen: `int64` as a safe integer (beyond it is cut to the largest), `id64` and `uid64` as all 64 bits. */
interface Scalars {
  readonly bytes: Uint8Array;
  readonly string: string;
  readonly bool: boolean;
  readonly int64: number;
  readonly uint32: number;
  readonly enum: number;
  readonly id64: bigint;
  readonly uid64: bigint;
}

type Value<S extends Schema, K extends string> = K extends keyof Scalars ? Scalars[K]
  : K extends `repeated ${infer E}` ? readonly Element<S, E>[]
  : K extends keyof S ? MessageOf<S, K> | undefined
  : never;
type Element<S extends Schema, K extends string> = K extends keyof Scalars ? Scalars[K]
  : K extends keyof S ? MessageOf<S, K>
  : never;

/** A decoded message: absent scalars have their zero value, absent messages are undefined. */
export type MessageOf<S extends Schema, N extends keyof S> = {
  readonly [F in keyof S[N]]: Value<S, S[N][F][1]>;
};

type InputValue<S extends Schema, K extends string> = K extends keyof Scalars ? Scalars[K]
  : K extends `repeated ${infer E}` ? readonly InputElement<S, E>[]
  : InputElement<S, K>;
type InputElement<S extends Schema, K extends string> = K extends keyof Scalars ? Scalars[K]
  : K extends keyof S ? InputOf<S, K>
  : never;

/** A message to encode: what is absent is not sent. */
export type InputOf<S extends Schema, N extends keyof S> = {
  readonly [F in keyof S[N]]?: InputValue<S, S[N][F][1]> | undefined;
};

export class ProtobufError extends Error {
  override readonly name = "ProtobufError";
}

interface FieldPlan {
  readonly name: string;
  readonly number: number;
  readonly kind: string;
  readonly repeated: boolean;
  /** Of a message. */
  readonly message: MessagePlan | null;
}

interface MessagePlan {
  readonly fields: readonly FieldPlan[];
  readonly byNumber: ReadonlyMap<number, FieldPlan>;
  readonly zero: Readonly<Record<string, unknown>>;
}

export interface Codec<S extends Schema> {
  encode<N extends keyof S & string>(name: N, value: InputOf<S, N>): Uint8Array;
  /** Bytes fields are views into `bytes`. @throws ProtobufError */
  decode<N extends keyof S & string>(name: N, bytes: Uint8Array): MessageOf<S, N>;
}

/** Messages in messages: more than any schema of ours nests, fewer than would exhaust the stack. */
const depthMax = 200;
const zeros: Readonly<Record<string, unknown>> = {
  bytes: emptyBytes,
  string: "",
  bool: false,
  int64: 0,
  uint32: 0,
  enum: 0,
  id64: 0n,
  uid64: 0n,
};

export function protobufCodec<const S extends Schema>(schema: S): Codec<S> {
  const plans = new Map<string, MessagePlan>();
  function planOf(name: string): MessagePlan {
    const known = plans.get(name);
    if (known !== undefined) return known;
    const message = schema[name];
    if (message === undefined) throw new ProtobufError(`No message is called ${name}`);
    const fields: FieldPlan[] = [];
    const byNumber = new Map<number, FieldPlan>();
    const zero: Record<string, unknown> = {};
    const plan = { fields, byNumber, zero };
    plans.set(name, plan); // before its fields: messages may hold themselves
    for (const [field, [number, type]] of Object.entries(message)) {
      const repeated = type.startsWith("repeated ");
      const kind = repeated ? type.slice("repeated ".length) : type;
      const each = { name: field, number, kind, repeated, message: kind in zeros ? null : planOf(kind) };
      fields.push(each);
      byNumber.set(number, each);
      zero[field] = repeated ? [] : zeros[kind];
    }
    return plan;
  }
  return {
    encode(name, value) {
      const writer = new ReverseWriter();
      writeMessage(writer, planOf(name), value);
      return writer.finish();
    },
    decode<N extends keyof S & string>(name: N, bytes: Uint8Array) {
      const reader = new Reader(bytes);
      // The plan was made from the very table that the type is derived from.
      return readMessage(reader, planOf(name), bytes.length, 0) as MessageOf<S, N>;
    },
  };
}

function writeMessage(writer: ReverseWriter, plan: MessagePlan, value: Readonly<Record<string, unknown>>): void {
  for (let i = plan.fields.length - 1; i >= 0; i--) {
    const field = plan.fields[i] as FieldPlan;
    const content = value[field.name];
    if (content === undefined) continue;
    if (!field.repeated) writeField(writer, field, content, false);
    else if (Array.isArray(content)) {
      for (let j = content.length - 1; j >= 0; j--) writeField(writer, field, content[j], true);
    }
  }
}

/** Written from its end: a length is known when what it counts is there already. */
function writeField(writer: ReverseWriter, field: FieldPlan, content: unknown, always: boolean): void {
  let wireType = 0;
  if (field.message !== null) {
    const before = writer.size;
    writeMessage(writer, field.message, content as Readonly<Record<string, unknown>>);
    writer.varint(writer.size - before);
    wireType = 2;
  } else if (content instanceof Uint8Array || typeof content === "string") {
    const bytes = typeof content === "string" ? utf8(content) : content;
    if (bytes.length === 0 && !always) return;
    writer.raw(bytes);
    writer.varint(bytes.length);
    wireType = 2;
  } else if (typeof content === "bigint") {
    if (content === 0n && !always) return;
    writer.long(content);
  } else {
    const number = Number(content);
    if (number === 0 && !always) return;
    if (number < 0) writer.long(BigInt(number));
    else writer.varint(number);
  }
  writer.varint(field.number * 8 + wireType);
}

function readMessage(reader: Reader, plan: MessagePlan, end: number, depth: number): Record<string, unknown> {
  if (depth > depthMax) throw new ProtobufError(`Messages are nested more than ${depthMax} deep`);
  const message: Record<string, unknown> = { ...plan.zero };
  while (reader.at < end) {
    const tag = reader.varint(end);
    const field = plan.byNumber.get(Math.floor(tag / 8));
    const wireType = tag % 8;
    if (field === undefined) {
      reader.skip(wireType, end);
      continue;
    }
    const packed = field.repeated && wireType === 2 && field.message === null && !isText(field.kind);
    if (packed) {
      const until = reader.length(end);
      while (reader.at < until) append(message, field, readScalar(reader, field, until));
      continue;
    }
    if (wireType !== (field.message !== null || isText(field.kind) ? 2 : 0)) {
      reader.skip(wireType, end);
      continue;
    }
    const value = field.message === null
      ? readScalar(reader, field, end)
      : readMessage(reader, field.message, reader.length(end), depth + 1);
    if (field.repeated) append(message, field, value);
    else message[field.name] = value;
  }
  return message;
}

function append(message: Record<string, unknown>, field: FieldPlan, value: unknown): void {
  const list = message[field.name];
  if (Array.isArray(list) && list !== undefined && list.length > 0) list.push(value);
  else message[field.name] = [value]; // the empty list belongs to all messages
}

function isText(kind: string): boolean {
  return kind === "bytes" || kind === "string";
}

function readScalar(reader: Reader, field: FieldPlan, end: number): unknown {
  switch (field.kind) {
    case "bytes":
      return reader.bytes(end);
    case "string":
      return fromUtf8(reader.bytes(end));
    case "bool":
      return reader.long(end) !== 0n;
    case "id64":
      return BigInt.asIntN(64, reader.long(end));
    case "uid64":
      return reader.long(end);
    case "uint32":
      return Number(BigInt.asUintN(32, reader.long(end)));
    case "enum":
      return Number(BigInt.asIntN(32, reader.long(end)));
    default:
      return reader.integer(end);
  }
}

class Reader {
  readonly #bytes: Uint8Array;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** A tag or a length: at most 2^35. */
  varint(end: number): number {
    let value = 0;
    for (let scale = 1; scale < 2 ** 35; scale *= 128) {
      const byte = this.#byte(end);
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    throw new ProtobufError("A tag or a length is too large");
  }

  integer(end: number): number {
    const start = this.at;
    let value = 0;
    for (let scale = 1; scale < 2 ** 49; scale *= 128) {
      const byte = this.#byte(end);
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    this.at = start;
    const long = BigInt.asIntN(64, this.long(end));
    if (long > BigInt(Number.MAX_SAFE_INTEGER)) return Number.MAX_SAFE_INTEGER;
    return long < BigInt(Number.MIN_SAFE_INTEGER) ? Number.MIN_SAFE_INTEGER : Number(long);
  }

  /** Unsigned. */
  long(end: number): bigint {
    let low = 0; // 49 bits
    let scale = 1;
    for (let i = 0; i < 7; i++) {
      const byte = this.#byte(end);
      low += (byte & 0x7f) * scale;
      scale *= 128;
      if (byte < 0x80) return BigInt(low);
    }
    let high = 0;
    for (let i = 0; i < 3; i++) {
      const byte = this.#byte(end);
      high += (byte & 0x7f) * 128 ** i;
      if (byte < 0x80) return BigInt.asUintN(64, BigInt(low) + (BigInt(high) << 49n));
    }
    throw new ProtobufError("A varint has more than 10 bytes");
  }

  /** Reads a length; answers where it ends. */
  length(end: number): number {
    const length = this.varint(end);
    const until = this.at + length;
    if (until > end) throw new ProtobufError("A field is longer than its message");
    return until;
  }

  bytes(end: number): Uint8Array {
    const until = this.length(end);
    const bytes = this.#bytes.subarray(this.at, until);
    this.at = until;
    return bytes;
  }

  skip(wireType: number, end: number): void {
    switch (wireType) {
      case 0:
        this.long(end);
        return;
      case 1:
        return this.#advance(8, end);
      case 2:
        this.at = this.length(end);
        return;
      case 5:
        return this.#advance(4, end);
    }
    throw new ProtobufError(`Wire type ${wireType} is not of proto3`);
  }

  #advance(count: number, end: number): void {
    this.at += count;
    if (this.at > end) throw new ProtobufError("A message is cut off");
  }

  #byte(end: number): number {
    if (this.at >= end) throw new ProtobufError("A message is cut off");
    return this.#bytes[this.at++] as number;
  }
}

/** Fills its buffer from the end. */
class ReverseWriter {
  #bytes = new Uint8Array(256);
  #at = 256;

  get size(): number {
    return this.#bytes.length - this.#at;
  }

  finish(): Uint8Array {
    return this.#bytes.subarray(this.#at);
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#at -= bytes.length;
    this.#bytes.set(bytes, this.#at);
  }

  /** A non-negative safe integer. */
  varint(value: number): void {
    this.#reserve(10);
    let length = 1;
    for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) length++;
    this.#at -= length;
    let rest = value;
    for (let i = 0; i < length; i++) {
      this.#bytes[this.#at + i] = (rest % 128) | (i < length - 1 ? 0x80 : 0);
      rest = Math.floor(rest / 128);
    }
  }

  /** Two's complement, 64 bits. */
  long(value: bigint): void {
    const bits = BigInt.asUintN(64, value);
    if (bits <= BigInt(Number.MAX_SAFE_INTEGER)) return this.varint(Number(bits));
    // Five groups of seven bits, then the rest: in numbers, since bigints are slow.
    const low = Number(bits & 0x7_ffff_ffffn);
    const high = Number(bits >> 35n);
    this.#reserve(10);
    this.varint(high);
    this.#at -= 5;
    let rest = low;
    for (let i = 0; i < 5; i++) {
      this.#bytes[this.#at + i] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
  }

  #reserve(count: number): void {
    if (this.#at >= count) return;
    const size = this.size;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, size + count + 256));
    grown.set(this.#bytes.subarray(this.#at), grown.length - size);
    this.#at = grown.length - size;
    this.#bytes = grown;
  }
}
