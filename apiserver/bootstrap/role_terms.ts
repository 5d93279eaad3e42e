import type { PolicyRule } from "../authz/policy_rule.ts";
import type { Subject } from "../authz/rbac.ts";

/** A role that every cluster has. */
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

export const none = { verbs: [], apiGroups: [], resources: [], resourceNames: [], nonResourceURLs: [] } as const;

/** @param groups separated by spaces; `core` is the core group */
export function rule(verbs: string, groups: string, names: string, resourceNames: readonly string[] = []): PolicyRule {
  return {
    ...none,
    verbs: verbs.split(" "),
    apiGroups: groups.split(" ").map((group) => group === "core" ? "" : group),
    resources: names.split(" "),
    resourceNames,
  };
}

export function paths(verbs: string, urls: string): PolicyRule {
  return { ...none, verbs: verbs.split(" "), nonResourceURLs: urls.split(" ") };
}

export const read = "get list watch";
export const write = "create delete deletecollection patch update";
export const readWrite = "create delete deletecollection get list patch update watch";

export const eventRule = rule("create patch update", "core events.k8s.io", "events");
export const authenticates = rule("create", "authentication.k8s.io", "tokenreviews");
export const authorizes = rule("create", "authorization.k8s.io", "subjectaccessreviews");

export function clusterRole(name: string, rules: readonly PolicyRule[], aggregateTo = ""): DefaultRole {
  return { name, namespace: "", labels: aggregateLabel(aggregateTo), rules };
}

export function aggregated(name: string, aggregateTo: string): DefaultRole {
  return { name, namespace: "", labels: aggregateLabel(aggregateTo), rules: [], aggregates: labelOf(name) };
}

function aggregateLabel(to: string): Record<string, string> {
  return to === "" ? {} : { [labelOf(to)]: "true" };
}

function labelOf(role: string): string {
  return `rbac.authorization.k8s.io/aggregate-to-${role}`;
}

export function user(name: string): Subject {
  return { kind: "User", name, namespace: "" };
}

export function group(name: string): Subject {
  return { kind: "Group", name, namespace: "" };
}

export function bind(role: string, subjects: readonly Subject[], name = role): DefaultBinding {
  return { name, namespace: "", role: { kind: "ClusterRole", name: role }, subjects };
}

export function bindRole(
  name: string,
  role: string,
  users: readonly string[],
  accounts: readonly string[],
): DefaultBinding {
  const subjects = [
    ...users.map(user),
    ...accounts.map((account) => ({ kind: "ServiceAccount", name: account, namespace: "kube-system" })),
  ];
  return { name, namespace: "kube-system", role: { kind: "Role", name: role }, subjects };
}
