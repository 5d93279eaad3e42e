import type { KubeObject } from "../../api/meta.ts";
import { badRequest, serviceUnavailable } from "../../api/status.ts";
import { nodeOfUser, type User } from "../authn/user.ts";
import type { PolicyRule } from "../authz/policy_rule.ts";
import { rulesFor } from "../authz/rbac.ts";
import { dig, type Json, text } from "../dig.ts";
import type { Registry } from "../registry/context.ts";

/**
 * SelfSubjectRulesReview: what all may I do in this namespace? A list for people: what the Node authorizer would grant
 * depends on pods, and is not in it.
 */
export async function reviewRules(registry: Registry, user: User, review: KubeObject): Promise<Json> {
  const namespace = text(dig(review, "spec", "namespace"));
  if (namespace === "") throw badRequest("no namespace on request");
  if (!(await registry.authorizer.whenLoaded())) throw serviceUnavailable("the roles are not loaded yet", 1);
  const { rules, error } = rulesFor(registry.authorizer.policy, user, namespace);
  const isNode = nodeOfUser(user) !== null;
  const errors = [...(isNode ? ["node authorizer does not support user rule resolution"] : []), error]
    .filter((it) => it !== "");
  return {
    resourceRules: rules.filter((rule) => rule.resources.length > 0).map(resourceRule),
    nonResourceRules: rules.filter((rule) => rule.nonResourceURLs.length > 0)
      .map(({ verbs, nonResourceURLs }) => ({ verbs, nonResourceURLs })),
    incomplete: errors.length > 0,
    ...(errors.length > 0 ? { evaluationError: errors.join(", ") } : {}),
  };
}

function resourceRule({ verbs, apiGroups, resources, resourceNames }: PolicyRule): Json {
  return { verbs, apiGroups, resources, ...(resourceNames.length > 0 ? { resourceNames } : {}) };
}
