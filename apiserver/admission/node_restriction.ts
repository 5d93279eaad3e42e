import type { KubeObject } from "../../api/meta.ts";
import {
  csiNodes,
  leases,
  nodes,
  persistentVolumeClaims,
  pods,
  type ResourceInfo,
  resourceSlices,
} from "../../api/resources.ts";
import { type ApiError, forbidden } from "../../api/status.ts";
import { nodeOfUser, type User } from "../authn/user.ts";
import { dig, items, record, text } from "../dig.ts";
import { equalJson } from "../equal.ts";

/**
 * What a kubelet may not write although it may write the object at all (NodeRestriction): the rules that need bodies.
 * @see kubernetes plugin/pkg/admission/noderestriction
 */
export function restrictNodeCreate(user: User, info: ResourceInfo, object: KubeObject): void {
  const node = nodeOfUser(user);
  if (node === null) return;
  const name = object.metadata?.name ?? "";
  if (info === nodes) {
    if (name !== node) throw notOwnNode(node, name);
    const forbiddenLabels = restrictedLabels(object, {});
    if (forbiddenLabels.length > 0) {
      throw deny(nodes, name, `is not allowed to set the following labels: ${forbiddenLabels.join(", ")}`, node);
    }
    if ((object.metadata?.ownerReferences?.length ?? 0) > 0) {
      throw deny(nodes, name, "is not allowed to set ownerReferences", node);
    }
  }
  if (info === leases && name !== node) {
    throw forbidden(leases, name, "can only access node lease with the same name as the requesting node");
  }
  if (info === csiNodes && name !== node) {
    throw forbidden(csiNodes, name, "can only access CSINode with the same name as the requesting node");
  }
  if (info === resourceSlices && dig(object, "spec", "nodeName") !== node) {
    throw forbidden(
      resourceSlices,
      name,
      "can only create ResourceSlice with the same NodeName as the requesting node",
    );
  }
}

export function restrictNodeUpdate(
  user: User,
  info: ResourceInfo,
  subresource: string,
  object: KubeObject,
  old: KubeObject,
  podNode: (namespace: string, name: string) => string | undefined,
): void {
  const node = nodeOfUser(user);
  if (node === null) return;
  const name = old.metadata?.name ?? "";
  if (info === pods) {
    const bound = text(dig(old, "spec", "nodeName")) || podNode(old.metadata?.namespace ?? "", name);
    if (subresource !== "status" || bound !== node) {
      throw deny(pods, name, `can only update pod status for pods with spec.nodeName set to itself`, node);
    }
    if (!equalJson(object.metadata?.labels ?? {}, old.metadata?.labels ?? {})) {
      throw deny(pods, name, "cannot update labels through pod status", node);
    }
    return;
  }
  if (info === persistentVolumeClaims) return restrictClaimStatus(object, old, node);
  if (info !== nodes) return;
  if (name !== node) throw notOwnNode(node, name);
  if (!equalJson(dig(object, "spec", "configSource"), dig(old, "spec", "configSource"))) {
    throw deny(nodes, name, "is not allowed to update configSource to a new non-nil configSource", node);
  }
  if (!equalJson(items(dig(object, "spec", "taints")), items(dig(old, "spec", "taints")))) {
    throw deny(nodes, name, "is not allowed to modify taints", node);
  }
  const changed = restrictedLabels(object, record(old.metadata?.labels));
  if (changed.length > 0) throw deny(nodes, name, `is not allowed to modify labels: ${changed.join(", ")}`, node);
  if (!equalJson(object.metadata?.ownerReferences ?? [], old.metadata?.ownerReferences ?? [])) {
    throw deny(nodes, name, "is not allowed to modify ownerReferences", node);
  }
}

/** Of a claim, a kubelet reports what its resizing came to. */
function restrictClaimStatus(object: KubeObject, old: KubeObject, node: string): void {
  const others = (of: KubeObject) => {
    const { resourceVersion: _version, managedFields: _fields, ...metadata } = record(of.metadata);
    const {
      capacity: _capacity,
      conditions: _conditions,
      allocatedResources: _allocated,
      allocatedResourceStatuses: _statuses,
      ...status
    } = record(dig(of, "status"));
    return { ...of, metadata, status };
  };
  if (equalJson(others(object), others(old))) return;
  const why = "is not allowed to update fields other than status.capacity and status.conditions";
  throw deny(persistentVolumeClaims, old.metadata?.name ?? "", why, node);
}

/** @param podNode for pods: where it is bound */
export function restrictNodeDelete(user: User, info: ResourceInfo, podNode: string | undefined, name: string): void {
  const node = nodeOfUser(user);
  if (node === null) return;
  if (info === nodes) throw notOwnNode(node, name);
  if (info === pods && podNode !== undefined && podNode !== node) {
    throw deny(pods, name, "can only delete pods with spec.nodeName set to itself", node);
  }
}

/** @param podNode where the pod is bound */
export function restrictEviction(user: User, podNode: string, name: string): void {
  const node = nodeOfUser(user);
  if (node === null || podNode === node) return;
  throw forbidden(pods, name, `node ${node} can only evict pods with spec.nodeName set to itself`);
}

/** Labels of the kubernetes.io and k8s.io domains that a kubelet may set on its own Node. */
const ownLabels: ReadonlySet<string> = new Set([
  "kubernetes.io/hostname",
  "kubernetes.io/arch",
  "kubernetes.io/os",
  "beta.kubernetes.io/arch",
  "beta.kubernetes.io/os",
  "beta.kubernetes.io/instance-type",
  "node.kubernetes.io/instance-type",
  "failure-domain.beta.kubernetes.io/region",
  "failure-domain.beta.kubernetes.io/zone",
  "topology.kubernetes.io/region",
  "topology.kubernetes.io/zone",
]);

/** Changed labels that are for administrators alone, sorted. */
function restrictedLabels(object: KubeObject, before: Readonly<Record<string, unknown>>): string[] {
  const after = object.metadata?.labels ?? {};
  const changed = [...new Set([...Object.keys(after), ...Object.keys(before)])]
    .filter((key) => after[key] !== before[key]);
  return changed.filter((key) => {
    const domain = key.includes("/") ? key.slice(0, key.indexOf("/")) : "";
    if (domain === "node-restriction.kubernetes.io" || domain.endsWith(".node-restriction.kubernetes.io")) return true;
    const ours = /(^|\.)(kubernetes|k8s)\.io$/.test(domain);
    const kubelet = /(^|\.)(kubelet|node)\.kubernetes\.io$/.test(domain);
    return ours && !kubelet && !ownLabels.has(key);
  }).sort();
}

function notOwnNode(node: string, name: string): ApiError {
  return forbidden(nodes, name, `node "${node}" is not allowed to modify node "${name}"`);
}

function deny(info: ResourceInfo, name: string, why: string, node: string): ApiError {
  return forbidden(info, name, `node "${node}" ${why}`);
}
