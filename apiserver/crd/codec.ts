import {
  type Decoded,
  decodeTyped,
  type FieldValidation,
  parseRequest,
  TypeMismatchError,
} from "../../api/codec/mod.ts";
import { codecLimits } from "../../api/codec/limits.ts";
import type { KubeObject } from "../../api/meta.ts";
import { apiVersionOf, type ResourceInfo } from "../../api/resources.ts";
import { badRequest } from "../../api/status.ts";
import { clone } from "../../api/json_value.ts";
import { printPlain, quote } from "../../api/go_text.ts";
import { isRecord, type Json } from "../dig.ts";
import type { ObjectCodec } from "../registry/strategy.ts";
import { dropNulls, setDefaults } from "./default.ts";
import { prune } from "./prune.ts";
import type { Schema } from "./schema.ts";

const objectMeta = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/** Reads custom resources: defaults, then prunes; what was pruned is an unknown field to strict decoding. */
export function customCodec(info: ResourceInfo, schema: Schema): ObjectCodec {
  return {
    decode: (body, contentType, validation) => {
      const { value, strictErrors } = parseRequest(body, contentType, info.kind);
      return read(value, strictErrors, info, schema, validation);
    },
    // A patch's result may share values with what it was made from.
    decodeValue: (value, validation) => {
      checkBounds(value);
      return read(clone(value), [], info, schema, validation);
    },
  };
}

function read(
  value: unknown,
  syntax: readonly string[],
  info: ResourceInfo,
  schema: Schema,
  validation: FieldValidation,
): Decoded<KubeObject> {
  if (!isRecord(value)) throw badRequest(`the object provided is unrecognized (must be of type ${info.kind})`);
  checkBounds(value);
  checkHead(value, info);
  dropNulls(value, schema);
  setDefaults(value, schema);
  const unknown: string[] = [];
  const report = (path: string) => void (unknown.length < 100 && unknown.push(`unknown field ${quote(path)}`));
  prune(value, schema, report);
  readMetadata(value, info, "", unknown);
  readEmbedded(value, schema, info, "", unknown);
  const strictErrors = [...syntax, ...unknown];
  if (strictErrors.length > 0 && validation === "Strict") {
    throw cannotHandle(info, `strict decoding error: ${strictErrors.join(", ")}`);
  }
  value["apiVersion"] = apiVersionOf(info);
  value["kind"] = info.kind;
  // The metadata has been decoded by its schema; the rest has no type that TypeScript could know.
  return { object: value as KubeObject, warnings: validation === "Warn" ? strictErrors : [] };
}

function checkHead(value: Json, info: ResourceInfo): void {
  const { apiVersion = "", kind = "" } = value;
  const wanted = apiVersionOf(info);
  if (kind === "" || apiVersion === "") {
    throw badRequest(`Object '${kind === "" ? "Kind" : "apiVersion"}' is missing in '${JSON.stringify(value)}'`);
  }
  if (apiVersion !== wanted) {
    throw badRequest(
      `the API version in the data (${printPlain(apiVersion)}) does not match the expected API version (${wanted})`,
    );
  }
  if (kind !== info.kind) {
    throw badRequest(
      `${printPlain(kind)} in version ${quote(info.version)} cannot be handled as a ${info.kind}: ` +
        `the kind in the data (${printPlain(kind)}) does not match the expected kind`,
    );
  }
}

function cannotHandle(info: ResourceInfo, why: string): Error {
  return badRequest(`${info.kind} in version ${quote(info.version)} cannot be handled as a ${info.kind}: ${why}`);
}

/** @param path of the object whose metadata they are; "" or with a dot at its end */
function readMetadata(value: Json, info: ResourceInfo, path: string, unknown: string[]): void {
  if (value["metadata"] === undefined || value["metadata"] === null) {
    delete value["metadata"];
    return;
  }
  try {
    const { object, unknownFields } = decodeTyped(value["metadata"], objectMeta);
    value["metadata"] = object;
    unknown.push(...unknownFields.map((it) => it.replace('"', `"${path}metadata.`)));
  } catch (error) {
    if (error instanceof TypeMismatchError) throw cannotHandle(info, error.message);
    throw error;
  }
}

/** The metadata of objects inside the object have the same form. */
function readEmbedded(value: unknown, schema: Schema, info: ResourceInfo, path: string, unknown: string[]): void {
  if (Array.isArray(value)) {
    const { items } = schema;
    if (items === null) return;
    for (const [i, item] of value.entries()) readEmbedded(item, items, info, `${path}[${i}]`, unknown);
    return;
  }
  if (!isRecord(value)) return;
  const prefix = path === "" ? "" : `${path}.`;
  if (schema.embedded) readMetadata(value, info, prefix, unknown);
  for (const key of Object.keys(value)) {
    const inner = schema.properties.get(key) ?? schema.additional;
    if (inner !== null && inner !== true) readEmbedded(value[key], inner, info, `${prefix}${key}`, unknown);
  }
}

/** Whole numbers beyond 2^53 - 1 would be rounded in silence; everything after this may recurse. */
function checkBounds(value: unknown, depth = 0): void {
  if (typeof value === "bigint") {
    throw badRequest(`json: cannot unmarshal number ${value} into Go value of type int64`);
  }
  if (typeof value !== "object" || value === null) return;
  if (depth > codecLimits.depthMax) throw badRequest("json: exceeded max depth");
  for (const inner of Object.values(value)) checkBounds(inner, depth + 1);
}
