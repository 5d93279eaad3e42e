import { type FieldType, findSchema } from "../../api/schema.ts";
import type { Schema } from "../crd/schema.ts";

/** What is known of a value before there is one. */
export type Type =
  | { readonly kind: "dyn" | "bool" | "int" | "uint" | "double" | "string" | "bytes" | "null" | "timestamp" }
  | { readonly kind: "list"; readonly of: Type }
  | { readonly kind: "map"; readonly of: Type }
  /** `field` is undefined for a name that it does not have. */
  | { readonly kind: "object"; readonly name: string; readonly field: (name: string) => Type | undefined };

export const dyn: Type = { kind: "dyn" };
export const bool: Type = { kind: "bool" };
export const int: Type = { kind: "int" };
export const text: Type = { kind: "string" };

/** As cel-go's messages name it. */
export function nameOf(type: Type): string {
  switch (type.kind) {
    case "list":
      return `list(${nameOf(type.of)})`;
    case "map":
      return `map(string, ${nameOf(type.of)})`;
    case "object":
      return type.name;
    case "timestamp":
      return "timestamp";
    default:
      return type.kind;
  }
}

/** Of a compiled type. @param type full type name */
export function builtinType(type: string, name = "Object"): Type {
  const schema = findSchema(type);
  if (schema === undefined || schema.opaque || schema.fields.size === 0) return dyn;
  const field = (wanted: string): Type | undefined => {
    const found = schema.fields.get(wanted);
    return found === undefined ? undefined : fieldType(found.type, `${name}.${wanted}`);
  };
  return { kind: "object", name, field };
}

function fieldType(type: FieldType, name: string): Type {
  switch (type.kind) {
    case "list":
      return { kind: "list", of: fieldType(type.of, name) };
    case "map":
      return { kind: "map", of: fieldType(type.of, name) };
    case "ref":
      return builtinType(type.type, name);
    case "string":
    case "quantity":
      return text;
    case "bool":
    case "double":
    case "bytes":
      return { kind: type.kind };
    case "int32":
    case "int64":
      return int;
    case "time":
    case "microtime":
      return { kind: "timestamp" };
    default:
      return dyn;
  }
}

/** Of a custom resource. */
export function customType(schema: Schema, name = "Object"): Type {
  if (schema.intOrString) return dyn;
  switch (schema.type) {
    case "boolean":
      return bool;
    case "integer":
      return int;
    case "number":
      return { kind: "double" };
    case "string":
      return schema.props.format === undefined ? text : dyn;
    case "array":
      return { kind: "list", of: schema.items === null ? dyn : customType(schema.items, name) };
    case "object":
      return customObject(schema, name);
    default:
      return dyn;
  }
}

function customObject(schema: Schema, name: string): Type {
  const { additional, properties } = schema;
  if (properties.size === 0) {
    return additional === null ? dyn : { kind: "map", of: additional === true ? dyn : customType(additional, name) };
  }
  const field = (wanted: string): Type | undefined => {
    const inner = properties.get(wanted);
    if (inner !== undefined) return customType(inner, `${name}.${wanted}`);
    if (name === "Object" && wanted === "metadata") return builtinType(objectMeta, "Object.metadata");
    if (name === "Object" && (wanted === "apiVersion" || wanted === "kind")) return text;
    return schema.preserveUnknown ? dyn : undefined;
  };
  return { kind: "object", name, field };
}

const objectMeta = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
