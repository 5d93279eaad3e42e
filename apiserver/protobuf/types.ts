import type { ResourceInfo } from "../../api/resources.ts";
import { findSchema, schemaOf, typeNames } from "../../api/schema.ts";

/** Every built-in kind has a protobuf form; custom resources have none. */
export function hasProtobuf(info: Pick<ResourceInfo, "type">): boolean {
  return info.type.startsWith("io.k8s.") && findSchema(info.type) !== undefined;
}

/** Filled at first use; a memo of the generated tables. */
const byKind = new Map<string, string>();

/** The full type name behind an apiVersion and kind; undefined for what is not in the tables. */
export function typeOfKind(apiVersion: string, kind: string): string | undefined {
  if (kind === "Status") return "io.k8s.apimachinery.pkg.apis.meta.v1.Status";
  if (byKind.size === 0) fillKinds();
  return byKind.get(`${apiVersion} ${kind}`);
}

function fillKinds(): void {
  for (const type of typeNames()) {
    for (const { group, version, kind } of schemaOf(type).gvks) {
      byKind.set(`${group === "" ? version : `${group}/${version}`} ${kind}`, type);
    }
  }
}
