import { type FieldSchema, type FieldType, findSchema, schemaOf, type TypeSchema } from "../../api/schema.ts";
import type { Json } from "../dig.ts";

/** Where references point: `#/components/schemas/` in OpenAPI v3, `#/definitions/` in v2. */
export type Dialect = "v3" | "v2";

function refPath(dialect: Dialect, type: string): string {
  return (dialect === "v3" ? "#/components/schemas/" : "#/definitions/") + type;
}

/** One type as an OpenAPI schema, with the x-kubernetes extensions that kubectl's patches and explain read. */
export function openApiSchema(schema: TypeSchema, dialect: Dialect): Json {
  const required = [...schema.fields.values()].filter((field) => field.required).map((field) => field.name);
  const properties: Json = {};
  for (const field of schema.fields.values()) properties[field.name] = property(field, dialect);
  return {
    type: "object",
    ...(schema.opaque ? {} : { properties }),
    ...(required.length > 0 ? { required } : {}),
    ...(schema.gvks.length > 0 ? { "x-kubernetes-group-version-kind": schema.gvks } : {}),
  };
}

function property(field: FieldSchema, dialect: Dialect): Json {
  const json = typeSchema(field.type, dialect);
  if (field.listType !== undefined) json["x-kubernetes-list-type"] = field.listType;
  if (field.listKeys !== undefined) json["x-kubernetes-list-map-keys"] = field.listKeys;
  if (field.mapType !== undefined) json["x-kubernetes-map-type"] = field.mapType;
  if (field.patchStrategies.length > 0) json["x-kubernetes-patch-strategy"] = field.patchStrategies.join(",");
  if (field.mergeKey !== undefined) json["x-kubernetes-patch-merge-key"] = field.mergeKey;
  return json;
}

function typeSchema(type: FieldType, dialect: Dialect): Json {
  switch (type.kind) {
    case "list":
      return { type: "array", items: typeSchema(type.of, dialect) };
    case "map":
      return { type: "object", additionalProperties: typeSchema(type.of, dialect) };
    case "ref": {
      // Extensions may not stand beside a plain $ref in v3; v2 readers know nothing of allOf.
      const ref = { $ref: refPath(dialect, type.type) };
      return dialect === "v3" ? { allOf: [ref] } : ref;
    }
    case "string":
    case "quantity":
      return { type: "string" };
    case "bool":
      return { type: "boolean" };
    case "int32":
    case "int64":
      return { type: "integer", format: type.kind };
    case "double":
      return { type: "number", format: "double" };
    case "bytes":
      return { type: "string", format: "byte" };
    case "time":
    case "microtime":
      return { type: "string", format: "date-time" };
    case "int-or-string":
      return dialect === "v3"
        ? { format: "int-or-string", oneOf: [{ type: "integer" }, { type: "string" }] }
        : { type: "string", format: "int-or-string" };
    case "any":
      return { type: "object" };
  }
}

/** Full names of `roots` and of every type that they refer to, sorted. */
export function typeClosure(roots: readonly string[]): string[] {
  const found = new Set<string>();
  const open = [...roots];
  for (let type = open.pop(); type !== undefined; type = open.pop()) {
    if (found.has(type) || findSchema(type) === undefined) continue;
    found.add(type);
    for (const field of schemaOf(type).fields.values()) {
      let inner = field.type;
      while (inner.kind === "list" || inner.kind === "map") inner = inner.of;
      if (inner.kind === "ref") open.push(inner.type);
    }
  }
  return [...found].sort();
}
