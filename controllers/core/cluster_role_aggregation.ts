import type { ClusterRole } from "../../api/gen/types.ts";
import { compareStrings } from "../../api/go_text.ts";
import { matchesLabelSelector } from "../../api/labels.ts";
import { clusterRoles } from "../../api/resources.ts";
import { decide, type Decision, sameJson } from "./action.ts";

/**
 * A ClusterRole with an aggregationRule has the rules of all those that its selectors match, each rule once, in the
 * order of the roles' names; so what is added to `view` for a new kind is in `edit` and `admin` too.
 * @param all every ClusterRole
 * @see kubernetes pkg/controller/clusterroleaggregation
 */
export function reconcileAggregation(role: Readonly<ClusterRole>, all: readonly Readonly<ClusterRole>[]): Decision {
  const selectors = role.aggregationRule?.clusterRoleSelectors ?? [];
  if (role.aggregationRule === undefined || role.metadata?.deletionTimestamp !== undefined) return decide([]);
  const name = role.metadata?.name ?? "";
  const sources = all
    .filter((it) => it.metadata?.name !== name)
    .filter((it) => selectors.some((selector) => matchesLabelSelector(selector, it.metadata?.labels)))
    .sort((a, b) => compareStrings(a.metadata?.name ?? "", b.metadata?.name ?? ""));
  const rules: NonNullable<ClusterRole["rules"]> = [];
  for (const rule of sources.flatMap((it) => it.rules ?? [])) {
    if (!rules.some((known) => sameJson(known, rule))) rules.push(rule);
  }
  if (sameJson(rules, role.rules ?? [])) return decide([]);
  return decide([{ kind: "patch", info: clusterRoles, object: role, patch: { rules } }]);
}
