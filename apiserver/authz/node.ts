import type { Attributes } from "./attributes.ts";
import type { Decision } from "./decide.ts";

/** What a kubelet may read because a pod of its node needs it. */
export type NodeResource =
  | "configmaps"
  | "persistentvolumeclaims"
  | "persistentvolumes"
  | "resourceclaims"
  | "resourceslices"
  | "secrets"
  | "serviceaccounts"
  | "volumeattachments";

/** What the rules for kubelets need to know about pods and what these lead to. */
export interface NodeView {
  /** spec.nodeName of a pod; "" when it is bound to none; undefined when there is no such pod. */
  podNode(namespace: string, name: string): string | undefined;
  /** Does a pod bound to `node` lead to this object, or is it of this node itself? */
  nodeUses(node: string, resource: NodeResource, namespace: string, name: string): boolean;
}

type ResourceAttributes = Extract<Attributes, { kind: "resource" }>;

const allow: Decision = { allowed: true, reason: "" };
const deny: Decision = { allowed: false, reason: "" };
const reads: readonly string[] = ["get", "list", "watch"];
const ownWrites: readonly string[] = ["create", "delete", "get", "patch", "update"];

/**
 * The Node authorizer's rules (plugin/pkg/auth/authorizer/node): a kubelet sees its own Node, its own pods and what those
 * refer to, and writes its own Node, Lease, CSINode and pod statuses. What depends on bodies is in
 * admission/node_restriction.ts. Static pods have no mirrors here, so a kubelet creates no pods.
 */
export function decideNode(node: string, it: ResourceAttributes, view: NodeView): Decision {
  // A custom resource may be called like one of ours.
  if (groupOf[it.resource]?.includes(it.group) !== true) return deny;
  const resource = it.subresource === "" ? it.resource : `${it.resource}/${it.subresource}`;
  switch (resource) {
    case "nodes":
      return decideOwnNode(node, it);
    case "nodes/status":
      return it.verb === "update" || it.verb === "patch" ? ownName(node, it) : deny;
    case "leases":
      return decideLease(node, it);
    case "csinodes":
      if (!ownWrites.includes(it.verb)) return no("can only get, create, update, patch, or delete a CSINode");
      if (it.verb === "create" || it.name === node) return allow;
      return no("can only access CSINode with the same name as the requesting node");
    case "pods":
      return decidePods(node, it, view);
    case "pods/status":
      return it.verb === "update" || it.verb === "patch" ? boundHere(node, it, view) : deny;
    case "secrets":
    case "configmaps":
      if (!reads.includes(it.verb)) return no("can only read resources of this type");
      return related(node, it, view, resource);
    case "persistentvolumeclaims":
    case "persistentvolumes":
    case "resourceclaims":
    case "volumeattachments":
      if (it.verb !== "get") return no("can only get individual resources of this type");
      return related(node, it, view, resource);
    case "persistentvolumeclaims/status":
      if (it.verb !== "update" && it.verb !== "patch") return no("can only get/update/patch this type");
      return related(node, it, view, "persistentvolumeclaims");
    case "resourceslices":
      return decideSlice(node, it, view);
    case "serviceaccounts":
      return it.verb === "get" ? related(node, it, view, "serviceaccounts") : deny;
    case "serviceaccounts/token":
      if (it.verb !== "create" || it.name === "") return no("can only create tokens for individual service accounts");
      return related(node, it, view, "serviceaccounts");
  }
  return uniform[resource]?.includes(it.verb) === true ? allow : deny;
}

const core: readonly string[] = [""];
const storage: readonly string[] = ["storage.k8s.io"];

/** The groups of what a kubelet may have to do with. */
const groupOf: Readonly<Record<string, readonly string[]>> = {
  certificatesigningrequests: ["certificates.k8s.io"],
  configmaps: core,
  csidrivers: storage,
  csinodes: storage,
  endpoints: core,
  events: ["", "events.k8s.io"],
  leases: ["coordination.k8s.io"],
  localsubjectaccessreviews: ["authorization.k8s.io"],
  nodes: core,
  persistentvolumeclaims: core,
  persistentvolumes: core,
  pods: core,
  resourceclaims: ["resource.k8s.io"],
  resourceslices: ["resource.k8s.io"],
  runtimeclasses: ["node.k8s.io"],
  secrets: core,
  serviceaccounts: core,
  services: core,
  subjectaccessreviews: ["authorization.k8s.io"],
  tokenreviews: ["authentication.k8s.io"],
  volumeattachments: storage,
};

/** What every kubelet may do to every object of a kind. */
const uniform: Readonly<Record<string, readonly string[]>> = {
  certificatesigningrequests: ["create", ...reads],
  csidrivers: reads,
  endpoints: ["get"],
  events: ["create", "patch", "update"],
  localsubjectaccessreviews: ["create"],
  "pods/eviction": ["create"],
  runtimeclasses: reads,
  services: reads,
  subjectaccessreviews: ["create"],
  tokenreviews: ["create"],
};

function no(reason: string): Decision {
  return { allowed: false, reason };
}

function decideOwnNode(node: string, it: ResourceAttributes): Decision {
  switch (it.verb) {
    case "create":
      return allow;
    case "update":
    case "patch":
      return ownName(node, it);
    case "get":
    case "list":
    case "watch":
      if (it.name === node) return allow;
      if (it.name === "") return no(`node '${node}' cannot read all nodes, only its own Node object`);
      return no(`node '${node}' cannot read '${it.name}', only its own Node object`);
    default:
      return deny;
  }
}

function ownName(node: string, it: ResourceAttributes): Decision {
  return it.name === node ? allow : no(`node "${node}" cannot modify node "${it.name}"`);
}

function decideLease(node: string, it: ResourceAttributes): Decision {
  if (!ownWrites.includes(it.verb)) return no("can only get, create, update, patch, or delete a node lease");
  if (it.namespace !== "kube-node-lease") {
    return no(`can only access leases in the "kube-node-lease" system namespace`);
  }
  // The name of a new one is in its body: admission looks there.
  if (it.verb === "create" || it.name === node) return allow;
  return no("can only access node lease with the same name as the requesting node");
}

function decidePods(node: string, it: ResourceAttributes, view: NodeView): Decision {
  switch (it.verb) {
    case "list":
    case "watch":
      return it.fields["spec.nodeName"] === node || (it.name !== "" && view.podNode(it.namespace, it.name) === node)
        ? allow
        : no("can only list/watch pods with spec.nodeName field selector");
    case "get":
    case "delete":
      return boundHere(node, it, view);
    default:
      return deny;
  }
}

function decideSlice(node: string, it: ResourceAttributes, view: NodeView): Decision {
  switch (it.verb) {
    case "create":
      return allow;
    case "list":
    case "watch":
    case "deletecollection":
      if (it.fields["spec.nodeName"] === node) return allow;
      return no("can only list/watch/deletecollection resourceslices with nodeName field selector");
    default:
      return related(node, it, view, "resourceslices");
  }
}

function unrelated(node: string): Decision {
  return no(`no relationship found between node '${node}' and this object`);
}

function boundHere(node: string, it: ResourceAttributes, view: NodeView): Decision {
  const bound = view.podNode(it.namespace, it.name);
  // A pod that is gone is nobody's secret: the registry answers 404, which the kubelet needs to hear.
  return bound === undefined || bound === node ? allow : unrelated(node);
}

function related(node: string, it: ResourceAttributes, view: NodeView, resource: NodeResource): Decision {
  if (it.name === "") return no("No Object name found");
  return view.nodeUses(node, resource, it.namespace, it.name) ? allow : unrelated(node);
}
