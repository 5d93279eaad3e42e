import { invariant } from "../../base/assert.ts";
import { concatBytes, utf8 } from "../../base/bytes.ts";
import { decodeBase64 } from "../../api/base64.ts";
import { type FieldType, schemaOf, type TypeSchema } from "../../api/schema.ts";
import { parseTimeExact } from "../../api/time.ts";
import type { Json } from "../dig.ts";
import type { Bytes } from "../respond.ts";
import { isUnion, jsonSchemaProps } from "../../api/go_shape.ts";
import { type Embedded, embeddedIn } from "./embedded.ts";
import { BackwardWriter } from "./writer.ts";

/** `k8s\0`: what every protobuf body of Kubernetes begins with. */
export const magic: Uint8Array = Uint8Array.of(0x6b, 0x38, 0x73, 0x00);

/** An object as a body: magic, then runtime.Unknown with its apiVersion and kind. @param type full type name */
export function encodeProtobuf(object: Json, type: string): Bytes {
  return envelope(textOf(object["apiVersion"]), textOf(object["kind"]), encodeRaw(object, type));
}

/** The message alone, as it stands inside of a list. */
export function encodeRaw(object: Json, type: string): Bytes {
  const writer = new BackwardWriter();
  writeMessage(writer, object, schemaOf(type));
  return writer.finish();
}

export function envelope(apiVersion: string, kind: string, raw: Uint8Array): Bytes {
  const writer = new BackwardWriter();
  writer.bytesField(2, raw);
  const mark = writer.length;
  writer.textField(2, kind);
  writer.textField(1, apiVersion);
  writer.message(1, mark);
  return concatBytes([magic, writer.finish()]);
}

/** A list's message around the messages of its items. @param meta ListMeta */
export function listMessage(meta: Json, items: readonly Uint8Array[]): Bytes {
  const writer = new BackwardWriter();
  for (let i = items.length - 1; i >= 0; i--) writer.bytesField(2, items[i] as Uint8Array);
  const mark = writer.length;
  writeMessage(writer, meta, schemaOf("io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta"));
  writer.message(1, mark);
  return writer.finish();
}

/** One frame of a watch: 4 bytes of length, then a bare WatchEvent around an object with its envelope. */
export function watchFrame(type: string, object: Uint8Array): Bytes {
  const writer = new BackwardWriter();
  writer.bytesField(1, object);
  writer.message(2, 0);
  writer.textField(1, type);
  const event = writer.finish();
  const frame = new Uint8Array(4 + event.length);
  new DataView(frame.buffer).setUint32(0, event.length);
  frame.set(event, 4);
  return frame;
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

interface Field {
  readonly number: number;
  readonly name: string;
  readonly type: FieldType;
}

/** How a message is written: fields and the messages that Go embeds, by number, the last first. */
type Layout = readonly (Field | { readonly number: number; readonly embedded: Layout })[];

/** Made at the first use of a type; a memo of constants. */
const layouts = new Map<string, Layout>();

function layoutOf(schema: TypeSchema): Layout {
  const known = layouts.get(schema.name);
  if (known !== undefined) return known;
  const own: Record<string, number> = {};
  for (const { name, pb } of schema.fields.values()) if (pb !== undefined) own[name] = pb;
  const layout = makeLayout(schema, own, embeddedIn[schema.name]);
  layouts.set(schema.name, layout);
  return layout;
}

function makeLayout(
  schema: TypeSchema,
  numbers: Readonly<Record<string, number>>,
  embedded: Embedded | undefined,
): Layout {
  const parts: Layout[number][] = [];
  for (const { name, type } of schema.fields.values()) {
    const number = numbers[name];
    if (number !== undefined) parts.push({ number, name, type });
  }
  if (embedded !== undefined) {
    parts.push({ number: embedded.number, embedded: makeLayout(schema, embedded.fields, embedded.within) });
  }
  return parts.sort((a, b) => b.number - a.number);
}

function writeMessage(writer: BackwardWriter, object: Json, schema: TypeSchema): void {
  writeParts(writer, object, schema.name, layoutOf(schema));
}

function writeParts(writer: BackwardWriter, object: Json, owner: string, layout: Layout): void {
  for (const part of layout) {
    if ("name" in part) {
      writeField(writer, owner, part.name, part.number, part.type, object[part.name]);
      continue;
    }
    const mark = writer.length;
    writeParts(writer, object, owner, part.embedded);
    if (writer.length > mark) writer.message(part.number, mark);
  }
}

function writeField(
  writer: BackwardWriter,
  owner: string,
  name: string,
  number: number,
  type: FieldType,
  value: unknown,
): void {
  if (value === null || value === undefined) return;
  if (type.kind === "list") {
    invariant(Array.isArray(value), `${owner}.${name} is a list`);
    for (let i = value.length - 1; i >= 0; i--) writeValue(writer, number, type.of, value[i]);
  } else if (type.kind === "map") {
    const union = isUnion(owner, name);
    const map = value as Json;
    for (const key of Object.keys(map).sort().reverse()) {
      const mark = writer.length;
      if (union) writeUnion(writer, name, 2, map[key]);
      else if (type.of.kind === "list") writeItems(writer, type.of.of, map[key]);
      else writeValue(writer, 2, type.of, map[key]);
      writer.textField(1, key);
      writer.message(number, mark);
    }
  } else if (isUnion(owner, name)) {
    writeUnion(writer, name, number, value);
  } else {
    writeValue(writer, number, type, value);
  }
}

/** A list inside of a map is a message of its own: ExtraValue. */
function writeItems(writer: BackwardWriter, of: FieldType, value: unknown): void {
  const mark = writer.length;
  const items = Array.isArray(value) ? value : [];
  for (let i = items.length - 1; i >= 0; i--) writeValue(writer, 1, of, items[i]);
  writer.message(2, mark);
}

/** See {@linkcode isUnion}. */
function writeUnion(writer: BackwardWriter, name: string, number: number, value: unknown): void {
  const mark = writer.length;
  const orBool = name === "additionalProperties" || name === "additionalItems";
  const props = schemaOf(jsonSchemaProps);
  const writeProps = (at: number, item: unknown) => {
    const inner = writer.length;
    writeMessage(writer, item as Json, props);
    writer.message(at, inner);
  };
  if (typeof value === "boolean") {
    if (orBool) writer.varintField(1, value ? 1 : 0);
  } else if (Array.isArray(value)) {
    for (let i = value.length - 1; i >= 0; i--) {
      if (name === "items") writeProps(2, value[i]);
      else writer.textField(2, String(value[i]));
    }
  } else if (name !== "status") {
    writeProps(orBool ? 2 : 1, value);
    if (orBool) writer.varintField(1, 1);
  }
  writer.message(number, mark);
}

function writeValue(writer: BackwardWriter, number: number, type: FieldType, value: unknown): void {
  switch (type.kind) {
    case "string":
      return writer.textField(number, String(value));
    case "bool":
      return writer.varintField(number, value === true ? 1 : 0);
    case "int32":
    case "int64":
      return writer.varintField(number, value as number);
    case "double":
      return writer.doubleField(number, value as number);
    case "bytes":
      return writer.bytesField(number, decodeBase64(String(value)) ?? new Uint8Array(0));
    case "time":
    case "microtime":
      return writeTime(writer, number, String(value));
    case "quantity": {
      const mark = writer.length;
      writer.textField(1, String(value));
      return writer.message(number, mark);
    }
    case "int-or-string": {
      const mark = writer.length;
      if (typeof value === "string") writer.textField(3, value);
      else writer.varintField(2, value as number);
      writer.varintField(1, typeof value === "string" ? 1 : 0);
      return writer.message(number, mark);
    }
    case "any":
      return writeAny(writer, number, value);
    case "ref": {
      const schema = schemaOf(type.type);
      if (schema.opaque) return writeAny(writer, number, value);
      const mark = writer.length;
      writeMessage(writer, value as Json, schema);
      return writer.message(number, mark);
    }
    case "list":
    case "map":
      invariant(false, "a list of lists has no wire form");
  }
}

/** RawExtension, JSON and FieldsV1: JSON text in field 1. */
function writeAny(writer: BackwardWriter, number: number, value: unknown): void {
  const mark = writer.length;
  writer.bytesField(1, utf8(JSON.stringify(value)));
  writer.message(number, mark);
}

function writeTime(writer: BackwardWriter, number: number, text: string): void {
  const time = parseTimeExact(text);
  const mark = writer.length;
  if (time !== undefined) {
    const seconds = Math.floor(time.unixMs / 1000);
    const nanos = (time.unixMs - seconds * 1000) * 1_000_000 + time.micros * 1000;
    if (nanos !== 0) writer.varintField(2, nanos);
    writer.varintField(1, seconds);
  }
  writer.message(number, mark);
}
