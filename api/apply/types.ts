import { type FieldSchema, type FieldType, findSchema, schemaOf } from "../schema.ts";

/**
 * How server-side apply takes a value apart (KEP-555): what is owned as a whole, and what by its parts. Built-in kinds
 * have theirs from the schema tables; a custom resource's is made from its own schema.
 */
export type ApplyType =
  | { readonly kind: "scalar" }
  /** No schema: maps by key, lists as a whole. */
  | { readonly kind: "untyped" }
  /** @property plain true where Go holds the structure by value: it is always there, so no one adds it */
  | {
    readonly kind: "struct";
    readonly atomic: boolean;
    readonly plain: boolean;
    /** Undefined for a name that the schema does not have. */
    readonly field: (name: string) => ApplyType | undefined;
  }
  | { readonly kind: "map"; readonly atomic: boolean; readonly of: ApplyType }
  | { readonly kind: "list"; readonly listType: "atomic" | "set"; readonly of: ApplyType }
  | {
    readonly kind: "list";
    readonly listType: "map";
    readonly of: ApplyType;
    readonly keys: readonly ListKey[];
  };

export interface ListKey {
  readonly name: string;
  /** What stands for the key where an item leaves it out. */
  readonly default?: string | number;
}

const scalar: ApplyType = { kind: "scalar" };
export const untyped: ApplyType = { kind: "untyped" };

/** Structures that Go embeds by value in their parents, by field name (types.go of each group). */
const plainNames: ReadonlySet<string> = new Set([
  "backend",
  "current",
  "daemonEndpoints",
  "involvedObject",
  "jobTemplate",
  "kubeletEndpoint",
  "lastState",
  "loadBalancer",
  "metadata",
  "metric",
  "names",
  "nodeInfo",
  "regarding",
  "resources",
  "roleRef",
  "scaleTargetRef",
  "source",
  "spec",
  "state",
  "status",
  "strategy",
  "target",
  "updateStrategy",
]);

/** `template` is a value everywhere but in a ReplicationController. */
function isPlain(owner: string, name: string): boolean {
  return plainNames.has(name) || (name === "template" && !owner.endsWith(".ReplicationControllerSpec"));
}

/** Made at the first use of a type; a memo of the generated tables. */
const known = new Map<string, ApplyType>();

/** @param type full type name; one that is not in the tables has no schema */
export function applyTypeOf(type: string): ApplyType {
  let found = known.get(type);
  if (found === undefined) {
    found = findSchema(type) === undefined ? untyped : structOf(type, undefined, false);
    known.set(type, found);
  }
  return found;
}

function structOf(type: string, mapType: "atomic" | "granular" | undefined, plain: boolean): ApplyType {
  const schema = schemaOf(type);
  if (schema.opaque) return untyped;
  const fields = new Map<string, ApplyType>();
  return {
    kind: "struct",
    atomic: mapType === undefined ? schema.atomic : mapType === "atomic",
    plain,
    field: (name) => {
      const made = fields.get(name);
      if (made !== undefined) return made;
      const field = schema.fields.get(name);
      if (field === undefined) return undefined;
      const made2 = fieldOf(type, field);
      fields.set(name, made2);
      return made2;
    },
  };
}

function fieldOf(owner: string, field: FieldSchema): ApplyType {
  const { type } = field;
  switch (type.kind) {
    case "list": {
      const of = valueOf(type.of);
      if (field.listType !== "map") return { kind: "list", listType: field.listType ?? "atomic", of };
      const keys = (field.listKeys ?? []).map((name) => name === "protocol" ? { name, default: "TCP" } : { name });
      return { kind: "list", listType: "map", of, keys };
    }
    case "map":
      return { kind: "map", atomic: field.mapType === "atomic", of: valueOf(type.of) };
    case "ref":
      return structOf(type.type, field.mapType, isPlain(owner, field.name));
    default:
      return valueOf(type);
  }
}

function valueOf(type: FieldType): ApplyType {
  switch (type.kind) {
    case "list":
      return { kind: "list", listType: "atomic", of: valueOf(type.of) };
    case "map":
      return { kind: "map", atomic: false, of: valueOf(type.of) };
    case "ref":
      return structOf(type.type, undefined, false);
    case "any":
      return untyped;
    default:
      return scalar;
  }
}
