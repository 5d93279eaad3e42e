import { fromUtf8 } from "../../base/bytes.ts";
import { namespaces, type ResourceInfo } from "../../api/resources.ts";
import { forbidden, notFound } from "../../api/status.ts";
import { dig } from "../dig.ts";
import type { Registry } from "../registry/context.ts";
import { namespaceKey } from "../registry/write.ts";

/** Namespaces that no one may delete. */
const immortal: ReadonlySet<string> = new Set(["default", "kube-system", "kube-public"]);

/** Nothing is created in a namespace that does not exist (404) or is going away (403). */
export async function admitToNamespace(
  registry: Registry,
  info: ResourceInfo,
  namespace: string,
  name: string,
): Promise<void> {
  const cached = registry.strategy(namespaces).cache.get("", namespace);
  // The cache may be behind the client that has just created the namespace.
  const object = cached === undefined ? await readNamespace(registry, namespace) : cached.parsed;
  if (object === null) throw notFound(namespaces, namespace);
  if (dig(object, "status", "phase") !== "Terminating" && dig(object, "metadata", "deletionTimestamp") === undefined) {
    return;
  }
  const message = `namespace ${namespace} is being terminated`;
  throw forbidden(
    info,
    name,
    `unable to create new content in namespace ${namespace} because it is being terminated`,
    [{ reason: "NamespaceTerminating", message, field: "metadata.namespace" }],
  );
}

async function readNamespace(registry: Registry, namespace: string): Promise<unknown> {
  const kv = await registry.store.get(namespaceKey(namespace));
  return kv === null ? null : JSON.parse(fromUtf8(kv.value));
}

export function admitNamespaceDelete(name: string): void {
  if (immortal.has(name)) throw forbidden(namespaces, name, "this namespace may not be deleted");
}
