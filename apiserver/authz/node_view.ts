import type { KubeObject } from "../../api/meta.ts";
import {
  persistentVolumes,
  pods as podsInfo,
  type ResourceInfo,
  resourceSlices,
  volumeAttachments,
} from "../../api/resources.ts";
import { dig, items, record, text } from "../dig.ts";
import { parseCached } from "../watchcache/cached.ts";
import type { ResourceCache } from "../watchcache/resource_cache.ts";
import type { NodeResource, NodeView } from "./node.ts";

/** Answers from the watch cache. A kubelet that is a moment ahead of the cache is refused once and tries again. */
export function nodeView(cacheOf: (info: ResourceInfo) => ResourceCache): NodeView {
  const pods = cacheOf(podsInfo);

  const isUsedByPod = (node: string, resource: PodReference, namespace: string, name: string) =>
    pods.list(namespace).some((pod) =>
      pod.fields["spec.nodeName"] === node &&
      (resource === "serviceaccounts"
        ? pod.fields["spec.serviceAccountName"] === name
        : references[resource](parseCached(pod)).includes(name))
    );

  const object = (info: ResourceInfo, name: string): KubeObject | undefined => {
    const cached = cacheOf(info).get("", name);
    return cached === undefined ? undefined : parseCached(cached);
  };

  function nodeUses(node: string, resource: NodeResource, namespace: string, name: string): boolean {
    switch (resource) {
      case "persistentvolumes": {
        const claim = record(dig(object(persistentVolumes, name), "spec", "claimRef"));
        return isUsedByPod(node, "persistentvolumeclaims", text(claim["namespace"]), text(claim["name"]));
      }
      case "volumeattachments":
        return dig(object(volumeAttachments, name), "spec", "nodeName") === node;
      case "resourceslices":
        return dig(object(resourceSlices, name), "spec", "nodeName") === node;
      default:
        return isUsedByPod(node, resource, namespace, name);
    }
  }

  return { podNode: (namespace, name) => pods.get(namespace, name)?.fields["spec.nodeName"], nodeUses };
}

/** What a pod names itself, in its own namespace. */
type PodReference = Exclude<NodeResource, "persistentvolumes" | "resourceslices" | "volumeattachments">;

const references: Readonly<Record<Exclude<PodReference, "serviceaccounts">, (pod: KubeObject) => string[]>> = {
  configmaps: (pod) => [
    ...volumesOf(pod).map((volume) => text(dig(volume, "configMap", "name"))),
    ...projectedSources(pod).map((source) => text(dig(source, "configMap", "name"))),
    ...environment(pod, "configMapKeyRef", "configMapRef"),
  ],
  secrets: (pod) => [
    ...items(dig(pod, "spec", "imagePullSecrets")).map((it) => text(record(it)["name"])),
    ...volumesOf(pod).map((volume) => text(dig(volume, "secret", "secretName"))),
    ...volumesOf(pod).map((volume) => text(dig(volume, "csi", "nodePublishSecretRef", "name"))),
    ...projectedSources(pod).map((source) => text(dig(source, "secret", "name"))),
    ...environment(pod, "secretKeyRef", "secretRef"),
  ],
  persistentvolumeclaims: (pod) =>
    volumesOf(pod).map((volume) =>
      volume["ephemeral"] === undefined
        ? text(dig(volume, "persistentVolumeClaim", "claimName"))
        : `${pod.metadata?.name ?? ""}-${text(volume["name"])}`
    ),
  resourceclaims: (pod) => [
    ...items(dig(pod, "spec", "resourceClaims")).map((it) => text(record(it)["resourceClaimName"])),
    ...items(dig(pod, "status", "resourceClaimStatuses")).map((it) => text(record(it)["resourceClaimName"])),
  ],
};

function volumesOf(pod: KubeObject): Record<string, unknown>[] {
  return items(dig(pod, "spec", "volumes")).map(record);
}

function projectedSources(pod: KubeObject): unknown[] {
  return volumesOf(pod).flatMap((volume) => [...items(dig(volume, "projected", "sources"))]);
}

function environment(pod: KubeObject, oneKey: string, allKeys: string): string[] {
  const spec = record(dig(pod, "spec"));
  const containers = [
    ...items(spec["initContainers"]),
    ...items(spec["containers"]),
    ...items(spec["ephemeralContainers"]),
  ].map(record);
  return containers.flatMap((container) => [
    ...items(container["env"]).map((it) => text(dig(it, "valueFrom", oneKey, "name"))),
    ...items(container["envFrom"]).map((it) => text(dig(it, allKeys, "name"))),
  ]);
}
