import { resources } from "../../api/resources.ts";
import type { PolicyRule } from "../authz/policy_rule.ts";
import {
  authenticates,
  authorizes,
  clusterRole,
  type DefaultRole,
  eventRule,
  none,
  read,
  readWrite,
  rule,
} from "./role_terms.ts";

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
export const ownRoles: readonly DefaultRole[] = [
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
    eventRule,
    authenticates,
    authorizes,
  ]),
  clusterRole("system:sauropod:proxy", [rule(read, "core", "namespaces services")]),
];
