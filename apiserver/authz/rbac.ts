import { compareStrings, quote } from "../../api/go_text.ts";
import type { User } from "../authn/user.ts";
import type { Attributes } from "./attributes.ts";
import { type PolicyRule, ruleAllows } from "./policy_rule.ts";

/** What RBAC says; it only ever grants, so a refusal is "no opinion". */
export interface RbacDecision {
  readonly allowed: boolean;
  /** Upstream's words: which binding allowed it, or which roles were missing; "" for neither. */
  readonly reason: string;
}

export interface Subject {
  /** `User`, `Group` or `ServiceAccount`; others match nobody. */
  readonly kind: string;
  readonly name: string;
  /** Of a ServiceAccount; "" stands for the binding's own. */
  readonly namespace: string;
}

export interface RoleRef {
  readonly kind: string;
  readonly name: string;
}

export interface Binding {
  /** "" for a ClusterRoleBinding. */
  readonly namespace: string;
  readonly name: string;
  readonly roleRef: RoleRef;
  readonly subjects: readonly Subject[];
}

/** A binding under one of its subjects. */
interface Grant {
  readonly order: number;
  readonly binding: Binding;
  readonly subject: Subject;
}

type Grants = ReadonlyMap<string, readonly Grant[]>;

/** Bindings of one kind by namespace ("" for cluster-wide ones), then by subject. */
export type BindingIndex = ReadonlyMap<string, Grants>;

/** Rules by `namespace/name` for Roles, by name for ClusterRoles. */
export type RuleTable = ReadonlyMap<string, readonly PolicyRule[]>;

/** Everything that RBAC decides on. Each part may be replaced by itself when its objects change. */
export interface Policy {
  readonly roles: RuleTable;
  readonly clusterRoles: RuleTable;
  readonly roleBindings: BindingIndex;
  readonly clusterRoleBindings: BindingIndex;
}

export const emptyPolicy: Policy = {
  roles: new Map(),
  clusterRoles: new Map(),
  roleBindings: new Map(),
  clusterRoleBindings: new Map(),
};

/** @param bindings in the order in which they are to be asked */
export function indexBindings(bindings: readonly Binding[]): BindingIndex {
  const index = new Map<string, Map<string, Grant[]>>();
  for (const [order, binding] of bindings.entries()) {
    let grants = index.get(binding.namespace);
    if (grants === undefined) index.set(binding.namespace, grants = new Map());
    for (const subject of binding.subjects) {
      const key = keyOfSubject(subject, binding.namespace);
      if (key === null) continue;
      const known = grants.get(key);
      if (known === undefined) grants.set(key, [{ order, binding, subject }]);
      else known.push({ order, binding, subject });
    }
  }
  return index;
}

function keyOfSubject(subject: Subject, bindingNamespace: string): string | null {
  switch (subject.kind) {
    case "User":
      return `u:${subject.name}`;
    case "Group":
      return `g:${subject.name}`;
    case "ServiceAccount": {
      const namespace = subject.namespace !== "" ? subject.namespace : bindingNamespace;
      return namespace === "" ? null : `u:system:serviceaccount:${namespace}:${subject.name}`;
    }
    default:
      return null;
  }
}

/** Cluster-wide bindings first, then those of the request's namespace; the first rule that fits decides. */
export function decideRbac(policy: Policy, user: User, it: Attributes): RbacDecision {
  const missing: string[] = [];
  for (const grant of grantsOf(policy, user, it.kind === "resource" ? it.namespace : "")) {
    const rules = rulesOfRef(policy, grant.binding.roleRef, grant.binding.namespace);
    if (rules === null) missing.push(missingRoleText(grant.binding.roleRef));
    else if (rules.some((rule) => ruleAllows(rule, it))) {
      return { allowed: true, reason: `RBAC: allowed by ${describe(grant)}` };
    }
  }
  return { allowed: false, reason: missing.length === 0 ? "" : `RBAC: ${aggregate(missing)}` };
}

export interface ResolvedRules {
  readonly rules: readonly PolicyRule[];
  /** The roles that were bound and not found, in upstream's words; "" for none. */
  readonly error: string;
}

/** Every rule that holds for the user in the namespace. */
export function rulesFor(policy: Policy, user: User, namespace: string): ResolvedRules {
  const found: PolicyRule[] = [];
  const missing: string[] = [];
  for (const { binding } of grantsOf(policy, user, namespace)) {
    const rules = rulesOfRef(policy, binding.roleRef, binding.namespace);
    if (rules === null) missing.push(missingRoleText(binding.roleRef));
    else found.push(...rules);
  }
  return { rules: found, error: missing.length === 0 ? "" : aggregate(missing) };
}

/** The rules of the role that a binding of this namespace refers to; null when there is none. */
export function rulesOfRef(policy: Policy, ref: RoleRef, namespace: string): readonly PolicyRule[] | null {
  const rules = ref.kind === "Role" ? policy.roles.get(`${namespace}/${ref.name}`) : policy.clusterRoles.get(ref.name);
  return rules ?? null;
}

function grantsOf(policy: Policy, user: User, namespace: string): Grant[] {
  const keys = [`u:${user.name}`, ...user.groups.map((group) => `g:${group}`)];
  const clusterWide = collect(policy.clusterRoleBindings.get(""), keys);
  return namespace === "" ? clusterWide : clusterWide.concat(collect(policy.roleBindings.get(namespace), keys));
}

/** Each binding once, under the first of its subjects that applies. */
function collect(grants: Grants | undefined, keys: readonly string[]): Grant[] {
  if (grants === undefined) return [];
  const byOrder = new Map<number, Grant>();
  for (const key of keys) {
    for (const grant of grants.get(key) ?? []) {
      const known = byOrder.get(grant.order);
      const { subjects } = grant.binding;
      if (known === undefined || subjects.indexOf(grant.subject) < subjects.indexOf(known.subject)) {
        byOrder.set(grant.order, grant);
      }
    }
  }
  return [...byOrder.values()].sort((a, b) => a.order - b.order);
}

function missingRoleText(ref: RoleRef): string {
  const resource = ref.kind === "Role" ? "role" : "clusterrole";
  return `${resource}.rbac.authorization.k8s.io ${quote(ref.name)} not found`;
}

/** Go's aggregate of errors: one as it is, several in brackets, repeated ones once. */
function aggregate(errors: readonly string[]): string {
  const unique = [...new Set(errors)];
  return unique.length === 1 ? unique[0] as string : `[${unique.join(", ")}]`;
}

function describe({ binding, subject }: Grant): string {
  const { kind, name } = binding.roleRef;
  const whose = subject.kind === "ServiceAccount"
    ? `${subject.name}/${subject.namespace !== "" ? subject.namespace : binding.namespace}`
    : subject.name;
  const which = binding.namespace === ""
    ? `ClusterRoleBinding ${quote(binding.name)}`
    : `RoleBinding ${quote(`${binding.name}/${binding.namespace}`)}`;
  return `${which} of ${kind} ${quote(name)} to ${subject.kind} ${quote(whose)}`;
}

/** The order in which bindings are asked: by namespace, then name. */
export function byNamespaceAndName(a: Binding, b: Binding): number {
  return compareStrings(a.namespace, b.namespace) || compareStrings(a.name, b.name);
}
