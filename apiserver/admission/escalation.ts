import type { KubeObject } from "../../api/meta.ts";
import { clusterRoleBindings, clusterRoles, type ResourceInfo, roleBindings, roles } from "../../api/resources.ts";
import { type ApiError, forbidden, notFound } from "../../api/status.ts";
import type { User } from "../authn/user.ts";
import { attributesOn } from "../authz/attributes.ts";
import type { Authorizer } from "../authz/authorizer.ts";
import { superusers } from "../authz/decide.ts";
import { bindingOf, rulesOf } from "../authz/policy_objects.ts";
import { escalationText, missingRules, type PolicyRule } from "../authz/policy_rule.ts";
import { rulesFor, rulesOfRef } from "../authz/rbac.ts";
import { dig, type Json, record } from "../dig.ts";
import { equalJson } from "../equal.ts";

const group = "rbac.authorization.k8s.io";

/** What a ClusterRole may come to grant whose rules are put together from others. */
const everything: readonly PolicyRule[] = [
  { verbs: ["*"], apiGroups: ["*"], resources: ["*"], resourceNames: [], nonResourceURLs: [] },
  { verbs: ["*"], apiGroups: [], resources: [], resourceNames: [], nonResourceURLs: ["*"] },
];

/**
 * Nobody grants what they do not hold, unless they hold the verb `escalate` on the role, or `bind` on the role that is
 * bound.
 * @param old null for a new object
 * @throws ApiError 403, 404
 * @see kubernetes pkg/registry/rbac, the policybased storages
 */
export function refuseEscalation(
  authorizer: Authorizer,
  user: User,
  info: ResourceInfo,
  object: KubeObject,
  old: KubeObject | null,
): void {
  switch (info) {
    case roles:
    case clusterRoles:
      return checkRole(authorizer, user, info, object, old);
    case roleBindings:
    case clusterRoleBindings:
      return checkBinding(authorizer, user, info, object, old);
  }
}

function checkRole(
  authorizer: Authorizer,
  user: User,
  info: ResourceInfo,
  object: KubeObject,
  old: KubeObject | null,
): void {
  if (old !== null && (sameGrant(object, old) || isForCollectorOnly(object, old))) return;
  const { name = "", namespace = "" } = object.metadata ?? {};
  if (user.groups.includes(superusers) || may(authorizer, user, "escalate", info, namespace, name)) return;
  const isAggregated = [object, old].some((it) => dig(it, "aggregationRule") !== undefined);
  const granted = isAggregated ? everything : rulesOf(object);
  refuseMissing(authorizer, user, info, namespace, name, granted);
}

function checkBinding(
  authorizer: Authorizer,
  user: User,
  info: ResourceInfo,
  object: KubeObject,
  old: KubeObject | null,
): void {
  if (old !== null && isForCollectorOnly(object, old)) return;
  if (user.groups.includes(superusers)) return;
  const { roleRef, name, namespace } = bindingOf(object);
  const bound = roleRef.kind === "Role" ? roles : clusterRoles;
  if (may(authorizer, user, "bind", bound, namespace, roleRef.name)) return;
  const granted = rulesOfRef(authorizer.policy, roleRef, namespace);
  if (granted === null) throw notFound({ group, resource: bound.singular }, roleRef.name);
  refuseMissing(authorizer, user, info, namespace, name, granted);
}

function refuseMissing(
  authorizer: Authorizer,
  user: User,
  info: ResourceInfo,
  namespace: string,
  name: string,
  granted: readonly PolicyRule[],
): void {
  const held = rulesFor(authorizer.policy, user, namespace);
  const missing = missingRules(held.rules, granted);
  if (missing.length > 0) throw refusal(user, info, name, missing, held.error);
}

function refusal(
  user: User,
  info: ResourceInfo,
  name: string,
  missing: readonly PolicyRule[],
  error: string,
): ApiError {
  const why = escalationText(user.name, user.groups, missing);
  return forbidden(info, name, error === "" ? why : `${why}; resolution errors: [${error}]`);
}

function may(
  authorizer: Authorizer,
  user: User,
  verb: "bind" | "escalate",
  info: ResourceInfo,
  namespace: string,
  name: string,
): boolean {
  return authorizer.decide(user, attributesOn(verb, info, namespace, name)).allowed;
}

function sameGrant(object: KubeObject, old: KubeObject): boolean {
  return equalJson(dig(object, "rules") ?? [], dig(old, "rules") ?? []) &&
    equalJson(dig(object, "aggregationRule") ?? null, dig(old, "aggregationRule") ?? null);
}

/** Whether only owners and finalizers differ: what the garbage collector must be able to change. */
function isForCollectorOnly(object: KubeObject, old: KubeObject): boolean {
  return equalJson(withoutOwners(object), withoutOwners(old));
}

function withoutOwners(object: KubeObject): Json {
  const { ownerReferences: _owners, finalizers: _finalizers, managedFields: _fields, ...metadata } = record(
    object.metadata,
  );
  return { ...object, metadata };
}
