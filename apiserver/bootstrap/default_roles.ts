import type { PolicyRule } from "../authz/policy_rule.ts";
import { componentRoles } from "./component_roles.ts";
import { controllerBindings, controllerRoles } from "./controller_roles.ts";
import { ownRoles } from "./own_roles.ts";
import {
  bind,
  bindRole,
  type DefaultBinding,
  type DefaultRole,
  eventRule,
  group,
  read,
  rule,
  user,
} from "./role_terms.ts";
import { userRoles } from "./user_roles.ts";

/**
 * The roles and bindings that every cluster has.
 * @see kubernetes plugin/pkg/auth/authorizer/rbac/bootstrappolicy
 */
export function defaultRoles(): DefaultRole[] {
  return [
    ...userRoles,
    ...componentRoles,
    ...controllerRoles,
    ...ownRoles,
    ...namespacedRoles,
  ];
}

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
  accountRole("bootstrap-signer", "kube-system", [rule(read, "core", "secrets")]),
  accountRole("cloud-provider", "kube-system", [rule("create get list watch", "core", "configmaps")]),
  accountRole("token-cleaner", "kube-system", [rule("delete get list watch", "core", "secrets"), eventRule]),
  accountRole("bootstrap-signer", "kube-public", [
    rule(read, "core", "configmaps"),
    rule("update", "core", "configmaps", ["cluster-info"]),
    eventRule,
  ]),
  lockRole("kube-controller-manager"),
  lockRole("kube-scheduler"),
];

function accountRole(name: string, namespace: string, rules: readonly PolicyRule[]): DefaultRole {
  return { name: `system:controller:${name}`, namespace, labels: {}, rules };
}

const everyone = ["system:authenticated", "system:unauthenticated"];

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
  ...[
    ["bootstrap-signer", "kube-system"],
    ["cloud-provider", "kube-system"],
    ["token-cleaner", "kube-system"],
    ["bootstrap-signer", "kube-public"],
  ].map(([account = "", namespace = ""]) => ({
    name: `system:controller:${account}`,
    namespace,
    role: { kind: "Role", name: `system:controller:${account}` } as const,
    subjects: [{ kind: "ServiceAccount", name: account, namespace: "kube-system" }],
  })),
  ...controllerBindings,
];
