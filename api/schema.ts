import { invariant } from "../base/assert.ts";
import { schemaTable } from "./gen/schemas.ts";

/** What a field holds. `bytes` is base64 text, `time` RFC 3339 seconds, `microtime` six digits, `any` opaque JSON. */
export type ScalarKind =
  | "string"
  | "bool"
  | "int32"
  | "int64"
  | "double"
  | "bytes"
  | "time"
  | "microtime"
  | "quantity"
  | "int-or-string"
  | "any";

export type FieldType =
  | { readonly kind: ScalarKind }
  | { readonly kind: "list"; readonly of: FieldType }
  | { readonly kind: "map"; readonly of: FieldType }
  /** `type` is a full type name, for {@linkcode schemaOf}. */
  | { readonly kind: "ref"; readonly type: string };

export interface FieldSchema {
  readonly name: string;
  readonly type: FieldType;
  readonly required: boolean;
  /** The protobuf field number, where the type has a protobuf form. */
  readonly pb?: number;
  readonly listType?: "atomic" | "set" | "map";
  /** For `listType` map: the fields that name an item. */
  readonly listKeys?: readonly string[];
  readonly mapType?: "atomic" | "granular";
  /** Strategic merge: `merge`, `replace`, `retainKeys`. */
  readonly patchStrategies: readonly string[];
  readonly mergeKey?: string;
}

export interface GroupVersionKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

export interface TypeSchema {
  /** E.g. `io.k8s.api.core.v1.Pod`. */
  readonly name: string;
  /** True for types without declared fields: any JSON value goes. */
  readonly opaque: boolean;
  readonly gvks: readonly GroupVersionKind[];
  /** The class in the types package that the type was read from. */
  readonly className: string | undefined;
  /** True where server-side apply takes a value as a whole. */
  readonly atomic: boolean;
  readonly fields: ReadonlyMap<string, FieldSchema>;
}

const scalarKinds: ReadonlySet<string> = new Set<ScalarKind>([
  "string",
  "bool",
  "int32",
  "int64",
  "double",
  "bytes",
  "time",
  "microtime",
  "quantity",
  "int-or-string",
  "any",
]);

/** Parsed on first use. A memo of a pure function of generated constants: it never changes an answer. */
const parsed = new Map<string, TypeSchema>();

/** The schema of a full type name; undefined when there is no such type. */
export function findSchema(type: string): TypeSchema | undefined {
  const known = parsed.get(type);
  if (known !== undefined) return known;
  const text = Object.hasOwn(schemaTable, type) ? schemaTable[type] : undefined;
  if (text === undefined) return undefined;
  const schema = parseSchema(type, text);
  parsed.set(type, schema);
  return schema;
}

/** The schema of a full type name that is known to exist. */
export function schemaOf(type: string): TypeSchema {
  const schema = findSchema(type);
  invariant(schema !== undefined, `no schema for type ${type}`);
  return schema;
}

/** Every full type name, sorted. */
export function typeNames(): string[] {
  return Object.keys(schemaTable);
}

/**
 * The type behind a path of field names, through lists and maps: `typeAt(pod, "spec", "containers")` is Container.
 * Undefined where the path leaves the schema.
 */
export function typeAt(type: string, ...path: readonly string[]): TypeSchema | undefined {
  let schema = findSchema(type);
  for (const name of path) {
    const field = schema?.fields.get(name);
    if (field === undefined) return undefined;
    const ref = elementType(field.type);
    schema = ref.kind === "ref" ? findSchema(ref.type) : undefined;
  }
  return schema;
}

/** What is left of a type when all its lists and maps are opened. */
export function elementType(type: FieldType): FieldType {
  let inner = type;
  while (inner.kind === "list" || inner.kind === "map") inner = inner.of;
  return inner;
}

/**
 * The table's format: line 1 the group/version/kind entries, `class=NAME` and `map=atomic`, separated by blanks; then a line a field,
 * `name[!] TYPE attribute=value...`, where `!` marks a required one and TYPE is a scalar, `[]TYPE`, `map:TYPE` or `@`
 * and a full type name without `io.k8s.`. The whole text `any` marks an opaque type.
 */
function parseSchema(name: string, text: string): TypeSchema {
  if (text === "any") return { name, opaque: true, gvks: [], className: undefined, atomic: false, fields: new Map() };
  const lines = text.split("\n");
  const gvks: GroupVersionKind[] = [];
  const heads = (lines[0] as string).split(" ");
  for (const entry of heads) {
    const [group, version, kind] = entry.split("/");
    if (group !== undefined && version !== undefined && kind !== undefined) gvks.push({ group, version, kind });
  }
  const fields = new Map<string, FieldSchema>();
  for (let i = 1; i < lines.length; i++) {
    const field = parseField(lines[i] as string);
    fields.set(field.name, field);
  }
  const className = heads.find((head) => head.startsWith("class="))?.slice("class=".length);
  return { name, opaque: fields.size === 0, gvks, className, atomic: heads.includes("map=atomic"), fields };
}

function parseField(line: string): FieldSchema {
  const [head = "", type = "any", ...attributes] = line.split(" ");
  const required = head.endsWith("!");
  const field: { -readonly [K in keyof FieldSchema]: FieldSchema[K] } = {
    name: required ? head.slice(0, -1) : head,
    type: parseType(type),
    required,
    patchStrategies: [],
  };
  for (const attribute of attributes) {
    const at = attribute.indexOf("=");
    const value = attribute.slice(at + 1);
    switch (attribute.slice(0, at)) {
      case "pb":
        field.pb = Number(value);
        break;
      case "list":
        field.listType = value as "atomic" | "set" | "map";
        break;
      case "keys":
        field.listKeys = value.split(",");
        break;
      case "map":
        field.mapType = value as "atomic" | "granular";
        break;
      case "patch":
        field.patchStrategies = value.split(",");
        break;
      case "mergeKey":
        field.mergeKey = value;
        break;
    }
  }
  return field;
}

function parseType(text: string): FieldType {
  if (text.startsWith("[]")) return { kind: "list", of: parseType(text.slice(2)) };
  if (text.startsWith("map:")) return { kind: "map", of: parseType(text.slice(4)) };
  if (text.startsWith("@")) return { kind: "ref", type: `io.k8s.${text.slice(1)}` };
  invariant(scalarKinds.has(text), `unknown scalar ${text}`);
  return { kind: text as ScalarKind };
}
