/** RBAC's kinds, as they are stored. @see kubernetes pkg/apis/rbac/v1/defaults.go and validation */
import { type FieldError, forbidden, invalid, notSupported, required } from "../field_errors.ts";
import type { ClusterRoleBinding, PolicyRule, RbacV1Subject, Role } from "../gen/types.ts";
import { equalJson } from "../json_value.ts";
import type { KubeObject } from "../meta.ts";
import { unset } from "./common.ts";
import { pathSegmentName, type SchemaRuleOptions } from "./schema_rules.ts";

const rbacGroup = "rbac.authorization.k8s.io";

// Rules are looked up by resource; a RoleBinding has the same fields as a ClusterRoleBinding, a Role those that count.
const asBinding = (object: KubeObject): ClusterRoleBinding => object as ClusterRoleBinding;
const asRole = (object: KubeObject): Role => object as Role;

/** @param kinds what may be bound */
export function bindingOptions(kinds: readonly string[]): SchemaRuleOptions {
  return {
    name: pathSegmentName,
    setDefaults(object) {
      const binding = asBinding(object);
      if (binding.roleRef !== undefined && unset(binding.roleRef.apiGroup)) binding.roleRef.apiGroup = rbacGroup;
      for (const subject of binding.subjects ?? []) {
        if (subject.apiGroup === undefined && subject.kind !== "ServiceAccount") subject.apiGroup = rbacGroup;
      }
    },
    check(object) {
      const { roleRef, subjects } = asBinding(object);
      const errors = (subjects ?? []).flatMap((subject, index) => validateSubject(subject, `subjects[${index}]`));
      if (roleRef === undefined) return errors;
      if (roleRef.apiGroup !== rbacGroup) errors.push(notSupported("roleRef.apiGroup", roleRef.apiGroup, [rbacGroup]));
      if (!unset(roleRef.kind) && !kinds.includes(roleRef.kind)) {
        errors.push(notSupported("roleRef.kind", roleRef.kind, kinds));
      }
      const text = pathSegmentName(roleRef.name ?? "").join(", ");
      if (text !== "") errors.push(invalid("roleRef.name", roleRef.name, text));
      return errors;
    },
    checkUpdate(next, old) {
      const { roleRef } = asBinding(next);
      return equalJson(roleRef, asBinding(old).roleRef) ? [] : [invalid("roleRef", roleRef, "cannot change roleRef")];
    },
  };
}

function validateSubject(subject: RbacV1Subject, path: string): FieldError[] {
  switch (subject.kind) {
    case "ServiceAccount": {
      const errors = unset(subject.namespace) ? [required(`${path}.namespace`)] : [];
      if (!unset(subject.apiGroup)) errors.push(notSupported(`${path}.apiGroup`, subject.apiGroup, [""]));
      return errors;
    }
    case "User":
    case "Group":
      if (subject.apiGroup === rbacGroup) return [];
      return [notSupported(`${path}.apiGroup`, subject.apiGroup ?? "", [rbacGroup])];
    default:
      return [notSupported(`${path}.kind`, subject.kind ?? "", ["Group", "ServiceAccount", "User"])];
  }
}

export const roleOptions: SchemaRuleOptions = {
  name: pathSegmentName,
  check: (object) => (asRole(object).rules ?? []).flatMap((rule, at) => validateRule(rule, true, `rules[${at}]`)),
};

export const clusterRoleOptions: SchemaRuleOptions = {
  name: pathSegmentName,
  check: (object) => (asRole(object).rules ?? []).flatMap((rule, at) => validateRule(rule, false, `rules[${at}]`)),
};

function validateRule(rule: PolicyRule, namespaced: boolean, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if ((rule.verbs ?? []).length === 0) {
    errors.push(required(`${path}.verbs`, "verbs must contain at least one value"));
  }
  if ((rule.nonResourceURLs ?? []).length > 0) {
    const at = `${path}.nonResourceURLs`;
    if (namespaced) {
      errors.push(invalid(at, rule.nonResourceURLs, "namespaced rules cannot apply to non-resource URLs"));
    }
    if ([rule.apiGroups, rule.resources, rule.resourceNames].some((list) => (list ?? []).length > 0)) {
      const text = "rules cannot apply to both regular resources and non-resource URLs";
      errors.push(invalid(at, rule.nonResourceURLs, text));
    }
    return errors;
  }
  if ((rule.apiGroups ?? []).length === 0) {
    errors.push(required(`${path}.apiGroups`, "resource rules must supply at least one api group"));
  }
  if ((rule.resources ?? []).length === 0) {
    errors.push(required(`${path}.resources`, "resource rules must supply at least one resource"));
  }
  return errors;
}

/** Priorities above belong to the system. @see kubernetes pkg/apis/scheduling HighestUserDefinablePriority */
const highestUserPriority = 1_000_000_000;
const systemPriorities: Readonly<Record<string, number>> = {
  "system-node-critical": 2_000_001_000,
  "system-cluster-critical": 2_000_000_000,
};

interface PriorityFields extends KubeObject {
  readonly value?: number;
  readonly globalDefault?: boolean;
  preemptionPolicy?: string;
}

const asPriority = (object: KubeObject): PriorityFields => object as PriorityFields;

export const priorityClassOptions: SchemaRuleOptions = {
  generationOf: ["value", "globalDefault", "description", "preemptionPolicy"],
  setDefaults(object) {
    const it = asPriority(object);
    if (unset(it.preemptionPolicy)) it.preemptionPolicy = "PreemptLowerPriority";
  },
  check(object) {
    const { metadata, value = 0, preemptionPolicy } = asPriority(object);
    const name = metadata?.name ?? "";
    const errors: FieldError[] = [];
    if (name.startsWith("system-")) {
      if (systemPriorities[name] !== value) {
        const text = "priority class names with 'system-' prefix are reserved for system use only";
        errors.push(forbidden("metadata.name", text));
      }
    } else if (value > highestUserPriority) {
      const text = `maximum allowed value of a user defined priority is ${highestUserPriority}`;
      errors.push(forbidden("value", text));
    }
    const policies = ["Never", "PreemptLowerPriority"];
    if (preemptionPolicy !== undefined && !policies.includes(preemptionPolicy)) {
      errors.push(notSupported("preemptionPolicy", preemptionPolicy, policies));
    }
    return errors;
  },
  checkUpdate: (next, old) =>
    (["value", "preemptionPolicy"] as const).flatMap((name) =>
      asPriority(next)[name] === asPriority(old)[name] ? [] : [forbidden(name, "may not be changed in an update.")]
    ),
};
