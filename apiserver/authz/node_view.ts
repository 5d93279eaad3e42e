import type { KubeObject } from "../../api/meta.ts";
import { dig, items, record, text } from "../dig.ts";
import { parseCached } from "../watchcache/cached.ts";
import type { ResourceCache } from "../watchcache/resource_cache.ts";
import type { NodeView } from "./node.ts";

/** Answers from the pod cache. A kubelet that is a moment ahead of the cache is refused once and tries again. */
export function nodeView(pods: ResourceCache): NodeView {
  return {
    podNode: (namespace, name) => pods.get(namespace, name)?.fields["spec.nodeName"],
    nodeUses: (node, resource, namespace, name) =>
      pods.list(namespace).some((pod) =>
        pod.fields["spec.nodeName"] === node &&
        (resource === "serviceaccounts"
          ? pod.fields["spec.serviceAccountName"] === name
          : refersTo(parseCached(pod), resource, name))
      ),
  };
}

/** Whether the pod's volumes, environment or pull secrets name the object. */
function refersTo(pod: KubeObject, resource: "secrets" | "configmaps", name: string): boolean {
  const spec = record(dig(pod, "spec"));
  const isSecret = resource === "secrets";
  if (isSecret && items(spec["imagePullSecrets"]).some((it) => record(it)["name"] === name)) return true;
  for (const volume of items(spec["volumes"]).map(record)) {
    if (isSecret && dig(volume, "secret", "secretName") === name) return true;
    if (!isSecret && dig(volume, "configMap", "name") === name) return true;
    for (const source of items(dig(volume, "projected", "sources")).map(record)) {
      if (dig(source, isSecret ? "secret" : "configMap", "name") === name) return true;
    }
  }
  const containers = [...items(spec["initContainers"]), ...items(spec["containers"])].map(record);
  return containers.some((container) =>
    items(container["env"]).some((it) =>
      text(dig(it, "valueFrom", isSecret ? "secretKeyRef" : "configMapKeyRef", "name")) === name
    ) ||
    items(container["envFrom"]).some((it) => text(dig(it, isSecret ? "secretRef" : "configMapRef", "name")) === name)
  );
}
