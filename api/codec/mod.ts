/** Request bodies to objects and back, by media type and schema. */
import { fromUtf8, utf8 } from "../../base/bytes.ts";
import { quote } from "../go_text.ts";
import type { KubeObject } from "../meta.ts";
import { findSchema, type GroupVersionKind, schemaOf } from "../schema.ts";
import { badRequest, unsupportedMediaType } from "../status.ts";
import { encodeJson, JsonSyntaxError, parseJson } from "./json.ts";
import { decodeMsgpack, encodeMsgpack, MsgpackError } from "./msgpack.ts";
import { decodeTyped, type TypedObject, TypeMismatchError } from "./typed.ts";
import { encodeYaml, parseYaml, YamlSyntaxError } from "./yaml.ts";

export { encodeJson, parseJson, parseJsonBytes } from "./json.ts";
export { decodeMsgpack, encodeMsgpack } from "./msgpack.ts";
export { decodeTyped, TypeMismatchError } from "./typed.ts";
export { encodeYaml, parseYaml } from "./yaml.ts";

export type FieldValidation = "Ignore" | "Warn" | "Strict";

export const mediaTypes = {
  json: "application/json",
  yaml: "application/yaml",
  msgpack: "application/vnd.msgpack",
} as const;

/** What a 415 lists: what upstream reads, in its order. */
const readable = [mediaTypes.json, mediaTypes.yaml, "application/vnd.kubernetes.protobuf"];

export interface DecodeOptions {
  readonly fieldValidation: FieldValidation;
  /** What the object must be. Missing apiVersion and kind are filled in from it. By default: the type's own. */
  readonly expect?: GroupVersionKind;
}

export interface Decoded<T> {
  readonly object: T;
  /** For `Warning: 299` headers, with fieldValidation Warn; else empty. */
  readonly warnings: readonly string[];
}

/** A body that is read and has no schema yet. */
export interface Plain {
  readonly value: unknown;
  readonly strictErrors: readonly string[];
}

/**
 * Decodes a body. @param type full type name, e.g. `io.k8s.api.core.v1.Pod`
 * @throws ApiError 400 for what cannot be read or, with Strict, has unknown or repeated fields; 415
 */
export function decode<T = KubeObject>(
  body: Uint8Array,
  contentType: string,
  type: string,
  options: DecodeOptions,
): Decoded<T> {
  const expect = options.expect ?? schemaOf(type).gvks[0];
  const plain = parseBody(body, contentType, expect?.kind ?? type);
  return typed<T>(plain, type, expect, options.fieldValidation);
}

/** The same for a value that is parsed already, e.g. a patch's result. @throws ApiError 400 */
export function decodeValue<T = KubeObject>(value: unknown, type: string, options: DecodeOptions): Decoded<T> {
  const expect = options.expect ?? schemaOf(type).gvks[0];
  return typed<T>({ value, strictErrors: [] }, type, expect, options.fieldValidation);
}

/** A body as a plain value, for objects whose schema is not compiled in. @param kind for messages @throws ApiError 400, 415 */
export function parseRequest(body: Uint8Array, contentType: string, kind: string): Plain {
  return parseBody(body, contentType, kind);
}

/** A body's plain value, without a schema (patches). @throws ApiError 400 */
export function parsePatchBody(body: Uint8Array, yaml: boolean): unknown {
  try {
    return yaml ? parseYaml(fromUtf8(body)).value : parseJson(fromUtf8(body)).value;
  } catch (error) {
    if (error instanceof JsonSyntaxError || error instanceof YamlSyntaxError) {
      throw badRequest(`error decoding patch: ${error.message}`);
    }
    throw error;
  }
}

export function encode(value: unknown, mediaType: string): Uint8Array {
  switch (mediaType) {
    case mediaTypes.yaml:
      return utf8(encodeYaml(value));
    case mediaTypes.msgpack:
      return encodeMsgpack(value);
    default:
      return encodeJson(value);
  }
}

function parseBody(body: Uint8Array, contentType: string, kind: string): Plain {
  // Without a Content-Type the body is taken for JSON, as upstream does.
  const media = (contentType.split(";")[0] as string).trim().toLowerCase() || mediaTypes.json;
  try {
    switch (media) {
      case mediaTypes.json: {
        const parsed = parseJson(fromUtf8(body));
        return {
          value: parsed.value,
          strictErrors: parsed.duplicates.map((path) => `duplicate field ${quote(path)}`),
        };
      }
      case mediaTypes.yaml:
      case "application/x-yaml":
      case "text/yaml": {
        const parsed = parseYaml(fromUtf8(body));
        const strictErrors = parsed.duplicates.length === 0
          ? []
          : [`yaml: unmarshal errors:\n${parsed.duplicates.map((text) => `  ${text}`).join("\n")}`];
        return { value: parsed.value, strictErrors };
      }
      case mediaTypes.msgpack:
        return { value: decodeMsgpack(body), strictErrors: [] };
    }
  } catch (error) {
    const head = `the object provided is unrecognized (must be of type ${kind})`;
    if (error instanceof JsonSyntaxError) {
      throw badRequest(
        `${head}: couldn't get version/kind; json parse error: ${error.message} (${summarize(body)})`,
      );
    }
    if (error instanceof YamlSyntaxError || error instanceof MsgpackError) {
      throw badRequest(`${head}: ${error.message} (${summarize(body)})`);
    }
    throw error;
  }
  throw unsupportedMediaType(readable);
}

/** The start of a body that could not be read: text when it looks like JSON, else hexadecimal. */
function summarize(body: Uint8Array): string {
  if (body.length === 0) return "<empty>";
  const start = body.subarray(0, 30);
  const more = body.length > 30 ? " ..." : "";
  if (body[0] === 0x7b) return fromUtf8(start) + more;
  return [...start].map((byte) => byte.toString(16).padStart(2, "0")).join("") + more;
}

function typed<T>(
  plain: Plain,
  type: string,
  expect: GroupVersionKind | undefined,
  fieldValidation: FieldValidation,
): Decoded<T> {
  const { value } = plain;
  const given = headOf(value);
  if (expect !== undefined) checkHead(given, expect);
  let result: TypedObject;
  try {
    result = decodeTyped(value, type);
  } catch (error) {
    if (error instanceof TypeMismatchError) throw cannotHandle(given, expect, error.message);
    throw error;
  }
  const object = result.object;
  if (expect !== undefined && (findSchema(type)?.fields.has("kind") ?? false)) {
    // Upstream always answers with both, and no one may store an object under another's name.
    object.apiVersion = expect.group === "" ? expect.version : `${expect.group}/${expect.version}`;
    object.kind = expect.kind;
  }
  const strictErrors = [...result.unknownFields, ...plain.strictErrors];
  if (strictErrors.length > 0 && fieldValidation === "Strict") {
    throw cannotHandle(given, expect, `strict decoding error: ${strictErrors.join(", ")}`);
  }
  // decodeTyped has checked every field against the schema that T was generated from.
  return { object: object as T, warnings: fieldValidation === "Warn" ? strictErrors : [] };
}

interface Head {
  readonly apiVersion: string;
  readonly kind: string;
}

function headOf(value: unknown): Head {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return { apiVersion: "", kind: "" };
  const { apiVersion, kind } = value as { apiVersion?: unknown; kind?: unknown };
  return {
    apiVersion: typeof apiVersion === "string" ? apiVersion : "",
    kind: typeof kind === "string" ? kind : "",
  };
}

function checkHead(given: Head, expect: GroupVersionKind): void {
  const apiVersion = expect.group === "" ? expect.version : `${expect.group}/${expect.version}`;
  if (given.apiVersion !== "" && given.apiVersion !== apiVersion) {
    throw badRequest(
      `the API version in the data (${given.apiVersion}) does not match the expected API version (${apiVersion})`,
    );
  }
  if (given.kind !== "" && given.kind !== expect.kind) {
    throw cannotHandle(given, expect, `the kind in the data (${given.kind}) does not match the expected kind`);
  }
}

function cannotHandle(given: Head, expect: GroupVersionKind | undefined, why: string): Error {
  const kind = expect?.kind ?? (given.kind || "object");
  const version = expect?.version ?? given.apiVersion;
  return badRequest(`${given.kind || kind} in version ${quote(version)} cannot be handled as a ${kind}: ${why}`);
}
