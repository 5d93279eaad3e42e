/**
 * Plain values to objects of a schema type, as Go's decoder would leave them: null fields and empty optional maps and
 * lists gone, quantities and times canonical, unknown fields dropped and reported, wrong types refused.
 */
import { canonicalQuantity, QuantityError } from "../quantity.ts";
import { type FieldType, findSchema, schemaOf, type TypeSchema } from "../schema.ts";
import { formatMicroTime, formatTime, parseTimeExact } from "../time.ts";
import { quote } from "../go_text.ts";
import { setOwn } from "../json_value.ts";
import { codecLimits } from "./limits.ts";

/** A value of the wrong kind; the message is encoding/json's. */
export class TypeMismatchError extends Error {
  override readonly name = "TypeMismatchError";
}

export interface TypedObject {
  readonly object: Record<string, unknown>;
  /** `unknown field "spec.foo"`, in the order of the document. */
  readonly unknownFields: readonly string[];
}

interface Walk {
  readonly unknownFields: string[];
  /** Field names from the root, without indexes and map keys: what Go's messages show. */
  readonly fields: string[];
  /** The same with indexes and map keys: what strict errors show. */
  readonly places: string[];
  /** The structure that holds the value in hand. */
  struct: string;
  depth: number;
}

/** @param type full type name @throws TypeMismatchError */
export function decodeTyped(value: unknown, type: string): TypedObject {
  const schema = schemaOf(type);
  const walk: Walk = { unknownFields: [], fields: [], places: [], struct: "", depth: 0 };
  if (!isRecord(value)) throw mismatch(walk, value, { kind: "ref", type });
  return { object: decodeStruct(value, schema, walk), unknownFields: walk.unknownFields };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function decodeStruct(value: Record<string, unknown>, schema: TypeSchema, walk: Walk): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  const outer = walk.struct;
  walk.struct = schema.name.slice(schema.name.lastIndexOf(".") + 1);
  for (const key of Object.keys(value)) {
    const field = schema.fields.get(key);
    if (field === undefined) {
      if (walk.unknownFields.length < codecLimits.strictErrorsMax) {
        walk.unknownFields.push(`unknown field ${quote(placeText(walk.places, key))}`);
      }
      continue;
    }
    const given = value[key];
    if (given === null || given === undefined) continue;
    walk.fields.push(key);
    walk.places.push(key);
    const decoded = decodeValue(given, field.type, walk);
    walk.fields.pop();
    walk.places.pop();
    if (!field.required && isEmptyCollection(decoded, field.type)) continue;
    object[key] = decoded;
  }
  walk.struct = outer;
  return object;
}

function placeText(places: readonly string[], last: string): string {
  let text = "";
  for (const place of [...places, last]) text += place.startsWith("[") || text === "" ? place : `.${place}`;
  return text;
}

/** Go's omitempty drops an empty map or list; the server never stores one. */
function isEmptyCollection(value: unknown, type: FieldType): boolean {
  if (type.kind === "list") return Array.isArray(value) && value.length === 0;
  return type.kind === "map" && isRecord(value) && Object.keys(value).length === 0;
}

function decodeValue(value: unknown, type: FieldType, walk: Walk): unknown {
  switch (type.kind) {
    case "string":
      if (typeof value !== "string") throw mismatch(walk, value, type);
      return value;
    case "bool":
      if (typeof value !== "boolean") throw mismatch(walk, value, type);
      return value;
    case "int32":
      return integer(value, 0x7fffffff, type, walk);
    case "int64":
      return integer(value, Number.MAX_SAFE_INTEGER, type, walk);
    case "double":
      if (typeof value !== "number") throw mismatch(walk, value, type);
      return value;
    case "bytes":
      return base64(value, type, walk);
    case "time":
    case "microtime":
      return time(value, type.kind, walk);
    case "quantity":
      return quantity(value, walk);
    case "int-or-string":
      return typeof value === "string" ? value : integer(value, 0x7fffffff, { kind: "int32" }, walk);
    case "any":
      return opaque(value, walk);
    case "list":
      return decodeList(value, type, walk);
    case "map":
      return decodeMap(value, type, walk);
    case "ref": {
      const schema = findSchema(type.type);
      if (schema === undefined || schema.opaque) return opaque(value, walk);
      if (!isRecord(value)) throw mismatch(walk, value, type);
      if (++walk.depth > codecLimits.depthMax) throw new TypeMismatchError("json: exceeded max depth");
      const object = decodeStruct(value, schema, walk);
      walk.depth--;
      return object;
    }
  }
}

function decodeList(value: unknown, type: FieldType & { kind: "list" }, walk: Walk): unknown[] {
  if (!Array.isArray(value)) throw mismatch(walk, value, type);
  const list: unknown[] = [];
  for (const [i, item] of value.entries()) {
    walk.places.push(`[${i}]`);
    list.push(item === null || item === undefined ? zeroValue(type.of) : decodeValue(item, type.of, walk));
    walk.places.pop();
  }
  return list;
}

function decodeMap(value: unknown, type: FieldType & { kind: "map" }, walk: Walk): Record<string, unknown> {
  if (!isRecord(value)) throw mismatch(walk, value, type);
  const object: Record<string, unknown> = {};
  for (const key of Object.keys(value)) {
    const item = value[key];
    walk.places.push(key);
    setOwn(object, key, item === null || item === undefined ? zeroValue(type.of) : decodeValue(item, type.of, walk));
    walk.places.pop();
  }
  return object;
}

/** What null means inside a list or map: Go's zero value. */
function zeroValue(type: FieldType): unknown {
  switch (type.kind) {
    case "string":
    case "bytes":
      return "";
    case "bool":
      return false;
    case "int32":
    case "int64":
    case "double":
    case "int-or-string":
      return 0;
    case "quantity":
      return "0";
    case "list":
      return [];
    case "map":
    case "ref":
      return {};
    default:
      return null;
  }
}

function integer(value: unknown, max: number, type: FieldType, walk: Walk): number {
  if (typeof value !== "number" && typeof value !== "bigint") throw mismatch(walk, value, type);
  // Numbers beyond 2^53 - 1 are refused even where Go's int64 holds them: rounding them would change them in silence.
  if (typeof value === "bigint" || !Number.isInteger(value) || value > max || value < -max - 1) {
    throw mismatch(walk, value, type, `number ${value}`);
  }
  return value === 0 ? 0 : value;
}

function base64(value: unknown, type: FieldType, walk: Walk): string {
  if (typeof value !== "string") throw mismatch(walk, value, type);
  const text = value.replace(/[\r\n]/g, "");
  const bad = /[^A-Za-z0-9+/=]/.exec(text)?.index ?? -1;
  if (bad >= 0 || text.length % 4 !== 0 || !/^[^=]*={0,2}$/.test(text)) {
    throw new TypeMismatchError(`illegal base64 data at input byte ${bad >= 0 ? bad : Math.max(0, text.length - 1)}`);
  }
  return text;
}

function time(value: unknown, kind: "time" | "microtime", walk: Walk): string {
  if (typeof value !== "string") throw mismatch(walk, value, { kind: "string" });
  const parsed = parseTimeExact(value);
  if (parsed === undefined) {
    const layout = kind === "time" ? "2006-01-02T15:04:05Z07:00" : "2006-01-02T15:04:05.000000Z07:00";
    throw new TypeMismatchError(
      `parsing time ${quote(value)} as ${quote(layout)}: cannot parse ${quote(value)} as "2006"`,
    );
  }
  return kind === "time" ? formatTime(parsed.unixMs) : formatMicroTime(parsed.unixMs, parsed.micros);
}

function quantity(value: unknown, walk: Walk): string {
  if (typeof value !== "string" && typeof value !== "number" && typeof value !== "bigint") {
    // Upstream hands the raw text to the quantity parser, which then complains about its form.
    if (typeof value === "boolean") throw new TypeMismatchError(quantityText("true"));
    throw mismatch(walk, value, { kind: "quantity" });
  }
  try {
    return canonicalQuantity(String(value).trim());
  } catch (error) {
    if (error instanceof QuantityError) throw new TypeMismatchError(error.message, { cause: error });
    throw error;
  }
}

function quantityText(text: string): string {
  try {
    return canonicalQuantity(text);
  } catch (error) {
    return error instanceof Error ? error.message : "";
  }
}

/** JSON of any shape, copied, so that later changes to the object do not reach what the caller holds. */
function opaque(value: unknown, walk: Walk): unknown {
  if (typeof value === "bigint") throw mismatch(walk, value, { kind: "int64" }, `number ${value}`);
  if (typeof value !== "object" || value === null) return value;
  if (++walk.depth > codecLimits.depthMax) throw new TypeMismatchError("json: exceeded max depth");
  let copy: unknown;
  if (Array.isArray(value)) {
    copy = value.map((item) => opaque(item, walk));
  } else {
    const object: Record<string, unknown> = {};
    for (const [key, item] of Object.entries(value)) setOwn(object, key, opaque(item, walk));
    copy = object;
  }
  walk.depth--;
  return copy;
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return "array";
  switch (typeof value) {
    case "number":
    case "bigint":
      return "number";
    case "boolean":
      return "bool";
    case "string":
      return "string";
    default:
      return value === null ? "null" : "object";
  }
}

function mismatch(walk: Walk, value: unknown, type: FieldType, shown = kindOf(value)): TypeMismatchError {
  const where = walk.fields.length === 0 ? "Go value" : `Go struct field ${walk.struct}.${walk.fields.join(".")}`;
  return new TypeMismatchError(`json: cannot unmarshal ${shown} into ${where} of type ${goType(type)}`);
}

/** The type as Go names it. */
function goType(type: FieldType): string {
  switch (type.kind) {
    case "list":
      return `[]${goType(type.of)}`;
    case "map":
      return type.of.kind === "quantity" ? "v1.ResourceList" : `map[string]${goType(type.of)}`;
    case "ref":
      return type.type.split(".").slice(-2).join(".");
    case "double":
      return "float64";
    case "bytes":
      return "[]uint8";
    case "time":
      return "v1.Time";
    case "microtime":
      return "v1.MicroTime";
    case "quantity":
      return "resource.Quantity";
    case "int-or-string":
      return "intstr.IntOrString";
    case "any":
      return "interface {}";
    default:
      return type.kind;
  }
}
