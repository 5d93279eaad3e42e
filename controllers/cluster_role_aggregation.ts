import { keyOf } from "../client/mod.ts";
import { reconcileAggregation } from "./core/cluster_role_aggregation.ts";
import type { Informers } from "./informers.ts";
import type { Controller } from "./runner.ts";

/** Keeps the rules of aggregated ClusterRoles: `view`, `edit`, `admin`, and those that people make. */
export function clusterRoleAggregationController({ clusterRoles }: Informers): Controller {
  const aggregated = () => clusterRoles.list().filter((role) => role.aggregationRule !== undefined).map(keyOf);
  return {
    name: "clusterrole-aggregation",
    queueName: "ClusterRoleAggregator",
    keys: aggregated,
    subscribe(enqueue) {
      // Roles are few and change seldom: whichever changes, all that are put together are looked at again.
      const all = () => aggregated().forEach((key) => enqueue(key));
      clusterRoles.subscribe({ added: all, updated: all, deleted: all });
    },
    async sync(key, turn) {
      const role = clusterRoles.get(key);
      if (role !== undefined) await turn.carryOut(reconcileAggregation(role, clusterRoles.list()));
    },
  };
}
