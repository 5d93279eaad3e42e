import { type ApplyType, applyTypeOf, type ListKey, untyped } from "../../api/apply/mod.ts";
import type { Schema } from "./schema.ts";

const objectMeta = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
const scalar: ApplyType = { kind: "scalar" };

/**
 * How server-side apply takes a custom resource apart, as its schema says: `x-kubernetes-list-type` and `-map-keys`,
 * `x-kubernetes-map-type`. What the schema does not speak of is owned by its leaves. @see KEP-555, topologies
 */
export function applyTypeOfSchema(schema: Schema): ApplyType {
  const meta = applyTypeOf(objectMeta);
  const root = nodeType(schema);
  const field = (name: string): ApplyType | undefined => {
    if (name === "metadata") return meta;
    if (name === "apiVersion" || name === "kind") return scalar;
    return root.kind === "struct" ? root.field(name) : root.kind === "map" ? root.of : untyped;
  };
  return { kind: "struct", atomic: false, plain: false, field };
}

function nodeType(schema: Schema): ApplyType {
  if (schema.intOrString) return scalar;
  switch (schema.type) {
    case "object":
      return objectType(schema);
    case "array":
      return listType(schema);
    case "":
      return untyped;
    default:
      return scalar;
  }
}

function objectType(schema: Schema): ApplyType {
  const atomic = schema.props["x-kubernetes-map-type"] === "atomic";
  if (schema.properties.size === 0 && schema.additional !== null) {
    return { kind: "map", atomic, of: schema.additional === true ? untyped : nodeType(schema.additional) };
  }
  // Without any word on its fields it is a map of anything, or, when it is embedded, an object.
  if (schema.properties.size === 0 && !schema.embedded) return { kind: "map", atomic, of: untyped };
  if (schema.embedded) return applyTypeOfEmbedded(schema, atomic);
  const fields = new Map([...schema.properties].map(([name, inner]) => [name, nodeType(inner)]));
  const other = schema.preserveUnknown ? untyped : undefined;
  return { kind: "struct", atomic, plain: false, field: (name) => fields.get(name) ?? other };
}

function applyTypeOfEmbedded(schema: Schema, atomic: boolean): ApplyType {
  const fields = new Map([...schema.properties].map(([name, inner]) => [name, nodeType(inner)]));
  const meta = applyTypeOf(objectMeta);
  const field = (name: string): ApplyType | undefined => {
    if (name === "metadata") return meta;
    if (name === "apiVersion" || name === "kind") return scalar;
    return fields.get(name) ?? (schema.preserveUnknown ? untyped : undefined);
  };
  return { kind: "struct", atomic, plain: false, field };
}

function listType({ items, listType, listKeys }: Schema): ApplyType {
  const of = items === null ? untyped : nodeType(items);
  if (listType !== "map") return { kind: "list", listType, of };
  const keys = listKeys.map((name): ListKey => {
    const fallback = items?.properties.get(name)?.fallback;
    return typeof fallback === "string" || typeof fallback === "number" ? { name, default: fallback } : { name };
  });
  return { kind: "list", listType, of, keys };
}
