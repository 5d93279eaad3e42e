import { dig, items, record, text, texts } from "../dig.ts";
import type { PolicyRule } from "./policy_rule.ts";
import type { Binding } from "./rbac.ts";

/** The rules of a Role or ClusterRole object. */
export function rulesOf(object: unknown): PolicyRule[] {
  return items(dig(object, "rules")).map((item) => {
    const rule = record(item);
    return {
      verbs: texts(rule["verbs"]),
      apiGroups: texts(rule["apiGroups"]),
      resources: texts(rule["resources"]),
      resourceNames: texts(rule["resourceNames"]),
      nonResourceURLs: texts(rule["nonResourceURLs"]),
    };
  });
}

/** A RoleBinding or ClusterRoleBinding object. */
export function bindingOf(object: unknown): Binding {
  return {
    namespace: text(dig(object, "metadata", "namespace")),
    name: text(dig(object, "metadata", "name")),
    roleRef: { kind: text(dig(object, "roleRef", "kind")), name: text(dig(object, "roleRef", "name")) },
    subjects: items(dig(object, "subjects")).map((item) => {
      const subject = record(item);
      return { kind: text(subject["kind"]), name: text(subject["name"]), namespace: text(subject["namespace"]) };
    }),
  };
}

/** A rule as objects hold it: empty lists left out. */
export function ruleObject(rule: PolicyRule): Record<string, readonly string[]> {
  const { apiGroups, resources, resourceNames, nonResourceURLs, verbs } = rule;
  const lists = { apiGroups, nonResourceURLs, resourceNames, resources, verbs };
  return Object.fromEntries(Object.entries(lists).filter(([name, list]) => name === "verbs" || list.length > 0));
}
