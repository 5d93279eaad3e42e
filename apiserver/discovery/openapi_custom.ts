import { apiVersionOf, listKindOf } from "../../api/resources.ts";
import type { DynamicResource } from "../catalog.ts";
import { isRecord, type Json } from "../dig.ts";
import type { Dialect } from "./openapi_schema.ts";

/** Compiled types that custom resources refer to. */
export const customTypes: readonly string[] = [
  "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta",
  "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta",
];

/** A custom resource's schema and its list's, by type name. */
export function customSchemas({ info, openApi }: DynamicResource, dialect: Dialect): Json {
  const { group, version } = info;
  const at = dialect === "v3" ? "#/components/schemas/" : "#/definitions/";
  const list: Json = {
    type: "object",
    description: `${listKindOf(info)} is a list of ${info.kind}`,
    required: ["items"],
    properties: {
      apiVersion: { type: "string" },
      kind: { type: "string" },
      metadata: { $ref: `${at}io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta` },
      items: {
        type: "array",
        description: `List of ${info.resource}. ${apiVersionOf(info)}`,
        items: { $ref: at + info.type },
      },
    },
    "x-kubernetes-group-version-kind": [{ group, version, kind: listKindOf(info) }],
  };
  return { [info.type]: dialect === "v3" ? openApi : toV2(openApi), [`${info.type}List`]: list };
}

/** Keywords that OpenAPI v2 does not have. */
const unknownToV2: ReadonlySet<string> = new Set(["oneOf", "anyOf", "not", "nullable"]);

/** What v2 can say of a v3 schema. It cannot say "or null", nor "or another type": there it says nothing of the type. */
function toV2(schema: Json): Json {
  const v2: Json = {};
  const vague = schema["nullable"] === true || schema["x-kubernetes-int-or-string"] === true ||
    schema["x-kubernetes-preserve-unknown-fields"] === true;
  for (const [key, value] of Object.entries(schema)) {
    if (unknownToV2.has(key)) continue;
    // Older clients check what they see: an object that takes any field may name none, and not even its type.
    if (vague && ["type", "items", "properties", "additionalProperties", "required"].includes(key)) continue;
    if (key === "allOf") {
      const [only] = Array.isArray(value) ? value : [];
      if (isRecord(only) && typeof only["$ref"] === "string") {
        v2["$ref"] = only["$ref"].replace("#/components/schemas/", "#/definitions/");
      }
      continue;
    }
    v2[key] = nested(key, value);
  }
  return v2;
}

function nested(key: string, value: unknown): unknown {
  if (key === "properties" && isRecord(value)) {
    return Object.fromEntries(Object.entries(value).map(([name, it]) => [name, isRecord(it) ? toV2(it) : it]));
  }
  return (key === "items" || key === "additionalProperties") && isRecord(value) ? toV2(value) : value;
}
