import assert from "node:assert/strict";
import type { ClusterRole } from "../../api/gen/types.ts";
import { reconcileAggregation } from "./cluster_role_aggregation.ts";

function role(name: string, verbs: readonly string[][], labels: Record<string, string> = {}): ClusterRole {
  const rules = verbs.map((each) => ({ verbs: each, apiGroups: [""], resources: ["pods"] }));
  return { metadata: { name, labels, uid: name, resourceVersion: "1" }, rules };
}

function aggregate(name: string, label: string, rules: ClusterRole["rules"] = []): ClusterRole {
  const aggregationRule = { clusterRoleSelectors: [{ matchLabels: { [label]: "true" } }] };
  return { metadata: { name, uid: name, labels: { [label]: "true" } }, aggregationRule, rules: rules ?? [] };
}

function wanted(of: ClusterRole, all: ClusterRole[]): unknown {
  const [action] = reconcileAggregation(of, all).actions;
  return action?.kind === "patch" ? action.patch["rules"] : undefined;
}

Deno.test("reconcileAggregation() joins the matching roles' rules by name, each once, without the role's own", () => {
  const view = aggregate("view", "to-view");
  const all = [role("b", [["list"], ["get"]], { "to-view": "true" }), role("a", [["get"]], { "to-view": "true" })];
  const rules = wanted(view, [...all, role("other", [["delete"]]), view]);
  assert.deepEqual(rules, [
    { verbs: ["get"], apiGroups: [""], resources: ["pods"] },
    { verbs: ["list"], apiGroups: [""], resources: ["pods"] },
  ]);
  assert.equal(wanted({ ...view, rules: rules as NonNullable<ClusterRole["rules"]> }, all), undefined);
});

Deno.test("reconcileAggregation() empties a role whose sources are gone, and leaves ordinary roles alone", () => {
  const stale = aggregate("view", "to-view", [{ verbs: ["get"], apiGroups: [""], resources: ["pods"] }]);
  assert.deepEqual(wanted(stale, [stale]), []);
  assert.equal(wanted(role("plain", [["get"]]), [stale]), undefined);
});
