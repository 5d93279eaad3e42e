import type { CustomResourceDefinitionVersion, JSONSchemaProps } from "../../api/gen/types.ts";
import type { ResourceInfo } from "../../api/resources.ts";
import type { Json } from "../dig.ts";

const apiVersionText =
  "APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized " +
  "schemas to the latest internal value, and may reject unrecognized values.";
const kindText = "Kind is a string value representing the REST resource this object represents.";

/** The published schema of one version: the definition's own, with what every object has. */
export function openApiOf(info: ResourceInfo, version: CustomResourceDefinitionVersion): Json {
  const { group, kind } = info;
  const gvk = { "x-kubernetes-group-version-kind": [{ group, version: info.version, kind }] };
  const schema = version.schema?.openAPIV3Schema;
  if (schema === undefined) return { type: "object", ...gvk };
  const own: JSONSchemaProps = { ...schema };
  if (own["x-kubernetes-preserve-unknown-fields"] === true && own.properties === undefined) {
    // Upstream publishes such objects without fields, so that clients check none.
    return { ...own, ...gvk };
  }
  const meta = { $ref: "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta" };
  return {
    ...own,
    type: "object",
    properties: {
      apiVersion: { type: "string", description: apiVersionText },
      kind: { type: "string", description: kindText },
      metadata: { description: "Standard object's metadata.", allOf: [meta] },
      ...withoutMeta(own.properties),
    },
    ...gvk,
  };
}

function withoutMeta(properties: JSONSchemaProps["properties"]): Json {
  const { apiVersion: _apiVersion, kind: _kind, metadata: _metadata, ...own } = properties ?? {};
  return own;
}
