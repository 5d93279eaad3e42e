import type { Attributes } from "./attributes.ts";
import type { Decision } from "./decide.ts";

/** What the rules for kubelets need to know about pods. */
export interface NodeView {
  /** spec.nodeName of a pod; "" when it is bound to none; undefined when there is no such pod. */
  podNode(namespace: string, name: string): string | undefined;
  /** Does a pod bound to `node` refer to this object? */
  nodeUses(
    node: string,
    resource: "secrets" | "configmaps" | "serviceaccounts",
    namespace: string,
    name: string,
  ): boolean;
}

type ResourceAttributes = Extract<Attributes, { kind: "resource" }>;

const allow: Decision = { allowed: true, reason: "" };
const reads: readonly string[] = ["get", "list", "watch"];

/**
 * The Node authorizer's rules (plugin/pkg/auth/authorizer/node): a kubelet sees its own pods and what those refer to,
 * and writes its own Node, Lease and pod statuses. What depends on bodies is in admission/node_restriction.ts.
 */
export function decideNode(node: string, it: ResourceAttributes, view: NodeView): Decision {
  const resource = it.subresource === "" ? it.resource : `${it.resource}/${it.subresource}`;
  switch (resource) {
    case "nodes":
      if (reads.includes(it.verb) || it.verb === "create") return allow;
      return it.verb === "update" || it.verb === "patch" ? ownName(node, it, "node") : no("");
    case "nodes/status":
      return it.verb === "deletecollection" || it.verb === "delete" ? no("") : ownName(node, it, "node");
    case "leases":
      return decideLease(node, it);
    case "pods":
      return decidePods(node, it, view);
    case "pods/eviction":
      return it.verb === "create" ? allow : no("");
    case "pods/status":
      return boundHere(node, it, view);
    case "events":
      return it.verb === "create" || it.verb === "update" || it.verb === "patch" ? allow : no("");
    case "services":
      return reads.includes(it.verb) ? allow : no("");
    case "secrets":
    case "configmaps":
      return it.name !== "" && reads.includes(it.verb) ? referred(node, it, view, resource) : no("");
    case "serviceaccounts":
      return it.verb === "get" ? referred(node, it, view, "serviceaccounts") : no("");
    case "serviceaccounts/token":
      return it.verb === "create" ? referred(node, it, view, "serviceaccounts") : no("");
    default:
      return no("");
  }
}

function no(reason: string): Decision {
  return { allowed: false, reason };
}

function ownName(node: string, it: ResourceAttributes, what: string): Decision {
  return it.name === node ? allow : no(`node "${node}" cannot modify ${what} "${it.name}"`);
}

function decideLease(node: string, it: ResourceAttributes): Decision {
  if (it.namespace !== "kube-node-lease") {
    return no(`can only access leases in the "kube-node-lease" system namespace`);
  }
  // The name of a new one is in its body: admission looks there.
  if (it.verb === "create") return allow;
  return it.name === node ? allow : no("can only access node lease with the same name as the requesting node");
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
      return no("");
  }
}

function boundHere(node: string, it: ResourceAttributes, view: NodeView): Decision {
  const bound = view.podNode(it.namespace, it.name);
  // A pod that is gone is nobody's secret: the registry answers 404, which the kubelet needs to hear.
  if (bound === undefined || bound === node) return allow;
  return no(`no relationship found between node '${node}' and this object`);
}

function referred(
  node: string,
  it: ResourceAttributes,
  view: NodeView,
  resource: "secrets" | "configmaps" | "serviceaccounts",
): Decision {
  return view.nodeUses(node, resource, it.namespace, it.name)
    ? allow
    : no(`no relationship found between node '${node}' and this object`);
}
