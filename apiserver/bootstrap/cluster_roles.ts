import { resources } from "../../api/resources.ts";
import type { PolicyRule } from "../authz/policy_rule.ts";
import type { Subject } from "../authz/rbac.ts";

/**
 * The roles and bindings that every cluster has.
 * @see kubernetes plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go
 */
export interface DefaultRole {
  readonly name: string;
  /** "" for a ClusterRole. */
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly rules: readonly PolicyRule[];
  /** A ClusterRole put together from those with this label; its rules are the controller's to write. */
  readonly aggregates?: string;
}

export interface DefaultBinding {
  readonly name: string;
  readonly namespace: string;
  readonly role: { readonly kind: "ClusterRole" | "Role"; readonly name: string };
  readonly subjects: readonly Subject[];
}

const none = { verbs: [], apiGroups: [], resources: [], resourceNames: [], nonResourceURLs: [] } as const;

/** @param groups separated by spaces; `core` is the core group */
function rule(verbs: string, groups: string, names: string, resourceNames: readonly string[] = []): PolicyRule {
  return {
    ...none,
    verbs: verbs.split(" "),
    apiGroups: groups.split(" ").map((group) => group === "core" ? "" : group),
    resources: names.split(" "),
    resourceNames,
  };
}

function paths(verbs: string, urls: string): PolicyRule {
  return { ...none, verbs: verbs.split(" "), nonResourceURLs: urls.split(" ") };
}

const read = "get list watch";
const write = "create delete deletecollection patch update";
const readWrite = "create delete deletecollection get list patch update watch";

const events = rule("create patch update", "core events.k8s.io", "events");
const authenticates = rule("create", "authentication.k8s.io", "tokenreviews");
const authorizes = rule("create", "authorization.k8s.io", "subjectaccessreviews");

function clusterRole(name: string, rules: readonly PolicyRule[], aggregateTo = ""): DefaultRole {
  return { name, namespace: "", labels: aggregateLabel(aggregateTo), rules };
}

function aggregated(name: string, aggregateTo: string): DefaultRole {
  return { name, namespace: "", labels: aggregateLabel(aggregateTo), rules: [], aggregates: labelOf(name) };
}

function aggregateLabel(to: string): Record<string, string> {
  return to === "" ? {} : { [labelOf(to)]: "true" };
}

function labelOf(role: string): string {
  return `rbac.authorization.k8s.io/aggregate-to-${role}`;
}

/** Roles for people. */
const userRoles: readonly DefaultRole[] = [
  clusterRole("cluster-admin", [rule("*", "*", "*"), paths("*", "*")]),
  aggregated("admin", ""),
  aggregated("edit", "admin"),
  aggregated("view", "edit"),
  clusterRole("system:aggregate-to-admin", [
    rule("create", "authorization.k8s.io", "localsubjectaccessreviews"),
    rule(readWrite, "rbac.authorization.k8s.io", "rolebindings roles"),
  ], "admin"),
  clusterRole("system:aggregate-to-edit", [
    rule(read, "core", "pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy"),
    rule("impersonate", "core", "serviceaccounts"),
    rule(write, "core", "pods pods/attach pods/exec pods/portforward pods/proxy"),
    rule("create", "core", "pods/eviction"),
    rule(
      write,
      "core",
      "configmaps events persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets " +
        "serviceaccounts services services/proxy",
    ),
    rule("create", "core", "serviceaccounts/token"),
    rule(
      write,
      "apps",
      "daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale statefulsets " +
        "statefulsets/scale",
    ),
    rule(write, "autoscaling", "horizontalpodautoscalers"),
    rule(write, "batch", "cronjobs jobs"),
    rule(write, "policy", "poddisruptionbudgets"),
    rule(write, "networking.k8s.io", "ingresses networkpolicies"),
    rule(readWrite, "coordination.k8s.io", "leases"),
  ], "edit"),
  clusterRole("system:aggregate-to-view", [
    rule(
      read,
      "core",
      "configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers " +
        "replicationcontrollers/scale serviceaccounts services services/status",
    ),
    rule(
      read,
      "core",
      "bindings events limitranges namespaces/status pods/log pods/status replicationcontrollers/status " +
        "resourcequotas resourcequotas/status",
    ),
    rule(read, "core", "namespaces"),
    rule(read, "discovery.k8s.io", "endpointslices"),
    rule(
      read,
      "apps",
      "controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status replicasets " +
        "replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status",
    ),
    rule(read, "autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status"),
    rule(read, "batch", "cronjobs cronjobs/status jobs jobs/status"),
    rule(read, "policy", "poddisruptionbudgets poddisruptionbudgets/status"),
    rule(read, "networking.k8s.io", "ingresses ingresses/status networkpolicies"),
  ], "view"),
  clusterRole("system:basic-user", [
    rule("create", "authorization.k8s.io", "selfsubjectaccessreviews selfsubjectrulesreviews"),
    rule("create", "authentication.k8s.io", "selfsubjectreviews"),
  ]),
  clusterRole("system:discovery", [
    paths(
      "get",
      "/api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/",
    ),
  ]),
  clusterRole("system:public-info-viewer", [paths("get", "/healthz /livez /readyz /version /version/")]),
  clusterRole("system:monitoring", [
    paths("get", "/healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/*"),
  ]),
];

function signer(role: string, name: string): DefaultRole {
  return clusterRole(`system:certificates.k8s.io:${role}-approver`, [
    rule("approve", "certificates.k8s.io", "signers", [`kubernetes.io/${name}`]),
  ]);
}

/** Roles for components, upstream's. */
const componentRoles: readonly DefaultRole[] = [
  clusterRole("system:auth-delegator", [authenticates, authorizes]),
  clusterRole("system:certificates.k8s.io:certificatesigningrequests:nodeclient", [
    rule("create", "certificates.k8s.io", "certificatesigningrequests/nodeclient"),
  ]),
  clusterRole("system:certificates.k8s.io:certificatesigningrequests:selfnodeclient", [
    rule("create", "certificates.k8s.io", "certificatesigningrequests/selfnodeclient"),
  ]),
  signer("kube-apiserver-client", "kube-apiserver-client"),
  signer("kube-apiserver-client-kubelet", "kube-apiserver-client-kubelet"),
  signer("kubelet-serving", "kubelet-serving"),
  signer("legacy-unknown", "legacy-unknown"),
  clusterRole("system:kube-aggregator", [rule(read, "core", "endpoints services")]),
  clusterRole("system:kube-controller-manager", [
    events,
    rule("create", "coordination.k8s.io", "leases"),
    rule("get update", "coordination.k8s.io", "leases", ["kube-controller-manager"]),
    rule("create", "core", "secrets serviceaccounts"),
    rule("delete", "core", "secrets"),
    rule("get", "core", "configmaps namespaces secrets serviceaccounts"),
    rule("update", "core", "secrets serviceaccounts"),
    authenticates,
    authorizes,
    rule("list watch", "*", "*"),
    rule("create", "core", "serviceaccounts/token"),
  ]),
  clusterRole("system:kube-dns", [rule("list watch", "core", "endpoints services")]),
  clusterRole("system:kube-scheduler", [
    events,
    rule("create", "coordination.k8s.io", "leases"),
    rule("get update", "coordination.k8s.io", "leases", ["kube-scheduler"]),
    rule(read, "core", "nodes"),
    rule("delete get list watch", "core", "pods"),
    rule("create", "core", "bindings pods/binding"),
    rule("patch update", "core", "pods/status"),
    rule(read, "core", "replicationcontrollers services"),
    rule(read, "apps", "replicasets"),
    rule(read, "apps", "statefulsets"),
    rule(read, "policy", "poddisruptionbudgets"),
    rule(read, "core", "persistentvolumeclaims persistentvolumes"),
    authenticates,
    authorizes,
    rule(read, "storage.k8s.io", "csinodes"),
    rule(read, "core", "namespaces"),
    rule(read, "storage.k8s.io", "csidrivers"),
    rule(read, "storage.k8s.io", "csistoragecapacities"),
  ]),
  clusterRole("system:kubelet-api-admin", [
    rule(read, "core", "nodes"),
    rule("proxy", "core", "nodes"),
    rule("*", "core", "nodes/log nodes/metrics nodes/proxy nodes/stats"),
  ]),
  // Bound to nobody: what kubelets may do depends on their pods, which is for the Node authorizer.
  clusterRole("system:node", [
    authenticates,
    rule("create", "authorization.k8s.io", "localsubjectaccessreviews subjectaccessreviews"),
    rule(read, "core", "services"),
    rule("create get list watch", "core", "nodes"),
    rule("patch update", "core", "nodes/status"),
    rule("patch update", "core", "nodes"),
    rule("create patch update", "core", "events"),
    rule(read, "core", "pods"),
    rule("create delete", "core", "pods"),
    rule("patch update", "core", "pods/status"),
    rule("create", "core", "pods/eviction"),
    rule(read, "core", "configmaps secrets"),
    rule("get", "core", "persistentvolumeclaims persistentvolumes"),
    rule("get", "core", "endpoints"),
    rule("create get list watch", "certificates.k8s.io", "certificatesigningrequests"),
    rule("create delete get patch update", "coordination.k8s.io", "leases"),
    rule("get", "storage.k8s.io", "volumeattachments"),
    rule("create", "core", "serviceaccounts/token"),
    rule("get patch update", "core", "persistentvolumeclaims/status"),
    rule(read, "storage.k8s.io", "csidrivers"),
    rule("create delete get patch update", "storage.k8s.io", "csinodes"),
    rule(read, "node.k8s.io", "runtimeclasses"),
  ]),
  clusterRole("system:node-bootstrapper", [
    rule("create get list watch", "certificates.k8s.io", "certificatesigningrequests"),
  ]),
  clusterRole("system:node-problem-detector", [
    rule("get", "core", "nodes"),
    rule("patch", "core", "nodes/status"),
    events,
  ]),
  clusterRole("system:node-proxier", [
    rule("list watch", "core", "endpoints services"),
    rule(read, "core", "nodes"),
    events,
    rule("list watch", "discovery.k8s.io", "endpointslices"),
  ]),
  clusterRole("system:persistent-volume-provisioner", [
    rule("create delete get list watch", "core", "persistentvolumes"),
    rule("get list update watch", "core", "persistentvolumeclaims"),
    rule(read, "storage.k8s.io", "storageclasses"),
    rule("watch", "core", "events"),
    events,
  ]),
  clusterRole("system:service-account-issuer-discovery", [
    paths("get", "/.well-known/openid-configuration /openid/v1/jwks"),
  ]),
  clusterRole("system:volume-scheduler", [
    rule("get list patch update watch", "core", "persistentvolumes"),
    rule(read, "storage.k8s.io", "storageclasses"),
    rule("get list patch update watch", "core", "persistentvolumeclaims"),
  ]),
];

/** Running commands, reading output and making tokens is for people: not part of what the controllers write. */
const notForControllers: ReadonlySet<string> = new Set(["attach", "exec", "log", "portforward", "proxy", "token"]);

/** Every served resource by name, one rule a group: a `*` would take in the sub-resources above. */
function everyResource(): PolicyRule[] {
  const byGroup = new Map<string, string[]>();
  for (const info of resources) {
    const names = byGroup.get(info.group) ?? [];
    names.push(info.resource);
    for (const sub of info.subresources) if (!notForControllers.has(sub)) names.push(`${info.resource}/${sub}`);
    byGroup.set(info.group, names);
  }
  return [...byGroup].map(([group, names]) => ({
    ...none,
    verbs: readWrite.split(" "),
    apiGroups: [group],
    resources: [...new Set(names)].sort(),
  }));
}

/** Roles that upstream does not have. */
const ownRoles: readonly DefaultRole[] = [
  // Upstream's controllers each have an account of their own; ours share the controller manager's.
  clusterRole("system:sauropod:controllers", [
    ...everyResource(),
    rule("escalate", "rbac.authorization.k8s.io", "clusterroles"),
    rule("approve sign", "certificates.k8s.io", "signers"),
  ]),
  // One process stands for many kubelets: what each may do, for all nodes.
  clusterRole("system:sauropod:hollow-nodes", [
    rule(read, "core", "nodes pods services"),
    rule("get", "core", "configmaps secrets"),
    rule("create patch update", "core", "nodes"),
    rule("create get patch update", "coordination.k8s.io", "leases"),
    rule("patch update", "core", "nodes/status pods/status"),
    rule("delete", "core", "pods"),
    events,
  ]),
  clusterRole("system:sauropod:proxy", [rule(read, "core", "namespaces services")]),
];

function lockRole(component: string): DefaultRole {
  return {
    name: `system::leader-locking-${component}`,
    namespace: "kube-system",
    labels: {},
    rules: [
      rule("create get list update watch", "coordination.k8s.io", "leases"),
      rule("create get list update watch", "coordination.k8s.io", "leasecandidates"),
    ],
  };
}

const namespacedRoles: readonly DefaultRole[] = [
  {
    name: "extension-apiserver-authentication-reader",
    namespace: "kube-system",
    labels: {},
    rules: [rule(read, "core", "configmaps", ["extension-apiserver-authentication"])],
  },
  lockRole("kube-controller-manager"),
  lockRole("kube-scheduler"),
];

export const defaultRoles: readonly DefaultRole[] = [
  ...userRoles,
  ...componentRoles,
  ...ownRoles,
  ...namespacedRoles,
];

const everyone = ["system:authenticated", "system:unauthenticated"];

function user(name: string): Subject {
  return { kind: "User", name, namespace: "" };
}

function group(name: string): Subject {
  return { kind: "Group", name, namespace: "" };
}

function bind(role: string, subjects: readonly Subject[], name = role): DefaultBinding {
  return { name, namespace: "", role: { kind: "ClusterRole", name: role }, subjects };
}

function bindRole(name: string, role: string, users: readonly string[], accounts: readonly string[]): DefaultBinding {
  const subjects = [
    ...users.map(user),
    ...accounts.map((account) => ({ kind: "ServiceAccount", name: account, namespace: "kube-system" })),
  ];
  return { name, namespace: "kube-system", role: { kind: "Role", name: role }, subjects };
}

export const defaultBindings: readonly DefaultBinding[] = [
  bind("cluster-admin", [group("system:masters")]),
  bind("system:monitoring", [group("system:monitoring")]),
  bind("system:discovery", [group("system:authenticated")]),
  bind("system:basic-user", [group("system:authenticated")]),
  bind("system:public-info-viewer", everyone.map(group)),
  bind("system:node-proxier", [user("system:kube-proxy")]),
  bind("system:kube-controller-manager", [user("system:kube-controller-manager")]),
  bind("system:kube-dns", [{ kind: "ServiceAccount", name: "kube-dns", namespace: "kube-system" }]),
  bind("system:kube-scheduler", [user("system:kube-scheduler")]),
  bind("system:volume-scheduler", [user("system:kube-scheduler")]),
  bind("system:node", []),
  bind("system:service-account-issuer-discovery", [group("system:serviceaccounts")]),
  bind("system:sauropod:controllers", [user("system:kube-controller-manager")]),
  bind("system:sauropod:hollow-nodes", [user("system:hollow-nodes")]),
  bind("system:sauropod:proxy", [user("system:kube-proxy")]),
  bindRole(
    "system::extension-apiserver-authentication-reader",
    "extension-apiserver-authentication-reader",
    ["system:kube-controller-manager", "system:kube-scheduler"],
    [],
  ),
  bindRole(
    "system::leader-locking-kube-controller-manager",
    "system::leader-locking-kube-controller-manager",
    ["system:kube-controller-manager"],
    ["kube-controller-manager", "leader-election-controller"],
  ),
  bindRole("system::leader-locking-kube-scheduler", "system::leader-locking-kube-scheduler", [
    "system:kube-scheduler",
  ], ["kube-scheduler"]),
];
