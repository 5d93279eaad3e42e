import { isRecord, type Json } from "../dig.ts";
import type { Bytes } from "../respond.ts";
import { BackwardWriter } from "./writer.ts";

/**
 * OpenAPI documents in gnostic's protobuf form (openapi.v2 and openapi.v3 of OpenAPIv2.proto, OpenAPIv3.proto), as far
 * as our documents go. The fields of a message are a table of JSON name, number and writer.
 */

/** Writes one field: its value, then its tag. */
type FieldWriter = (writer: BackwardWriter, number: number, value: unknown) => void;
type Fields = readonly (readonly [name: string, number: number, write: FieldWriter])[];

const text: FieldWriter = (writer, number, value) => writer.textField(number, String(value));
const flag: FieldWriter = (writer, number, value) => value === true ? writer.varintField(number, 1) : undefined;
const whole: FieldWriter = (writer, number, value) => writer.varintField(number, Number(value));
const double: FieldWriter = (writer, number, value) => writer.doubleField(number, Number(value));

/** Any: yaml = 2. JSON is YAML. */
const any: FieldWriter = (writer, number, value) => {
  const mark = writer.length;
  writer.textField(2, JSON.stringify(value));
  writer.message(number, mark);
};

function list(write: FieldWriter): FieldWriter {
  return (writer, number, value) => {
    const items = Array.isArray(value) ? value : [];
    for (let i = items.length - 1; i >= 0; i--) write(writer, number, items[i]);
  };
}

/**
 * The inside of a message. @param fields asked for once, at first use: schemas contain schemas
 * @param extensions number of the repeated NamedAny that takes `x-...`
 */
function body(fields: () => Fields, extensions?: number): (writer: BackwardWriter, value: Json) => void {
  let table: Fields | undefined;
  return (writer, value) => {
    if (extensions !== undefined) {
      for (const name of Object.keys(value).reverse()) {
        if (name.startsWith("x-")) named(writer, extensions, name, any, value[name]);
      }
    }
    table ??= fields();
    for (let i = table.length - 1; i >= 0; i--) {
      const [name, at, write] = table[i] as Fields[number];
      if (value[name] !== undefined) write(writer, at, value[name]);
    }
  };
}

function message(fields: () => Fields, extensions?: number): FieldWriter {
  const inside = body(fields, extensions);
  return (writer, number, value) => {
    if (!isRecord(value)) return;
    const mark = writer.length;
    inside(writer, value);
    writer.message(number, mark);
  };
}

/** A map as gnostic writes it: a message whose field `at` repeats {name = 1, value = 2}. */
function map(write: FieldWriter, at = 1): FieldWriter {
  return (writer, number, value) => {
    const mark = writer.length;
    const entries = isRecord(value) ? Object.keys(value).reverse() : [];
    for (const name of entries) named(writer, at, name, write, (value as Json)[name]);
    writer.message(number, mark);
  };
}

function named(writer: BackwardWriter, number: number, name: string, write: FieldWriter, value: unknown): void {
  const mark = writer.length;
  write(writer, 2, value);
  writer.textField(1, name);
  writer.message(number, mark);
}

/** A message with one field alone. */
function wrapped(at: number, write: FieldWriter): FieldWriter {
  return (writer, number, value) => {
    const mark = writer.length;
    write(writer, at, value);
    writer.message(number, mark);
  };
}

function oneOf(pick: (value: Json) => FieldWriter): FieldWriter {
  return (writer, number, value) => isRecord(value) ? pick(value)(writer, number, value) : undefined;
}

const info = (version: number) => message(() => [["title", 1, text], ["version", version, text]]);

// OpenAPI v2.

const schema2: FieldWriter = message(() => [
  ["$ref", 1, text],
  ["format", 2, text],
  ["title", 3, text],
  ["description", 4, text],
  ["default", 5, any],
  ["maximum", 7, double],
  ["minimum", 9, double],
  ["maxLength", 11, whole],
  ["minLength", 12, whole],
  ["pattern", 13, text],
  ["maxItems", 14, whole],
  ["minItems", 15, whole],
  ["uniqueItems", 16, flag],
  ["maxProperties", 17, whole],
  ["minProperties", 18, whole],
  ["required", 19, list(text)],
  ["enum", 20, list(any)],
  ["additionalProperties", 21, schemaOrBoolean(schema2)],
  ["type", 22, wrapped(1, text)],
  ["items", 23, wrapped(1, schema2)],
  ["allOf", 24, list(schema2)],
  ["properties", 25, map(schema2)],
], 31);

function schemaOrBoolean(schema: FieldWriter): FieldWriter {
  return (writer, number, value) =>
    typeof value === "boolean" ? wrapped(2, flag)(writer, number, value) : wrapped(1, schema)(writer, number, value);
}

const bodyParameter = message(() => [
  ["description", 1, text],
  ["name", 2, text],
  ["in", 3, text],
  ["required", 4, flag],
  ["schema", 5, schema2],
]);

/** Query parameters have one field (allowEmptyValue = 5) that path parameters lack: later numbers move up by one. */
const plainParameter = (shift: 0 | 1) =>
  message(() => [
    ["required", 1, flag],
    ["in", 2, text],
    ["description", 3, text],
    ["name", 4, text],
    ["type", 5 + shift, text],
    ["format", 6 + shift, text],
    ["uniqueItems", 19 + shift, flag],
  ]);
const queryParameter = plainParameter(1);
const pathParameter = plainParameter(0);

/** ParametersItem.parameter = 1, Parameter.body_parameter = 1 or .non_body_parameter = 2, then query = 3 or path = 4. */
const parameter2 = wrapped(
  1,
  oneOf((value) => {
    switch (value["in"]) {
      case "body":
        return wrapped(1, bodyParameter);
      case "path":
        return wrapped(2, wrapped(4, pathParameter));
      default:
        return wrapped(2, wrapped(3, queryParameter));
    }
  }),
);

const response2 = message(() => [["description", 1, text], ["schema", 2, wrapped(1, schema2)]]);

const operation2 = message(() => [
  ["tags", 1, list(text)],
  ["description", 3, text],
  ["operationId", 5, text],
  ["produces", 6, list(text)],
  ["consumes", 7, list(text)],
  ["parameters", 8, list(parameter2)],
  ["responses", 9, map(wrapped(1, response2))],
], 13);

const pathItem2 = message(() => [
  ["get", 2, operation2],
  ["put", 3, operation2],
  ["post", 4, operation2],
  ["delete", 5, operation2],
  ["options", 6, operation2],
  ["head", 7, operation2],
  ["patch", 8, operation2],
  ["parameters", 9, list(parameter2)],
], 10);

const document2 = body(() => [
  ["swagger", 1, text],
  ["info", 2, info(2)],
  ["paths", 8, map(pathItem2, 2)],
  ["definitions", 9, map(schema2)],
], 16);

// OpenAPI v3.

const reference: FieldWriter = message(() => [["$ref", 1, text]]);
/** Most places take either: the thing itself = 1, or a reference = 2. */
const orReference = (write: FieldWriter) =>
  oneOf((value) => "$ref" in value ? wrapped(2, reference) : wrapped(1, write));

const schema3: FieldWriter = message(() => [
  ["nullable", 1, flag],
  ["readOnly", 3, flag],
  ["title", 9, text],
  ["maximum", 11, double],
  ["minimum", 13, double],
  ["maxLength", 15, whole],
  ["minLength", 16, whole],
  ["pattern", 17, text],
  ["maxItems", 18, whole],
  ["minItems", 19, whole],
  ["uniqueItems", 20, flag],
  ["maxProperties", 21, whole],
  ["minProperties", 22, whole],
  ["required", 23, list(text)],
  ["enum", 24, list(any)],
  ["type", 25, text],
  ["allOf", 26, list(orReference(schema3))],
  ["oneOf", 27, list(orReference(schema3))],
  ["anyOf", 28, list(orReference(schema3))],
  ["not", 29, schema3],
  ["items", 30, wrapped(1, orReference(schema3))],
  ["properties", 31, map(orReference(schema3))],
  ["additionalProperties", 32, schemaOrBoolean(orReference(schema3))],
  ["default", 33, defaultValue],
  ["description", 34, text],
  ["format", 35, text],
], 36);

/** DefaultType holds scalars only. */
function defaultValue(writer: BackwardWriter, number: number, value: unknown): void {
  switch (typeof value) {
    case "number":
      return wrapped(1, double)(writer, number, value);
    case "boolean":
      return wrapped(2, flag)(writer, number, value);
    case "string":
      return wrapped(3, text)(writer, number, value);
  }
}

const parameter3 = orReference(message(() => [
  ["name", 1, text],
  ["in", 2, text],
  ["description", 3, text],
  ["required", 4, flag],
  ["schema", 10, orReference(schema3)],
], 14));

const mediaTypes = map(message(() => [["schema", 1, orReference(schema3)]]));
const response3 = orReference(message(() => [["description", 1, text], ["content", 3, mediaTypes]]));

const operation3 = message(() => [
  ["tags", 1, list(text)],
  ["description", 3, text],
  ["operationId", 5, text],
  ["parameters", 6, list(parameter3)],
  ["requestBody", 7, orReference(message(() => [["content", 2, mediaTypes], ["required", 3, flag]]))],
  ["responses", 8, map(response3, 2)],
], 13);

const pathItem3 = message(() => [
  ["get", 4, operation3],
  ["put", 5, operation3],
  ["post", 6, operation3],
  ["delete", 7, operation3],
  ["options", 8, operation3],
  ["head", 9, operation3],
  ["patch", 10, operation3],
  ["parameters", 13, list(parameter3)],
], 14);

const document3 = body(() => [
  ["openapi", 1, text],
  ["info", 2, info(6)],
  ["paths", 4, map(pathItem3)],
  ["components", 5, message(() => [["schemas", 1, map(orReference(schema3))]])],
], 9);

/** A whole document, from its JSON form. */
export function encodeOpenApi(document: Json, dialect: "v2" | "v3"): Bytes {
  const writer = new BackwardWriter();
  const write = dialect === "v2" ? document2 : document3;
  write(writer, document);
  return writer.finish();
}
