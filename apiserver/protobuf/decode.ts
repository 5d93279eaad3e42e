import { fromUtf8 } from "../../base/bytes.ts";
import { type FieldType, schemaOf, type TypeSchema } from "../../api/schema.ts";
import { formatMicroTime, formatTime } from "../../api/time.ts";
import type { Json } from "../dig.ts";
import { limits } from "../limits.ts";
import { isUnion, jsonSchemaProps, zeroCounts } from "../../api/go_shape.ts";
import { type Embedded, embeddedIn } from "./embedded.ts";
import { ProtobufError, readFields } from "./wire.ts";

/** `k8s\0`: what every protobuf body of Kubernetes begins with. */
const magic = [0x6b, 0x38, 0x73, 0x00] as const;

/**
 * A protobuf body as the JSON that would say the same: magic, then runtime.Unknown around the object. Driven by the
 * field numbers of the schema tables. @param type full type name @throws ProtobufError
 */
export function decodeProtobuf(body: Uint8Array, type: string): Json {
  if (magic.some((byte, index) => body[index] !== byte)) {
    throw new ProtobufError("provided data does not appear to be a protobuf message, expected prefix 6b 38 73 00");
  }
  let apiVersion = "";
  let kind = "";
  let raw = body.subarray(0, 0);
  for (const { number, value } of readFields(body.subarray(magic.length))) {
    if (number === 1 && value instanceof Uint8Array) {
      for (const field of readFields(value)) {
        if (field.number === 1) apiVersion = textOf(field.value);
        if (field.number === 2) kind = textOf(field.value);
      }
    } else if (number === 2 && value instanceof Uint8Array) {
      raw = value;
    }
  }
  const object = decodeMessage(raw, schemaOf(type), 0);
  return { ...(kind === "" ? {} : { kind }), ...(apiVersion === "" ? {} : { apiVersion }), ...object };
}

interface NumberedField {
  readonly name: string;
  readonly type: FieldType;
  readonly required: boolean;
  /** Full name of the structure. */
  readonly owner: string;
}

/** The fields of a type by number; the numbers of an embedded message apart. */
function numbered(schema: TypeSchema, numbers: Readonly<Record<string, number>> | null): Map<number, NumberedField> {
  const fields = new Map<number, NumberedField>();
  for (const { name, type, required, pb } of schema.fields.values()) {
    const number = numbers === null ? pb : numbers[name];
    if (number !== undefined) fields.set(number, { name, type, required, owner: schema.name });
  }
  return fields;
}

function decodeMessage(bytes: Uint8Array, schema: TypeSchema, depth: number): Json {
  if (depth > limits.depth) throw new ProtobufError("exceeded max depth");
  const object: Json = {};
  decodeParts(object, bytes, schema, null, embeddedIn[schema.name], depth);
  return object;
}

/** Fields of a message, and those of a message that Go embeds in it, into one object. */
function decodeParts(
  object: Json,
  bytes: Uint8Array,
  schema: TypeSchema,
  numbers: Readonly<Record<string, number>> | null,
  embedded: Embedded | undefined,
  depth: number,
): void {
  decodeInto(object, bytes, numbered(schema, numbers), depth, (number, value) => {
    if (embedded === undefined || number !== embedded.number) return;
    decodeParts(object, value, schema, embedded.fields, embedded.within, depth);
  });
}

function decodeInto(
  object: Json,
  bytes: Uint8Array,
  fields: ReadonlyMap<number, NumberedField>,
  depth: number,
  other: (number: number, value: Uint8Array) => void,
): void {
  for (const { number, value } of readFields(bytes)) {
    const field = fields.get(number);
    if (field === undefined) {
      if (value instanceof Uint8Array) other(number, value);
      continue;
    }
    const { name, type } = field;
    if (type.kind === "list") {
      const list = object[name] ??= [];
      if (Array.isArray(list)) list.push(decodeValue(value, type.of, depth));
    } else if (type.kind === "map") {
      addEntry(object, name, value, type.of, depth);
    } else {
      const decoded = isUnion(field.owner, name)
        ? decodeUnion(name, bytesOf(value), depth)
        : decodeValue(value, type, depth);
      if (decoded !== undefined && (field.required || !isUnset(field.owner, name, decoded))) object[name] = decoded;
    }
  }
}

/** Go writes the zero of a plain field always. Structures count when they are there. */
function isUnset(owner: string, name: string, value: unknown): boolean {
  return (value === "" || value === 0 || value === false) && !zeroCounts(owner, name, value);
}

function addEntry(object: Json, name: string, value: bigint | Uint8Array, of: FieldType, depth: number): void {
  let key = "";
  let item: unknown;
  for (const field of readFields(bytesOf(value))) {
    if (field.number === 1) key = textOf(field.value);
    if (field.number !== 2) continue;
    if (name === "dependencies") item = decodeUnion(name, bytesOf(field.value), depth);
    else item = of.kind === "list" ? itemsOf(field.value, of.of, depth) : decodeValue(field.value, of, depth);
  }
  const map = object[name] ??= {};
  // defineProperty: a key such as __proto__ is a key like any other.
  const emptied = item ?? (of.kind === "string" || of.kind === "bytes" ? "" : {});
  Object.defineProperty(map, key, { value: emptied, enumerable: true, writable: true, configurable: true });
}

/** A list inside of a map is a message of its own: ExtraValue. */
function itemsOf(value: bigint | Uint8Array, of: FieldType, depth: number): unknown[] {
  const found: unknown[] = [];
  for (const field of readFields(bytesOf(value))) {
    if (field.number === 1) found.push(decodeValue(field.value, of, depth));
  }
  return found;
}

/** See {@linkcode isUnion}. */
function decodeUnion(name: string, bytes: Uint8Array, depth: number): unknown {
  if (name === "status") return {};
  const schemas: Json[] = [];
  const texts: string[] = [];
  let single: unknown;
  let allows = false;
  const message = (value: bigint | Uint8Array) => decodeMessage(bytesOf(value), schemaOf(jsonSchemaProps), depth + 1);
  for (const { number, value } of readFields(bytes)) {
    if (name === "additionalProperties" || name === "additionalItems") {
      if (number === 1) allows = numberOf(value) !== 0n;
      if (number === 2) single = message(value);
    } else if (number === 1) {
      single = message(value);
    } else if (number === 2 && name === "items") {
      schemas.push(message(value));
    } else if (number === 2) {
      texts.push(textOf(value));
    }
  }
  if (single !== undefined) return single;
  if (name === "items") return schemas;
  return name === "dependencies" ? texts : allows;
}

function decodeValue(value: bigint | Uint8Array, type: FieldType, depth: number): unknown {
  switch (type.kind) {
    case "string":
      return textOf(value);
    case "bool":
      return numberOf(value) !== 0n;
    case "int32":
      return Number(BigInt.asIntN(32, numberOf(value)));
    case "int64":
      return Number(BigInt.asIntN(64, numberOf(value)));
    case "double":
      return doubleOf(bytesOf(value));
    case "bytes":
      return btoa(Array.from(bytesOf(value), (byte) => String.fromCharCode(byte)).join(""));
    case "time":
    case "microtime":
      return timeOf(bytesOf(value), type.kind);
    case "quantity":
      return textAt(bytesOf(value), 1);
    case "int-or-string":
      return intOrString(bytesOf(value));
    case "any":
      return anyOf(bytesOf(value));
    case "ref": {
      const schema = schemaOf(type.type);
      return schema.opaque ? anyOf(bytesOf(value)) : decodeMessage(bytesOf(value), schema, depth + 1);
    }
    case "list":
    case "map":
      throw new ProtobufError("proto: a list of lists has no wire form");
  }
}

function numberOf(value: bigint | Uint8Array): bigint {
  if (typeof value !== "bigint") throw new ProtobufError("proto: wrong wireType for a number");
  return value;
}

function bytesOf(value: bigint | Uint8Array): Uint8Array {
  if (typeof value === "bigint") throw new ProtobufError("proto: wrong wireType for a message");
  return value;
}

function textOf(value: bigint | Uint8Array): string {
  return fromUtf8(bytesOf(value));
}

function textAt(bytes: Uint8Array, number: number): string {
  for (const field of readFields(bytes)) if (field.number === number) return textOf(field.value);
  return "";
}

function doubleOf(bytes: Uint8Array): number {
  if (bytes.length !== 8) throw new ProtobufError("unexpected EOF");
  return new DataView(bytes.buffer, bytes.byteOffset, 8).getFloat64(0, true);
}

/** Undefined for Go's zero time, an empty message. */
function timeOf(bytes: Uint8Array, kind: "time" | "microtime"): string | undefined {
  let seconds = 0n;
  let nanos = 0n;
  let any = false;
  for (const { number, value } of readFields(bytes)) {
    any = true;
    if (number === 1) seconds = BigInt.asIntN(64, numberOf(value));
    if (number === 2) nanos = numberOf(value);
  }
  // -62135596800 is the year 1, which Go's zero time is.
  if (!any || seconds <= -62135596800n) return undefined;
  const unixMs = Number(seconds) * 1000;
  if (Math.abs(unixMs) > 8.64e15) throw new ProtobufError("time out of range");
  if (kind === "time") return formatTime(unixMs);
  const micros = Number(nanos / 1000n);
  return formatMicroTime(unixMs + Math.floor(micros / 1000), micros % 1000);
}

function intOrString(bytes: Uint8Array): number | string {
  let isText = false;
  let number = 0;
  let text = "";
  for (const field of readFields(bytes)) {
    if (field.number === 1) isText = numberOf(field.value) === 1n;
    if (field.number === 2) number = Number(BigInt.asIntN(32, numberOf(field.value)));
    if (field.number === 3) text = textOf(field.value);
  }
  return isText ? text : number;
}

/** FieldsV1 and RawExtension: JSON text in field 1. */
function anyOf(bytes: Uint8Array): unknown {
  const text = textAt(bytes, 1);
  if (text === "") return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
