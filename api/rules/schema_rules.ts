/** Rules that follow from a kind's schema alone, for the kinds without more of their own. */
import { type FieldError, required } from "../field_errors.ts";
import { isIpAddress } from "../names.ts";
import type { KubeObject } from "../meta.ts";
import type { ResourceInfo } from "../resources.ts";
import { type FieldSchema, type FieldType, schemaOf, typeAt, type TypeSchema } from "../schema.ts";
import { countGeneration, distinct, fieldsOf, firstGeneration, keepField, metadataRules } from "./generic.ts";
import { immutable, type NameRule, nameRules, validateMeta, validateMetaUpdate } from "./meta.ts";
import type { Rules } from "./types.ts";

export interface SchemaRuleOptions {
  /** By default a DNS subdomain. */
  readonly name?: NameRule;
  /** The kind counts generations of these fields; none: metadata.generation is not used. */
  readonly generationOf?: readonly string[];
  /** Paths that must hold something, where the schema does not say so: `spec.controller`. */
  readonly needs?: readonly string[];
  /** Top-level fields that stay as they were created. */
  readonly fixed?: readonly string[];
  readonly setDefaults?: (object: KubeObject) => void;
  /** What only the server decides, beside a status and a generation. */
  readonly prepareForCreate?: (object: KubeObject) => void;
  readonly prepareForUpdate?: (next: KubeObject, old: KubeObject) => void;
  /** `check` also says which required fields are missing, in words of its own. */
  readonly checksMissing?: boolean;
  /** What the schema cannot say. @param old of an update */
  readonly check?: (object: KubeObject, old?: KubeObject) => FieldError[];
  readonly checkUpdate?: (next: KubeObject, old: KubeObject) => FieldError[];
}

/**
 * ObjectMeta, required fields, status apart from the rest, generations. A required field that is absent is Go's zero
 * value upstream: an empty string is refused, a zero number is not, an empty structure is refused for what it lacks.
 */
export function schemaRules(info: ResourceInfo, options: SchemaRuleOptions = {}): Rules {
  const metaRule = { namespaced: info.namespaced, name: options.name ?? nameRules.subdomain } as const;
  const base = metadataRules(metaRule);
  const hasStatus = info.subresources.includes("status");
  const counted = options.generationOf ?? [];
  const validate = (object: KubeObject, old?: KubeObject) =>
    [
      ...validateMeta(object.metadata, metaRule),
      ...(options.checksMissing === true ? [] : missingFields(info, object)),
      ...(options.needs ?? []).flatMap((path) => isEmpty(dig(object, path)) ? [required(path)] : []),
      ...options.check?.(object, old) ?? [],
    ].filter(distinct);
  return {
    ...base,
    setDefaults: options.setDefaults ?? base.setDefaults,
    hasGeneration: counted.length > 0,
    prepareForCreate(object) {
      if (hasStatus) fieldsOf(object)["status"] = zeroStatus(info);
      if (counted.length > 0) firstGeneration(object);
      options.prepareForCreate?.(object);
    },
    prepareForUpdate(next, old) {
      if (hasStatus) keepField(next, old, "status");
      if (counted.length > 0) countGeneration(next, old, ...counted);
      options.prepareForUpdate?.(next, old);
    },
    validate: (object) => validate(object),
    validateUpdate: (next, old) =>
      [
        ...validateMetaUpdate(next.metadata, old.metadata),
        ...validate(next, old),
        ...(options.fixed ?? []).flatMap((name) => immutable(fieldsOf(next)[name], fieldsOf(old)[name], name)),
        ...options.checkUpdate?.(next, old) ?? [],
      ].filter(distinct),
  };
}

/** The status of a new object: Go writes the counts that are required as 0, and nothing else. */
function zeroStatus(info: Pick<ResourceInfo, "type">): Record<string, unknown> {
  const status: Record<string, unknown> = {};
  for (const field of typeAt(info.type, "status")?.fields.values() ?? []) {
    if (field.required && (field.type.kind === "int32" || field.type.kind === "int64")) status[field.name] = 0;
  }
  return status;
}

function dig(object: KubeObject, path: string): unknown {
  let at: unknown = object;
  for (const name of path.split(".")) at = Object.hasOwn(recordOf(at), name) ? recordOf(at)[name] : undefined;
  return at;
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || value === "" || (Array.isArray(value) && value.length === 0);
}

/** Required fields that are not there, outside metadata and status. */
export function missingFields(info: Pick<ResourceInfo, "type">, object: KubeObject): FieldError[] {
  const errors: FieldError[] = [];
  for (const field of schemaOf(info.type).fields.values()) {
    if (["apiVersion", "kind", "metadata", "status"].includes(field.name)) continue;
    checkField(field, fieldsOf(object)[field.name], field.name, errors);
  }
  return errors;
}

function checkField(field: FieldSchema, value: unknown, path: string, errors: FieldError[]): void {
  if (value === undefined || value === null) {
    if (field.required) checkAbsent(field.type, path, errors);
    return;
  }
  if (field.required && value === "") errors.push(required(path));
  checkValue(field.type, value, path, errors);
}

function checkAbsent(type: FieldType, path: string, errors: FieldError[]): void {
  if (type.kind === "string") {
    errors.push(required(path));
    return;
  }
  if (type.kind !== "ref") return;
  const before = errors.length;
  checkStructure(schemaOf(type.type), {}, path, errors);
  // What lacks everything is itself missing: one sentence instead of one for each of its fields.
  if (errors.length > before) errors.splice(before, errors.length - before, required(path));
}

function checkValue(type: FieldType, value: unknown, path: string, errors: FieldError[]): void {
  switch (type.kind) {
    case "list":
      if (!Array.isArray(value)) return;
      value.forEach((item, index) => checkValue(type.of, item, `${path}[${index}]`, errors));
      return;
    case "map":
      for (const [key, item] of Object.entries(recordOf(value))) checkValue(type.of, item, `${path}[${key}]`, errors);
      return;
    case "ref":
      checkStructure(schemaOf(type.type), recordOf(value), path, errors);
  }
}

/** Pod templates have rules of their own, ObjectMeta needs no name where it is embedded, an audience may be empty. */
const checkedElsewhere: ReadonlySet<string> = new Set([
  "io.k8s.api.core.v1.PodSpec",
  "io.k8s.api.storage.v1.TokenRequest",
  "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta",
]);

function checkStructure(schema: TypeSchema, value: Record<string, unknown>, path: string, errors: FieldError[]): void {
  if (schema.opaque || checkedElsewhere.has(schema.name)) return;
  for (const field of schema.fields.values()) checkField(field, value[field.name], `${path}.${field.name}`, errors);
}

function recordOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value as Record<string, unknown> : {};
}

/** Any name that can be one segment of a path: what RBAC's objects and APIServices may be called. */
export function pathSegmentName(name: string): string[] {
  if (name === "." || name === "..") return [`may not be '${name}'`];
  return ["/", "%"].filter((mark) => name.includes(mark)).map((mark) => `may not contain '${mark}'`);
}

export function ipAddressName(name: string): string[] {
  return isIpAddress(name) ? [] : ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"];
}
